"""Which of a picture's pixels are ink that somebody wrote, and which are paper, lines, frames, shadows or a desk.

    paper     a smooth background: medians along rows and columns, which keep the straight edge of a shadow or a desk
    ink       what differs from it, darker or lighter, whichever is more
    lines     rulings and squares, which go across the picture, are taken out where no stroke crosses them
    clutter   frames, and what hangs on the picture's edge
    a digit   the parts that are left, if they stand together; else it is said what was found
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .components import Part, parts_of
from .rulings import without_rulings

LEAST_CONTRAST = 16  # of ink on paper, out of 255
SPECK = 0.25  # of the largest part's longer side: what is smaller is no digit, at most a piece of one
NEAR = 0.25  # of the largest part's longer side: pieces that are no farther away belong to it


class NoDigit(ValueError):
    """What was found instead, in words that end a sentence about the picture."""


def ink_of(grey: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Floats 0 … 255 (height, width) -> how much ink of the one digit is where, 0 for paper, and its box: top, left,
    bottom, right. Raises NoDigit where there is no ink, uneven paper, or several digits."""
    contrast = grey - paper_of(grey)
    clear = np.abs(contrast) > otsu(np.abs(contrast))
    inner = np.zeros_like(clear)
    margin = [side // 16 for side in grey.shape]
    inner[margin[0] : grey.shape[0] - margin[0], margin[1] : grey.shape[1] - margin[1]] = True
    towards = contrast[clear & inner].sum() or contrast[clear].sum()
    ink = np.maximum(contrast * np.sign(towards), 0)
    rest = ink.copy()
    for _ in range(3):  # the darkest may be clutter: then what is paler has its turn
        threshold = otsu(rest)
        mask = rest > threshold
        noise = np.median(np.abs(contrast[~mask]))
        if not mask.any() or rest[mask].mean() < LEAST_CONTRAST or threshold < 3 * noise:
            break
        strokes = without_rulings(mask)
        found, clutter = _sorted_out(parts_of(strokes), grey.shape)
        if found:
            ruled = grown(mask & ~strokes, 1) & ~strokes
            return _with_faint_edges(np.where(ruled, 0, ink), found, threshold, noise)
        rest[grown(mask, 2)] = 0
    raise NoDigit("no ink found. Expected one that stands out from even paper.")


def paper_of(grey: np.ndarray) -> np.ndarray:
    """The paper's brightness everywhere. Ink must be less than half of what a window of medians sees."""
    wide = _medians(grey, 1)
    contrast = np.abs(grey - wide)
    marked = grown(contrast > otsu(contrast), 1)
    return _medians(np.where(marked, wide, grey), 0.3)


def _medians(picture: np.ndarray, part: float) -> np.ndarray:
    """Along each row, then along each column, of a window that is this part of its length. What rises or falls along a
    line, be it a step, stays as it is."""
    for axis in (1, 0):
        half = int(picture.shape[axis] * part / 2)
        pad = [(half, half) if one == axis else (0, 0) for one in (0, 1)]
        windows = sliding_window_view(np.pad(picture, pad, mode="symmetric"), 2 * half + 1, axis=axis)
        picture = np.median(windows[..., :: max(1, half // 32)], axis=-1)
    return picture


def otsu(values: np.ndarray) -> float:
    """The threshold that parts values in 0 … 255 into the two classes that differ most (N. Otsu, 1979)."""
    counts = np.histogram(values, bins=256, range=(0, 256))[0]
    below, mass = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    distance = mass / np.maximum(below, 1) - (mass[-1] - mass) / np.maximum(above, 1)  # of the classes' means
    return float(np.argmax(below * above * distance**2)) + 1


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """With all pixels that are at most `by` rows and columns away."""
    for axis in (0, 1):
        pad = [(by, by) if one == axis else (0, 0) for one in (0, 1)]
        mask = sliding_window_view(np.pad(mask, pad), 2 * by + 1, axis=axis).any(axis=-1)
    return mask


def _sorted_out(parts: list[Part], shape: tuple[int, int]) -> tuple[list[Part], list[Part]]:
    """The parts of the digit, and those that are clutter. Raises NoDigit for several digits and for uneven paper."""
    clutter = [part for part in parts if is_frame(part) or touches(part, shape)]
    written = [part for part in parts if not any(part is other for other in clutter)]
    if not written or written[0].side < max(3, max(shape) / 16):
        written = [part for part in parts if not is_frame(part) and part.area < 0.7 * part.height * part.width]
    if not written:
        return [], clutter
    return _one_digit(written), clutter


def _one_digit(parts: list[Part]) -> list[Part]:
    largest = max(parts, key=lambda part: part.side)
    near, reach = [largest], NEAR * largest.side
    rest = [part for part in parts if part is not largest]
    while joined := [part for part in rest if any(_gap(part, other) <= reach for other in near)]:
        near += joined
        rest = [part for part in rest if not any(part is other for other in joined)]
    large = [part for part in near + rest if part.side >= 0.6 * largest.side]
    if len(large) > 8:
        raise NoDigit(f"the paper is uneven: {len(large)} marks of about one size were found, expected one digit.")
    apart = [part for part in large if not any(_over(part, other) for other in large if other is not part)]
    if len(large) > 1 and apart:
        raise NoDigit(f"{len(large)} digits or marks found, expected one: cut the picture to one.")
    return [part for part in near if part is largest or part.area >= 0.01 * largest.area]


def _gap(a: Part, b: Part) -> int:
    """Pixels between the boxes of two parts."""
    return max(a.top - b.bottom, b.top - a.bottom, a.left - b.right, b.left - a.right, 0)


def _over(a: Part, b: Part) -> bool:
    """Do they share columns? A piece of a digit stands above another, a second digit beside it."""
    return min(a.right, b.right) - max(a.left, b.left) > 0.2 * min(a.width, b.width)


def touches(part: Part, shape: tuple[int, int]) -> bool:
    """Does a part hang on the picture's edge?"""
    return part.top <= 1 or part.left <= 1 or part.bottom >= shape[0] - 1 or part.right >= shape[1] - 1


def is_frame(part: Part) -> bool:
    """A rectangle of lines: along each side of its box, nearly every place has a pixel near that side."""
    if part.side < 8 or part.area > 0.6 * part.height * part.width:
        return False
    y, x = (part.rows - part.top) / part.height, (part.columns - part.left) / part.width
    bands = (y < 0.12, x), (y > 0.88, x), (x < 0.12, y), (x > 0.88, y)
    return all(len(np.unique((along[band] * 32).astype(int))) >= 28 for band, along in bands)


def _with_faint_edges(
    ink: np.ndarray, parts: list[Part], threshold: float, noise: float
) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Edges count too, as far as they rise above the paper's noise."""
    mask = np.zeros(ink.shape, bool)
    for part in parts:
        mask[part.rows, part.columns] = True
    ink = np.where(grown(mask, max(2, max(part.side for part in parts) // 16)), ink, 0)
    ink[ink <= min(threshold, max(threshold / 8, 8 * noise))] = 0
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink, (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
