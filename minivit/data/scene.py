"""A picture of several digits -> the field that a detector trained on canvases of digits knows."""

import os

import numpy as np
from PIL import Image

from .ink import otsu
from .picture import read_grey

WORKING_SIDE = 800  # larger pictures are first shrunk to this
LEAST_CONTRAST = 16  # of ink on paper, out of 255
DARK = 64  # below it a picture's border is no paper


def read_canvas(path: str | os.PathLike, side: int = 64) -> np.ndarray:
    """Read a picture of several digits -> (height, width, 1) uint8, 0 the background, its longer side `side`.

    Pictures are as for `read_digit`, but digits may stand anywhere, a quarter to a half of the picture's side high, as
    on the canvases of canvas.py. What is no larger and dark at its border is taken for such a canvas, as it is; one
    without ink is black.
    """
    picture = read_grey(path)
    picture.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    grey = np.asarray(picture, np.float64)
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    if max(grey.shape) <= side and np.median(border) < DARK:
        return np.uint8(grey)[:, :, None]
    ink = _ink(grey)
    height, width = (max(1, round(length * side / max(grey.shape))) for length in grey.shape)
    if ink is None:
        return np.zeros((height, width, 1), np.uint8)
    small = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.HAMMING)
    return np.uint8(np.asarray(small) * (255 / np.max(small)))[:, :, None]


def _ink(grey: np.ndarray) -> np.ndarray | None:
    """How much ink is where, 0 for paper; None where there is no ink.

    What differs clearly from the paper is ink, be it darker or brighter. Its faint edges count too, as far as they
    rise above the paper's noise.
    """
    contrast = grey - _paper(grey)
    clear = np.abs(contrast) > otsu(np.abs(contrast))
    ink = np.maximum(contrast * np.sign(contrast[clear].sum()), 0)
    threshold = otsu(ink)
    clear = ink > threshold
    noise = np.median(np.abs(contrast[~clear]))
    if not clear.any() or ink[clear].mean() < LEAST_CONTRAST or threshold < 3 * noise:
        return None
    ink[ink <= min(threshold, max(threshold / 8, 8 * noise))] = 0
    if noise > 0.5:  # half a grey level: a photograph
        ink[_neighbours(ink > 0) < 2] = 0  # specks
    return ink if ink.any() else None


def _paper(grey: np.ndarray) -> np.ndarray:
    """The paper's brightness everywhere: a plane through the border, because light often falls from one side.

    It has the least absolute, not squared, distance to the border's pixels, so that ink among them does not tilt it.
    """
    height, width = grey.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    plane = np.stack((np.ones_like(x), y, x), axis=-1)
    border = np.ones(grey.shape, bool)
    border[1:-1, 1:-1] = False
    weight = np.ones(border.sum())
    for _ in range(10):  # weighted least squares with weights 1 / distance comes to that
        fit = np.linalg.lstsq(plane[border] * weight[:, None], grey[border] * weight, rcond=None)[0]
        weight = np.maximum(np.abs(plane[border] @ fit - grey[border]), 1) ** -0.5
    return plane @ fit


def _neighbours(mark: np.ndarray) -> np.ndarray:
    """How many of the eight pixels around each one are marked."""
    padded = np.pad(mark, 1).astype(int)
    height, width = mark.shape
    return sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3)) - mark
