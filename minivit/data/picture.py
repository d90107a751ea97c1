"""A picture of a digit, from a phone, a scanner or a drawing program -> the field that a model trained on MNIST expects.

MNIST's makers scaled each digit to fit 20 x 20 pixels and put its centre of mass at the centre of 28 x 28
(http://yann.lecun.com/exdb/mnist). A model knows nothing else, so a picture must come in the same way.
"""

import os

import numpy as np
from PIL import Image, ImageOps

MOST_PIXELS = 64_000_000  # a phone's largest photographs; more is a mistake, or a bomb for the memory
WORKING_SIDE = 800  # larger pictures are first shrunk to this: forty pixels for each of the twenty that remain
LEAST_CONTRAST = 16  # between ink and paper, out of 255


def read_digit(path: str | os.PathLike, size: int = 28) -> np.ndarray:
    """Read one digit from any picture file that Pillow opens -> (1, size, size, 1) uint8, 0 the background, 255 full ink.

    Any size, grey, coloured or transparent, dark on light or light on dark; even shading and light noise are removed.
    The paper should reach the border on all sides, with nothing on it but the digit.
    Raises FileNotFoundError, or ValueError, naming `path`, for what is no picture, is too large or shows no ink.
    """
    try:
        ink = _ink(_open_grey(path))
    except _UnusableError as error:
        raise ValueError(f"{path} {error}") from error
    return _centred(_scaled(ink, size * 20 // 28), size)[None, :, :, None]


class _UnusableError(Exception):
    """What is wrong with a picture, to follow its path."""


def _open_grey(path: str | os.PathLike) -> np.ndarray:
    """The picture upright, in grey, on white where it is transparent: floats (height, width) in 0 … 255."""
    with open(path, "rb") as file:
        try:
            image = Image.open(file)
            if image.width * image.height > MOST_PIXELS:
                raise _UnusableError(f"has {image.width} x {image.height} pixels, expected at most {MOST_PIXELS:,}")
            image = ImageOps.exif_transpose(image)
            if image.mode[0] in "IF":  # 16 bits or more: Pillow would clip them
                grey = np.asarray(image, np.float64)
                image = Image.fromarray(np.uint8(255 * (grey - grey.min()) / max(1, np.ptp(grey))))
            paper = Image.new("RGBA", image.size, "white")
            paper.alpha_composite(image.convert("RGBA"))
        except _UnusableError:
            raise
        except Exception as error:  # a damaged picture fails in a dozen ways, and all of them mean this
            raise _UnusableError(f"is not a picture that can be read: {error}") from error
    grey = paper.convert("F")
    grey.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.asarray(grey, np.float64)


def _ink(grey: np.ndarray) -> np.ndarray:
    """How much ink is where, cut to the digit's box: 0 is paper.

    What differs from the paper by more than Otsu's threshold is ink, darker or brighter, whichever there is more of.
    """
    contrast = grey - _paper(grey)
    mark = np.abs(contrast) > _otsu(np.abs(contrast))
    ink = np.maximum(contrast * np.sign(contrast[mark].sum()), 0)
    threshold = _otsu(ink)
    mark = ink > threshold
    noise = np.median(np.abs(contrast[~mark]))
    if DEBUG: print("thr", threshold, "noise", noise, "ratio", threshold/noise if noise else 0, "mean", ink[mark].mean() if mark.any() else 0)
    if not mark.any() or ink[mark].mean() < LEAST_CONTRAST or threshold < 3 * noise:
        raise _UnusableError("shows no digit: no ink found")
    faint = min(threshold, max(8 * noise, threshold / 8))
    ink[ink <= faint] = 0
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

DEBUG=False

def _paper(grey: np.ndarray) -> np.ndarray:
    """The paper's brightness under the ink: a smooth surface through the border, twice, the second time without the ink there."""
    height, width = grey.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    surface = np.stack((np.ones_like(x), y, x, y * x, y * y, x * x)[:TERMS], axis=-1)
    border = np.ones(grey.shape, bool)
    border[1:-1, 1:-1] = False
    for _ in range(TIMES):
        paper = surface @ np.linalg.lstsq(surface[border], grey[border], rcond=None)[0]
        contrast = np.abs(grey - paper)
        border &= contrast <= _otsu(contrast)
    return paper
TERMS,TIMES=6,2

def _otsu(values: np.ndarray) -> float:
    """The threshold that parts values 0 … 255 into the two classes whose means lie furthest apart, by N. Otsu (1979)."""
    counts = np.histogram(values, bins=256, range=(0, 256))[0]
    below = counts.cumsum()
    total = (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return float(np.nanargmax(between)) + 1 if np.isfinite(between).any() else 0.0


def _scaled(ink: np.ndarray, box: int) -> np.ndarray:
    """Fit into box x box, the longer side exactly."""
    scale = box / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    small = np.asarray(Image.fromarray(ink.astype(np.float32)).resize((width, height), METHOD))
    small = np.maximum(small, 0)
    return np.minimum(small * (255 / small.max()), 255)


METHOD = Image.Resampling.HAMMING


def _centred(digit: np.ndarray, size: int) -> np.ndarray:
    field = np.zeros((size, size), np.uint8)
    start = []
    for axis in (0, 1):
        mass = digit.sum(axis=1 - axis)
        centre = (mass * np.arange(len(mass))).sum() / mass.sum()
        start.append(min(max(0, round(size / 2 - centre)), size - len(mass)))
    top, left = start
    field[top : top + digit.shape[0], left : left + digit.shape[1]] = digit.round()
    return field
