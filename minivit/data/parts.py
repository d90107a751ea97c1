"""Connected parts of a black-and-white picture: pixels that touch, also at their corners."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Part(NamedTuple):
    """Pixels that hang together, and the box around them: rows top … bottom − 1, columns left … right − 1."""

    rows: np.ndarray
    columns: np.ndarray
    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def side(self) -> int:
        return max(self.height, self.width)

    @property
    def area(self) -> int:
        return len(self.rows)


def parts_of(mask: np.ndarray, reach: int = 0) -> list[Part]:
    """The connected parts of a mask (height, width), largest first. Gaps of 2 · reach pixels do not part them.

    Row by row, runs of pixels are joined with those that they touch in the row above (Rosenfeld and Pfaltz, 1966).
    """
    steps = np.diff(np.pad(grown(mask, reach), ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = run = parent[parent[run]]
        return run

    first = np.searchsorted(rows, np.arange(len(mask) + 1)).tolist()  # the first run of each row
    begin, end = starts.tolist(), ends.tolist()
    for row in range(1, len(mask)):
        above, last_above = first[row - 1], first[row]
        for run in range(first[row], first[row + 1]):
            while above < last_above and end[above] < begin[run]:
                above += 1
            other = above
            while other < last_above and begin[other] <= end[run]:
                parent[root(run)] = root(other)
                other += 1
    parts = _parts(mask, rows, starts, ends, [root(run) for run in range(len(rows))])
    return sorted(parts, key=lambda part: -part.area)


def _parts(mask: np.ndarray, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, roots: list[int]) -> list[Part]:
    lengths = ends - starts
    offsets = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    y, x = np.repeat(rows, lengths), np.repeat(starts, lengths) + offsets
    whose = np.repeat(np.unique(roots, return_inverse=True)[1] if roots else np.empty(0, int), lengths)
    own = mask[y, x]
    y, x, whose = y[own], x[own], whose[own]
    order = np.argsort(whose, kind="stable")
    cuts = np.flatnonzero(np.diff(whose[order])) + 1
    pieces = np.split(order, cuts) if len(order) else []
    return [
        Part(y[at], x[at], int(y[at].min()), int(x[at].min()), int(y[at].max()) + 1, int(x[at].max()) + 1)
        for at in pieces
    ]


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """With all pixels that are at most `by` rows and columns away."""
    for axis in (0, 1):
        pad = [(by, by) if one == axis else (0, 0) for one in (0, 1)]
        mask = sliding_window_view(np.pad(mask, pad), 2 * by + 1, axis=axis).any(axis=-1)
    return mask
