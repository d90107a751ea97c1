"""Augmentation: every image a little shifted, turned, scaled and bent, differently each time it is seen."""

from collections.abc import Callable

import numpy as np

SMOOTH = 4  # pixels: σ of the Gaussian that makes neighbours move alike, and how far apart the numbers are drawn


def random_affine(
    images: np.ndarray,
    rng: np.random.Generator,
    shift: float = 0.0,
    rotation: float = 0.0,
    scale: float = 0.0,
    elastic: float = 0.0,
    move: Callable[..., np.ndarray] | None = None,
) -> np.ndarray:
    """images (B, height, width, C), floats, 0 the background -> the same shape, each image moved by its own draw:
    up to ±shift pixels, ±rotation degrees, and a factor in 1 ± scale, about the centre; and bent by displacements
    of the standard deviation `elastic`, in pixels.

    move: `move_images`, which takes NumPy's arrays, or a device's kernel for its own, `device.move_images`.
    """
    if not (shift or rotation or scale or elastic):
        return images
    B, height, width, _ = images.shape
    draws, noise = rng.random((4, B)), None
    if elastic:
        noise = rng.standard_normal((2, B, len(_points(height)), len(_points(width))), dtype=images.dtype)
    return (move or move_images)(images, draws, noise, shift, rotation, scale, elastic)


def move_images(
    images: np.ndarray,
    draws: np.ndarray,
    noise: np.ndarray | None,
    shift: float,
    rotation: float,
    scale: float,
    elastic: float,
) -> np.ndarray:
    """The images (B, height, width, C), moved by random numbers: draws (4, B) in [0, 1), each image's shift down and
    across, rotation and scale within their ranges; noise (2, B, points down, points across), normal, of the
    displacements down and across, or None.

    Each output pixel is looked up where it comes from, between four input pixels (bilinear); outside the image is 0.
    """
    B, height, width, C = images.shape
    y, x = _source_coordinates(images, draws[..., None, None], shift, rotation, scale)
    if noise is not None:
        dy, dx = _displacements(noise, height, width, elastic)
        y, x = y + dy, x + dx
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))  # a border of zeros, to which far lookups are clipped
    y, x = np.clip(y + 1, 0, height + 1), np.clip(x + 1, 0, width + 1)
    top, left = y.astype(np.int32), x.astype(np.int32)
    y, x = (y - top)[..., None], (x - left)[..., None]  # where between the four pixels

    flat = padded.reshape(-1, C)
    below = width + 3  # from a pixel to the one under it
    image = np.arange(B, dtype=np.int32)[:, None, None]
    corner = (image * (height + 3) + top) * below + left
    upper = _between(np.take(flat, corner, axis=0), np.take(flat, corner + 1, axis=0), x)
    lower = _between(np.take(flat, corner + below, axis=0), np.take(flat, corner + below + 1, axis=0), x)
    return _between(upper, lower, y)


def _between(a: np.ndarray | float, b: np.ndarray | float, t: np.ndarray) -> np.ndarray:
    """From a, at t = 0, to b, at t = 1; b is used up, if it is an array."""
    b -= a
    b *= t
    b += a
    return b


def _source_coordinates(
    images: np.ndarray, draws: np.ndarray, shift: float, rotation: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where each output pixel comes from: rows and columns, (B, height, width) each, in the images' dtype."""
    _, height, width, _ = images.shape
    dy, dx = _between(-shift, shift, draws[:2]).astype(images.dtype)
    angle = np.deg2rad(_between(-rotation, rotation, draws[2]))
    factor = 1 / _between(1 - scale, 1 + scale, draws[3])  # the lookup goes the other way: larger from closer
    cos, sin = ((factor * f(angle)).astype(images.dtype) for f in (np.cos, np.sin))
    # from the centre
    y = np.arange(height, dtype=images.dtype)[:, None] - (height - 1) / 2
    x = np.arange(width, dtype=images.dtype) - (width - 1) / 2
    return cos * y + sin * x + (dy + (height - 1) / 2), cos * x - sin * y + (dx + (width - 1) / 2)


def _displacements(noise: np.ndarray, height: int, width: int, elastic: float) -> np.ndarray:
    """How far down and right each place is displaced: (2, B, height, width), independent numbers on a coarse grid,
    smoothed by a Gaussian along each side (elastic distortion: Simard, Steinkraus and Platt, ICDAR 2003, section 2)."""
    down, across = (float(elastic) ** 0.5 * _smoothing(pixels, noise.dtype) for pixels in (height, width))
    return down @ noise @ across.T


def _points(pixels: int) -> range:
    """Where along a side the coarse grid's points lie."""
    return range(-SMOOTH, pixels + SMOOTH + 1, SMOOTH)


def _smoothing(pixels: int, dtype: np.dtype) -> np.ndarray:
    """(pixels, points): each pixel's weights of the points. Their squares add up to 1, so that a sum of independent
    numbers of deviation 1 has it, too."""
    places, points = np.arange(pixels, dtype=dtype)[:, None], np.array(_points(pixels), dtype)
    weights = np.exp(-0.5 * ((places - points) / SMOOTH) ** 2)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)
