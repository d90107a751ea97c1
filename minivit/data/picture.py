"""A picture of a digit, from a phone, a scanner or a drawing program -> the field that a model trained on MNIST knows.

MNIST's makers scaled each digit to fit 20 x 20 pixels and laid its centre of mass on the centre of 28 x 28 (LeCun et
al., "Gradient-based learning applied to document recognition", 1998, section III.A). A new picture must look the same.
"""

import os

import numpy as np
from PIL import Image

from .ink import NoDigit, ink_of
from .opening import on_paper, open_picture

SIDE = 256  # what is larger is looked at as if from farther away, and then once more from near
NEAR = 0.4  # of the picture's longer side: a digit that is smaller is looked at from nearer


def read_digit(image: str | os.PathLike | Image.Image | np.ndarray, size: int = 28) -> np.ndarray:
    """Read one digit from a picture file, a Pillow image or an array -> (1, size, size, 1) uint8, 0 the background, 255
    ink: `model.predict` takes it.

    Dark on light or light on dark, grey, coloured or transparent. Paper may be lined, squared or framed, and lie on a
    desk; light may fall from one side, and shadows across it. An array is as `preprocess` takes it.
    Raises FileNotFoundError, TypeError, or ValueError, naming a file, where it is no picture, is too large, shows no
    ink or several digits, or where ink and paper cannot be told apart.
    """
    try:
        ink = _ink(read_grey(image))
    except NoDigit as error:
        name = image if isinstance(image, str | os.PathLike) else "the picture"
        raise ValueError(f"{name} does not show one digit: {error}") from error
    return _centred(_scaled(ink, box=size * 20 // 28), size)[None, :, :, None]


def read_grey(image: str | os.PathLike | Image.Image | np.ndarray) -> Image.Image:
    """The picture upright, in grey, on paper where it is transparent."""
    return on_paper(open_picture(image)).convert("RGB").convert("L")


def _ink(grey: Image.Image) -> np.ndarray:
    """How much ink is where, 0 for paper, cut to the digit's box."""
    for _ in range(2):
        scale = max(1, max(grey.size) / SIDE)
        far = grey.resize([max(1, round(side / scale)) for side in grey.size], Image.Resampling.BOX)
        ink, (top, left, bottom, right) = ink_of(np.asarray(far, np.float64))
        side = max(bottom - top, right - left)
        if scale == 1 or side > NEAR * max(far.size):
            break
        around = 0.5 * side
        box = [max(0, round(edge * scale)) for edge in (left - around, top - around, right + around, bottom + around)]
        grey = grey.crop((box[0], box[1], min(box[2], grey.width), min(box[3], grey.height)))
    return ink[top:bottom, left:right]


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
