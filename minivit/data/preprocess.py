"""A picture of anything -> the pixels that a published model was trained to see: resized, cropped, channels put right.

Only the numbers' range is left to `model.normalize`. For a handwritten digit see picture.py: it finds it on its paper.
"""

import math
import os
import warnings
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


LARGEST_DIGIT = 64  # pixels a side of what is taken for a model of digits


class Eyes(Protocol):
    """How a model wants to see a photograph: what is asked of its configuration here."""

    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def channels(self) -> int: ...
    @property
    def crop(self) -> float: ...
    @property
    def squeeze(self) -> bool: ...
    @property
    def resize_filter(self) -> str: ...


def preprocess(image: "str | os.PathLike | Image | np.ndarray", config: Eyes) -> np.ndarray:
    """A picture file, a Pillow image or an array -> (height, width, C) uint8: `model.predict(pixels[None])` takes it.

    The short side is resized to image_size / crop and the middle cut out, as torchvision and timm do at evaluation:
    config.crop 0.875 for 224 pixels is their "resize to 256, centre crop 224". With config.squeeze both sides are,
    whatever that does to the proportions: so did Google when it measured its ViTs on ImageNet, and Hugging Face's ViT
    and DeiT do to this day. config.resize_filter names Pillow's filter, which averages over all pixels that fall
    together (antialias). Grey becomes colour or colour grey, as config.channels asks; what is transparent lies on
    white.
    An array is (height, width) or (height, width, 1, 3 or 4), uint8 or floats in [0, 1].
    A model of small grey squares is one of digits, light ink on dark, centred; a warning says that `read_digit` makes
    that of a photograph, and this does not.
    Raises FileNotFoundError, ValueError or TypeError that says what was given and expected.
    """
    if sees_digits(config):
        warnings.warn(
            "this is a model of small grey squares, as of digits: for a photograph or a drawing of a digit use "
            "minivit.data.read_digit, which finds it on its paper; here dark ink stays dark",
            stacklevel=2,
        )
    return resized(image, config)


def resized(image: "str | os.PathLike | Image | np.ndarray", config: Eyes) -> np.ndarray:
    """`preprocess` without a word about digits."""
    from .opening import MOST_PIXELS, Resampling, on_white, open_picture  # Pillow, which those who train can do without

    image_size, channels = config.image_shape[:2], config.image_shape[2]
    if channels not in (1, 3):
        raise ValueError(f"the model sees {channels} channels, expected 1 (grey) or 3 (red, green, blue)")
    mode = "L" if channels == 1 else "RGB"
    picture = on_white(open_picture(image)).convert(mode)
    size = resized_size(picture.size[::-1], image_size, config.crop, config.squeeze)
    if math.prod(size) > MOST_PIXELS:
        raise ValueError(f"the picture has {picture.width} x {picture.height} pixels: too long and thin to be resized")
    picture = picture.resize(size[::-1], Resampling[config.resize_filter.upper()])
    pixels = centre_crop(np.asarray(picture), image_size)
    return pixels.reshape(config.image_shape)


def sees_digits(config: Eyes) -> bool:
    """Is this how a model of handwritten digits sees: one channel, a small square?"""
    height, width, channels = config.image_shape
    return channels == 1 and height == width <= LARGEST_DIGIT


def read_digit(image: "str | os.PathLike | Image | np.ndarray", size: int = 28) -> np.ndarray:
    from . import picture  # Pillow, which those who train can do without

    return picture.read_digit(image, size)


def resized_size(
    size: tuple[int, int], image_size: tuple[int, int], crop: float, squeeze: bool = False
) -> tuple[int, int]:
    """What to resize (height, width) to, before the middle of image_size is cut out; unless squeezed, the aspect ratio
    is kept.

    For a square model timm's and torchvision's integers: the short side floor(image_size / crop), the long one floored.
    For others timm's too: as small as covers both sides, rounded.
    """
    target = tuple(math.floor(side / crop) for side in image_size)
    if squeeze:
        return target
    if target[0] == target[1]:
        short = min(size)
        return tuple(target[0] if side == short else target[0] * side // short for side in size)
    ratio = min(side / t for side, t in zip(size, target, strict=True))
    return tuple(max(t, round(side / ratio)) for side, t in zip(size, image_size, strict=True))


def centre_crop(pixels: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """The middle (height, width) of pixels (≥ height, ≥ width, …); an odd rest is split as torchvision splits it."""
    top, left = (round((side - size) / 2) for side, size in zip(pixels.shape, image_size, strict=False))
    return pixels[top : top + image_size[0], left : left + image_size[1]]
