"""Augmentation: every image a little shifted, turned, scaled and bent, differently each time it is seen."""

import numpy as np

SMOOTH = 4  # pixels: σ of the Gaussian that makes neighbours move alike, and how far apart the numbers are drawn


def random_affine(
    images: np.ndarray,
    rng: np.random.Generator,
    shift: float = 0.0,
    rotation: float = 0.0,
    scale: float = 0.0,
    elastic: float = 0.0,
) -> np.ndarray:
    """images (B, height, width, C), floats, 0 the background -> the same shape, each image moved by its own draw:
    up to ±shift pixels, ±rotation degrees, and a factor in 1 ± scale, about the centre; and bent by displacements
    of the standard deviation `elastic`, in pixels.

    Each output pixel is looked up where it comes from, between four input pixels (bilinear); outside the image is 0.
    """
    if not (shift or rotation or scale or elastic):
        return images
    B, height, width, C = images.shape
    y, x = _source_coordinates(images, rng, shift, rotation, scale)
    if elastic:
        dy, dx = _displacements(images, rng, elastic)
        y, x = y + dy, x + dx
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))  # a border of zeros, to which far lookups are clipped
    y, x = np.clip(y + 1, 0, height + 1), np.clip(x + 1, 0, width + 1)
    top, left = y.astype(np.int32), x.astype(np.int32)
    y, x = (y - top)[..., None], (x - left)[..., None]  # where between the four pixels

    flat = padded.reshape(-1, C)
    below = width + 3  # from a pixel to the one under it
    image = np.arange(B, like=images, dtype=np.int32)[:, None, None]
    corner = (image * (height + 3) + top) * below + left
    upper = _between(np.take(flat, corner, axis=0), np.take(flat, corner + 1, axis=0), x)
    lower = _between(np.take(flat, corner + below, axis=0), np.take(flat, corner + below + 1, axis=0), x)
    return _between(upper, lower, y)


def _between(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """From a, at t = 0, to b, at t = 1; b is used up."""
    b -= a
    b *= t
    b += a
    return b


def _source_coordinates(
    images: np.ndarray, rng: np.random.Generator, shift: float, rotation: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where each output pixel comes from: rows and columns, (B, height, width) each, in the images' dtype."""
    B, height, width, _ = images.shape
    dy, dx = rng.uniform(-shift, shift, (2, B, 1, 1)).astype(images.dtype)
    angle = np.deg2rad(rng.uniform(-rotation, rotation, (B, 1, 1)))
    factor = 1 / rng.uniform(1 - scale, 1 + scale, (B, 1, 1))  # the lookup goes the other way: larger from closer
    cos, sin = ((factor * f(angle)).astype(images.dtype) for f in (np.cos, np.sin))
    # from the centre; `like`: where the images are
    y = np.arange(height, like=images, dtype=images.dtype)[:, None] - (height - 1) / 2
    x = np.arange(width, like=images, dtype=images.dtype) - (width - 1) / 2
    return cos * y + sin * x + (dy + (height - 1) / 2), cos * x - sin * y + (dx + (width - 1) / 2)


def _displacements(images: np.ndarray, rng: np.random.Generator, elastic: float) -> np.ndarray:
    """How far down and right each place is displaced: (2, B, height, width), independent numbers on a coarse grid,
    smoothed by a Gaussian along each side (elastic distortion: Simard, Steinkraus and Platt, ICDAR 2003, section 2)."""
    B, height, width, _ = images.shape
    down, across = (float(elastic) ** 0.5 * _smoothing(pixels, images) for pixels in (height, width))
    noise = rng.standard_normal((2, B, down.shape[1], across.shape[1]), dtype=images.dtype)
    return down @ noise @ across.T


def _smoothing(pixels: int, images: np.ndarray) -> np.ndarray:
    """(pixels, points): each pixel's weights of points SMOOTH apart. Their squares add up to 1, so that a sum of
    independent numbers of deviation 1 has it, too."""
    points = np.arange(-SMOOTH, pixels + SMOOTH + 1, SMOOTH, like=images, dtype=images.dtype)
    weights = np.exp(-0.5 * ((np.arange(pixels, like=images, dtype=images.dtype)[:, None] - points) / SMOOTH) ** 2)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)
