"""Any picture that Pillow opens, upright and with 8 bits a channel; what cannot be read is refused by name."""

import os

import numpy as np
from PIL import Image, ImageOps
from PIL.Image import Resampling

from ..files import ordinary

__all__ = ["MOST_PIXELS", "Resampling", "on_white", "open_picture"]

MOST_PIXELS = 64_000_000  # more than a phone takes: a mistake, or a bomb for the memory


def open_picture(image: str | os.PathLike | Image.Image | np.ndarray) -> Image.Image:
    """Any picture, upright, with 8 bits a channel. Raises ValueError, naming it, where it is none or is too large."""
    if isinstance(image, np.ndarray):
        return Image.fromarray(_as_bytes(image))
    if isinstance(image, Image.Image):
        return _upright(image)
    if not isinstance(image, str | os.PathLike):
        raise TypeError(f"the image is a {type(image).__name__}, expected a path, a Pillow image or an array")
    with ordinary(image).open("rb") as file:
        try:
            return _upright(Image.open(file))
        except Exception as error:  # a damaged picture fails in a dozen ways, and all of them mean this
            raise ValueError(f"{image} is not a picture that can be read: {error}") from error


def on_white(picture: Image.Image) -> Image.Image:
    """A picture that is transparent somewhere, on white paper; others as they are."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def _upright(picture: Image.Image) -> Image.Image:
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError(f"it has {picture.width} x {picture.height} pixels, expected at most {MOST_PIXELS:,}")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16"):  # 16 bits a pixel, which Pillow would clip to 8
        return Image.fromarray(np.uint8(np.asarray(picture, np.uint16) // 257))
    if picture.mode[0] in "IF":  # of no known range: from the darkest to the lightest
        deep = np.asarray(picture, np.float64)
        picture = Image.fromarray(np.uint8(255 * (deep - deep.min()) / (np.ptp(deep) or 1)))
    return picture


def _as_bytes(image: np.ndarray) -> np.ndarray:
    """(height, width) or (height, width, 1, 3 or 4), uint8 or floats in [0, 1] -> uint8, grey without a last axis."""
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if not (image.size and (image.ndim == 2 or (image.ndim == 3 and image.shape[-1] in (3, 4)))):
        raise ValueError(f"the image has shape {image.shape}, expected (height, width) or (height, width, 1, 3 or 4)")
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    if not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"the image is {image.dtype}, expected uint8 in 0 … 255 or floats in [0, 1]")
    if not (image.min() >= 0 and image.max() <= 1):  # or NaN
        raise ValueError(f"the image goes from {image.min()} to {image.max()}, expected floats in [0, 1] or uint8")
    return np.uint8(np.round(image * 255))
