"""Which of a picture's pixels are ink that somebody wrote, and which are paper, lines, frames, shadows or a desk.

paper     a smooth background: medians along rows and columns, which keep the straight edge of a shadow or a desk
ink       what differs from it, darker or lighter, whichever is more
lines     rulings and squares, which go across the picture, are taken out where no stroke crosses them
clutter   frames, and what hangs on the picture's edge
a digit   the parts that are left, if they stand together; else it is said what was found
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .marks import sorted_out
from .parts import Part, grown, parts_of
from .rulings import without_rulings

LEAST_CONTRAST = 16  # of ink on paper, out of 255
WINDOWS = (1.0, 0.5)  # of the picture's sides
LITTLE = 0.1  # of what differs from the paper: that is not what was photographed
PLAIN = 0.9  # as much of what differs from the paper is the digit: there is nothing else to explain


class NoDigit(ValueError):
    """What was found instead, in words that end a sentence about the picture."""


class Found(NamedTuple):
    """What one way of looking at a picture makes of it."""

    share: float  # of all that differs from the paper
    ink: np.ndarray
    box: tuple[int, int, int, int]  # top, left, bottom, right
    trouble: str = ""  # why it is no digit


def ink_of(grey: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Floats 0 … 255 (height, width) -> how much ink of the one digit is where, 0 for paper, and its box: top, left,
    bottom, right. Raises NoDigit where there is no ink, uneven paper, or several digits.

    The paper is looked for with wide windows and narrower ones, the ink among what is darker and what is lighter: the
    way that leaves least unexplained is taken.
    """
    found: list[Found] = []
    for window in WINDOWS:
        contrast = grey - paper_of(grey, window)
        found += [one for sign in (-1, 1) if (one := _written(contrast, sign, at_edge=False))]
        if any(one.share > PLAIN for one in found):
            break
    if max((one.share for one in found), default=0) < LITTLE:  # cut so close that the digit itself hangs on the edge?
        contrast = grey - np.median(grey)
        found += [one for sign in (-1, 1) if (one := _written(contrast, sign, at_edge=True))]
    if not found:
        raise NoDigit("no ink found. Expected one that stands out from even paper.")
    best = max(found, key=lambda one: one.share)
    if best.trouble:
        raise NoDigit(best.trouble)
    return best.ink, best.box


def _written(contrast: np.ndarray, sign: int, at_edge: bool) -> Found | None:
    """What is written in ink darker (sign −1) or lighter (1) than the paper; None where nothing is."""
    ink, all_of_it = np.maximum(contrast * sign, 0), np.abs(contrast)
    rest = ink.copy()
    for _ in range(3):  # the darkest may be clutter: then what is paler has its turn
        threshold = otsu(rest)
        mask = rest > threshold
        noise = np.median(all_of_it[~mask]) if not mask.all() else 255
        if not mask.any() or rest[mask].mean() < LEAST_CONTRAST or threshold < 3 * noise:
            return None
        strokes = without_rulings(mask)
        parts, trouble = sorted_out(parts_of(strokes, reach=min(mask.shape) // 100), mask.shape, at_edge)
        if parts:
            share = sum(ink[part.rows, part.columns].sum() for part in parts) / all_of_it[all_of_it > threshold].sum()
            ruled = grown(mask & ~strokes, 1) & ~strokes
            return Found(share, *_with_faint_edges(np.where(ruled, 0, ink), parts, threshold, noise), trouble)
        rest[grown(mask, 2)] = 0
    return None


def paper_of(grey: np.ndarray, window: float) -> np.ndarray:
    """The paper's brightness everywhere. Ink must be less than half of what is seen through a window, which is this
    part of the picture."""
    wide = _medians(grey, window)
    contrast = np.abs(grey - wide)
    marked = grown(contrast > otsu(contrast), 1)
    return _medians(np.where(marked, wide, grey), 0.3)


def _medians(picture: np.ndarray, part: float) -> np.ndarray:
    """Along each row, then along each column, of a window that is this part of its length. What rises or falls all
    along a line, be it in a step, stays as it is: so do the edges of shadows."""
    for axis in (1, 0):
        half = int((picture.shape[axis] - 1) * part / 2)
        pad = [(half, half) if one == axis else (0, 0) for one in (0, 1)]
        windows = sliding_window_view(np.pad(picture, pad, mode="reflect"), 2 * half + 1, axis=axis)
        picture = _median(windows[..., :: max(1, half // 32)])
    return picture


def _median(windows: np.ndarray) -> np.ndarray:
    """np.median(windows, axis=-1) of numbers, in a third of its time: it also looks whether one is NaN."""
    middle = windows.shape[-1] // 2
    if windows.shape[-1] % 2:
        return np.partition(windows, middle, axis=-1)[..., middle]
    return np.partition(windows, (middle - 1, middle), axis=-1)[..., middle - 1 : middle + 1].mean(axis=-1)


def otsu(values: np.ndarray) -> float:
    """The threshold that parts values in 0 … 255 into the two classes that differ most (N. Otsu, 1979)."""
    counts = np.histogram(values, bins=256, range=(0, 256))[0]
    below, mass = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    distance = mass / np.maximum(below, 1) - (mass[-1] - mass) / np.maximum(above, 1)  # of the classes' means
    return float(np.argmax(below * above * distance**2)) + 1


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
