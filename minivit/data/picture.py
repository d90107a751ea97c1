"""A picture of digits, from a phone, a scanner or a drawing program -> the field that a model trained on MNIST knows.

MNIST's makers scaled each digit to fit 20 x 20 pixels and laid its centre of mass on the centre of 28 x 28 (LeCun et
al., "Gradient-based learning applied to document recognition", 1998, section III.A). A new picture must look the same.
"""

import os

import numpy as np
from PIL import Image

from .opening import on_white, open_picture

WORKING_SIDE = 800  # larger pictures are first shrunk to this
LEAST_CONTRAST = 16  # of ink on paper, out of 255
DARK = 64  # below it a picture's border is no paper


def read_digit(path: str | os.PathLike, size: int = 28) -> np.ndarray:
    """Read one digit from any picture file that Pillow opens -> (1, size, size, 1) uint8, 0 the background, 255 ink.

    Dark on light or light on dark, grey, coloured or transparent; slanting light and light noise are taken out. Nothing
    but the digit should be on the paper, and paper should be all around it.
    Raises FileNotFoundError, or ValueError, naming `path`, where it is no picture, is too large or shows no ink.
    """
    ink = _ink(_read_grey(path))
    if ink is None:
        raise ValueError(f"{path} shows no digit: no ink found. Expected one that stands out from even paper.")
    return _centred(_scaled(_cut(ink), box=size * 20 // 28), size)[None, :, :, None]


def read_canvas(path: str | os.PathLike, side: int = 64) -> np.ndarray:
    """Read a picture of several digits -> (height, width, 1) uint8, 0 the background, its longer side `side`.

    Pictures are as for `read_digit`, but digits may stand anywhere, a quarter to a half of the picture's side high, as
    on the canvases of canvas.py. What is no larger and dark at its border is taken for such a canvas, as it is; one
    without ink is black.
    """
    grey = _read_grey(path)
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    if max(grey.shape) <= side and np.median(border) < DARK:
        return np.uint8(grey)[:, :, None]
    ink = _ink(grey)
    height, width = (max(1, round(length * side / max(grey.shape))) for length in grey.shape)
    if ink is None:
        return np.zeros((height, width, 1), np.uint8)
    small = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.HAMMING)
    return np.uint8(np.asarray(small) * (255 / np.max(small)))[:, :, None]


def _read_grey(path: str | os.PathLike) -> np.ndarray:
    """The picture upright, in grey, on white where it is transparent: floats 0 … 255, (height, width)."""
    image = on_white(open_picture(path)).convert("RGB")
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.asarray(image.convert("L"), np.float64)


def _ink(grey: np.ndarray) -> np.ndarray | None:
    """How much ink is where, 0 for paper; None where there is no ink.

    What differs clearly from the paper is ink, be it darker or brighter. Its faint edges count too, as far as they
    rise above the paper's noise.
    """
    contrast = grey - _paper(grey)
    clear = np.abs(contrast) > _otsu(np.abs(contrast))
    ink = np.maximum(contrast * np.sign(contrast[clear].sum()), 0)
    threshold = _otsu(ink)
    clear = ink > threshold
    noise = np.median(np.abs(contrast[~clear]))
    if not clear.any() or ink[clear].mean() < LEAST_CONTRAST or threshold < 3 * noise:
        return None
    ink[ink <= min(threshold, max(threshold / 8, 8 * noise))] = 0
    if noise > 0.5:  # half a grey level: a photograph
        ink[_neighbours(ink > 0) < 2] = 0  # specks
    return ink if ink.any() else None


def _cut(ink: np.ndarray) -> np.ndarray:
    """The box of the ink."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


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


def _otsu(values: np.ndarray) -> float:
    """The threshold that parts values in 0 … 255 into the two classes that differ most (N. Otsu, 1979)."""
    counts = np.histogram(values, bins=256, range=(0, 256))[0]
    below, mass = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    distance = mass / np.maximum(below, 1) - (mass[-1] - mass) / np.maximum(above, 1)  # of the classes' means
    return float(np.argmax(below * above * distance**2)) + 1


def _neighbours(mark: np.ndarray) -> np.ndarray:
    """How many of the eight pixels around each one are marked."""
    padded = np.pad(mark, 1).astype(int)
    height, width = mark.shape
    return sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3)) - mark


def _scaled(ink: np.ndarray, box: int) -> np.ndarray:
    """Fit into box x box, antialiased, with the aspect ratio kept; the strongest ink becomes 255."""
    scale = box / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    digit = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.HAMMING)
    return np.asarray(digit) * (255 / np.max(digit))


def _centred(digit: np.ndarray, size: int) -> np.ndarray:
    """Lay the centre of mass on pixel size/2, where MNIST has it, or as near as keeps the digit whole."""
    start = []
    for axis in (0, 1):
        mass = digit.sum(axis=1 - axis)
        centre = mass @ np.arange(len(mass)) / mass.sum()
        start.append(min(max(0, round(size / 2 - centre)), size - len(mass)))
    field = np.zeros((size, size), np.uint8)
    field[start[0] :, start[1] :][: digit.shape[0], : digit.shape[1]] = digit.round()
    return field
