"""Augmentation: every image a little shifted, turned and scaled, differently each time it is seen."""

import numpy as np


def random_affine(
    images: np.ndarray, rng: np.random.Generator, shift: float = 0.0, rotation: float = 0.0, scale: float = 0.0
) -> np.ndarray:
    """images (B, height, width, C), floats, 0 the background -> the same shape, each image moved by its own draw:
    up to ±shift pixels, ±rotation degrees, and a factor in 1 ± scale, about the centre.

    Each output pixel is looked up where it comes from, between four input pixels (bilinear); outside the image is 0.
    """
    if not (shift or rotation or scale):
        return images
    B, height, width, C = images.shape
    y, x = _source_coordinates(images, rng, shift, rotation, scale)
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))  # a border of zeros, to which far lookups are clipped
    y = np.clip(y + 1, 0, height + 1).astype(images.dtype)
    x = np.clip(x + 1, 0, width + 1).astype(images.dtype)
    top, left = np.floor(y), np.floor(x)
    y, x = (y - top)[..., None], (x - left)[..., None]  # where between the four pixels

    flat = padded.reshape(-1, C)
    below = width + 3  # from a pixel to the one under it
    image = np.arange(B, like=images)[:, None, None]
    corner = (image * (height + 3) + top.astype(np.intp)) * below + left.astype(np.intp)
    upper = flat[corner] * (1 - x) + flat[corner + 1] * x
    lower = flat[corner + below] * (1 - x) + flat[corner + below + 1] * x
    return upper * (1 - y) + lower * y


def _source_coordinates(
    images: np.ndarray, rng: np.random.Generator, shift: float, rotation: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where each output pixel comes from: rows and columns, (B, height, width) each."""
    B, height, width, _ = images.shape
    dy, dx = rng.uniform(-shift, shift, (2, B, 1, 1))
    angle = np.deg2rad(rng.uniform(-rotation, rotation, (B, 1, 1)))
    factor = 1 / rng.uniform(1 - scale, 1 + scale, (B, 1, 1))  # the lookup goes the other way: larger from closer
    y = np.arange(height, like=images)[:, None] - (height - 1) / 2  # `like`: where the images are
    x = np.arange(width, like=images) - (width - 1) / 2
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    return cos * y + sin * x + (height - 1) / 2 + dy, cos * x - sin * y + (width - 1) / 2 + dx
