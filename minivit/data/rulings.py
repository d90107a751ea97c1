"""Lines that go across a picture, ruled or squared, a little tilted: taken out of the ink, but where strokes cross."""

import numpy as np

SLOPES = np.linspace(-0.3, 0.3, 61)  # rows a column
COVERED = 0.6  # of the picture's width: no stroke of a digit is so long
FROM_ONE_EDGE = 0.85  # as much of a line that ends before the other edge
THICKEST = 0.04  # of the picture's height: what is thicker is no line


def without_rulings(mask: np.ndarray) -> np.ndarray:
    """A mask of ink (height, width) without the lines that go across it, in either direction."""
    for _ in range(2):
        mask = _without_rows(mask).T
    return mask


def _without_rows(mask: np.ndarray) -> np.ndarray:
    if mask.any(axis=0).mean() < COVERED:  # no line can cover more
        return mask
    for _ in range(3):  # as the page bends, not all have one slope
        covered, slope = max((_coverage(mask, slope).max(), slope) for slope in SLOPES)
        if covered < COVERED:
            break
        mask = _without_slope(mask, slope)
    return mask


def _shifts(mask: np.ndarray, slope: float) -> np.ndarray:
    """How far a line of this slope has come in each column."""
    return np.round(slope * (np.arange(mask.shape[1]) - mask.shape[1] / 2)).astype(int)


def _coverage(mask: np.ndarray, slope: float) -> np.ndarray:
    """The part of the columns in which the line through each row has ink, one row more or less; 0 for lines that do not
    come from the picture's edge."""
    level = _along(mask, slope, 1)
    end = max(1, level.shape[1] // 25)
    ends = level[:, :end].any(axis=1).astype(int) + level[:, -end:].any(axis=1)
    covered = level.mean(axis=1)
    return np.where((ends == 2) | (ends == 1) & (covered > FROM_ONE_EDGE), covered, 0)


def _along(mask: np.ndarray, slope: float, near: int) -> np.ndarray:
    """The mask with its columns shifted so that lines of this slope lie along rows, `near` rows thicker both ways."""
    rows = np.arange(mask.shape[0])[:, None] + _shifts(mask, slope)
    inside = (rows >= 0) & (rows < mask.shape[0])
    level = mask[rows.clip(0, mask.shape[0] - 1), np.arange(mask.shape[1])] & inside
    padded = np.pad(level, ((near, near), (0, 0)))
    return np.logical_or.reduce([padded[i : i + mask.shape[0]] for i in range(2 * near + 1)])


def _without_slope(mask: np.ndarray, slope: float) -> np.ndarray:
    """Without what lies on lines of this slope and is no higher than the line is thick."""
    lengths = _run_lengths(mask)
    shifts = _shifts(mask, slope)
    kept = mask.copy()
    for row in np.flatnonzero(_coverage(mask, slope) >= COVERED):
        rows = (row + shifts)[None, :] + np.array([[-1], [0], [1]])
        columns = np.broadcast_to(np.arange(mask.shape[1]), rows.shape)
        inside = (rows >= 0) & (rows < mask.shape[0])
        rows, columns = rows[inside], columns[inside]
        found = lengths[rows, columns]
        thick = np.median(found[found > 0]) if found.any() else 0
        if thick <= max(2, THICKEST * mask.shape[0]):
            thin = found <= thick + 2
            kept[rows[thin], columns[thin]] = False
            lengths[rows[thin], columns[thin]] = 0
    return kept


def _run_lengths(mask: np.ndarray) -> np.ndarray:
    """For each pixel of the mask, how long the run is that it is part of, down its column; 0 elsewhere."""
    steps = np.diff(np.pad(mask.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    columns, starts = np.nonzero(steps == 1)
    lengths = np.nonzero(steps == -1)[1] - starts
    found = np.zeros(mask.shape, int)
    offsets = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    found[np.repeat(starts, lengths) + offsets, np.repeat(columns, lengths)] = np.repeat(lengths, lengths)
    return found
