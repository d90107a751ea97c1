"""Any picture that Pillow opens, upright and with 8 bits a channel; what cannot be read is refused by name.

Large ones are made smaller as they are read, so that a photograph of 200 megapixels takes less than 1 GB of memory:
a JPEG is decoded at a half, a quarter or an eighth of its size, others are averaged strip by strip.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import Resampling

from ..files import ordinary
from .formats import is_heic, what_it_is

__all__ = ["MOST_PIXELS", "Resampling", "on_paper", "on_white", "open_picture"]

MOST_PIXELS = 200_000_000  # what the largest phones take: more is a mistake, or a bomb for the memory
LARGE = 64_000_000  # from here on it is made smaller at once
ENOUGH = 2_000  # pixels along the shorter side that are left of a large one, at least
STRIP = 4_000_000  # pixels that are looked at together
TWICE = ("WEBP", "AVIF", "HEIF", "JPEG2000", "GIF")  # whose readers hold the pixels twice
SPREAD = 24  # grey levels: what is drawn has one colour if its own differ by less


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
            with _limits_of_our_own():
                return _upright(_opened(file))
        except UnidentifiedImageError as error:
            what = what_it_is(image)
            told = f"it is {what}" if what else "its first bytes are those of no picture that Pillow knows"
            raise ValueError(f"{image} is not a picture that can be read: {told}") from error
        except Exception as error:  # a damaged picture fails in a dozen ways, and all of them mean this
            raise ValueError(f"{image} is not a picture that can be read: {_in_words(error)}") from error


def on_white(picture: Image.Image) -> Image.Image:
    """A picture that is transparent somewhere, on white paper; others as they are."""
    return _on(picture, "white") if _is_transparent(picture) else picture


def on_paper(picture: Image.Image) -> Image.Image:
    """A drawing that is transparent somewhere, on paper that its ink is seen on; others as they are.

    Where most is transparent, or all the rest has one colour, the ink is what is not: on white, or white ink on black.
    Else the transparent places get the colour that most of the others have.
    """
    if not _is_transparent(picture):
        return picture
    picture = picture.convert("RGBA")
    alpha, grey = np.asarray(picture.getchannel("A")), np.asarray(picture.convert("RGB").convert("L"))
    drawn = grey[alpha > 127]
    if not drawn.size:
        return _on(picture, "white")
    if drawn.size < alpha.size / 2 or np.ptp(np.percentile(drawn, (5, 95))) < SPREAD:
        return _on(picture, "white" if drawn.mean() < 160 else "black")
    return _on(picture, (int(np.median(drawn)),) * 3)


def _is_transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info


def _on(picture: Image.Image, colour: str | tuple[int, int, int]) -> Image.Image:
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, colour), picture)


def _opened(file) -> Image.Image:
    """The header alone; HEIC too, where pillow-heif is installed."""
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        file.seek(0)
        if not is_heic(file.read(16)):
            raise
        try:
            from pillow_heif import HeifImageFile
        except ImportError:
            HeifImageFile = None
        if HeifImageFile is None:
            raise
        file.seek(0)
        return HeifImageFile(file)


@contextmanager
def _limits_of_our_own() -> Iterator[None]:
    """Pillow's own limit is lower than MOST_PIXELS, and its warning of no use to those who read ours."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _in_words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if "truncated" in text or "Truncated" in text:
        return f"it is cut off ({text}): copy or download it again"
    if "MAX_TEXT" in text or "too large for" in text:
        return f"it carries more text than Pillow reads ({text}): save it again without its metadata"
    return text


def _upright(picture: Image.Image) -> Image.Image:
    pixels = picture.width * picture.height
    most = MOST_PIXELS // 2 if picture.format in TWICE else MOST_PIXELS
    if pixels > most:
        size = f"{picture.width} x {picture.height} pixels, {pixels / 1e6:,.0f} megapixels"
        raise ValueError(f"it has {size}, expected at most {most / 1e6:,.0f}: make it smaller first")
    if pixels > LARGE:
        picture = _smaller(picture)
    picture = ImageOps.exif_transpose(picture)
    return _eight_bits(picture) if _is_deep(picture) else picture


def _is_deep(picture: Image.Image) -> bool:
    return picture.mode[0] in "IF"


def _smaller(picture: Image.Image) -> Image.Image:
    """A large picture at 1/n of its size, ENOUGH or more pixels along the shorter side."""
    if picture.format == "JPEG":
        picture.draft(picture.mode, (min(ENOUGH, picture.width), min(ENOUGH, picture.height)))
    factor = min(picture.size) // ENOUGH
    if factor < 2:
        return picture
    mode = "L" if _is_deep(picture) else "RGBA" if _is_transparent(picture) else "RGB"
    levels = _levels(picture) if _is_deep(picture) else None
    small = Image.new(mode, (picture.width // factor, picture.height // factor))
    rows = max(1, STRIP // picture.width // factor)
    for top in range(0, small.height, rows):
        bottom = min(top + rows, small.height)
        strip = picture.crop((0, top * factor, small.width * factor, bottom * factor))
        strip = _to_bytes(strip, levels) if levels else strip.convert(mode)
        small.paste(strip.reduce(factor), (0, top))
    small.info |= {name: picture.info[name] for name in ("exif",) if name in picture.info}
    return small


def _eight_bits(picture: Image.Image) -> Image.Image:
    """More than 8 bits a pixel, which Pillow would clip; strip by strip, because they are many as floats."""
    levels, small = _levels(picture), Image.new("L", picture.size)
    rows = max(1, STRIP // picture.width)
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        small.paste(_to_bytes(strip, levels), (0, top))
    return small


def _levels(picture: Image.Image) -> tuple[float, float]:
    """What is black and what is white: of 16 bits their range; of numbers of no known range the least and the most."""
    if picture.mode.startswith("I;16"):
        return 0.0, 65535.0
    low, high = picture.getextrema()
    if not np.isfinite([low, high]).all():
        raise ValueError("it holds NaN or infinity among its pixels: expected finite numbers")
    return float(low), float(high)


def _to_bytes(strip: Image.Image, levels: tuple[float, float]) -> Image.Image:
    low, high = levels
    deep = np.asarray(strip, np.uint16 if strip.mode.startswith("I;16") else np.float64)
    if deep.dtype == np.uint16:
        return Image.fromarray(np.uint8(deep // 257))
    if not np.isfinite(deep).all():  # extremes do not tell
        raise ValueError("it holds NaN or infinity among its pixels: expected finite numbers")
    return Image.fromarray(np.uint8(255 * (deep - low) / ((high - low) or 1)))


def _as_bytes(image: np.ndarray) -> np.ndarray:
    """(height, width) or (height, width, 1, 3 or 4), uint8 or floats in [0, 1] -> uint8, grey without a last axis."""
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if not (image.size and (image.ndim == 2 or (image.ndim == 3 and image.shape[-1] in (3, 4)))):
        raise ValueError(f"the image has shape {image.shape}, expected (height, width) or (height, width, 1, 3 or 4)")
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    if image.dtype == bool:
        return np.uint8(image) * 255
    if not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"the image is {image.dtype}, expected uint8 in 0 … 255 or floats in [0, 1]")
    if not (finite := np.isfinite(image)).all():
        where = tuple(int(at) for at in np.argwhere(~finite)[0])
        raise ValueError(f"the image holds {(~finite).sum()} NaN or infinite numbers, first at {where}: expected none")
    if not (image.min() >= 0 and image.max() <= 1):
        raise ValueError(f"the image goes from {image.min()} to {image.max()}, expected floats in [0, 1] or uint8")
    return np.uint8(np.round(image * 255))
