"""Launches of augmentation: kernels/move_images.cu."""

import numpy as np

from ..launch import CTYPES, Launch, at_least_one, blocks, ctype

SIDE, SPACING = 16, 4  # pixels of a block's side, and between two points of the coarse grid: as in move_images.cu


def grid_points(pixels: int) -> int:
    """How many points of the coarse grid lie along so many pixels: from one spacing before them to one behind."""
    return (pixels + 2 * SPACING) // SPACING + 1


def move_images(image_shape: tuple[int, int, int, int], dtype: type) -> Launch:
    """images (B, height, width, C) -> moved, the same shape."""
    B, height, width, channels = image_shape
    dtype = np.dtype(dtype)
    at_least_one("channels", channels)
    sizes = ("height", "width", "channels", "points_down", "points_across")
    reals = ("shift", "rotation", "scale", "elastic")
    arguments = ("out moved", "in images", "in draws", "in noise?", *(f"int {size}" for size in sizes))
    return Launch(
        file="move_images.cu",
        kernel=f"move_images<{ctype(dtype)}>",
        dtype=dtype,
        arguments=(*arguments, *(f"real {real}" for real in reals)),
        grid=(at_least_one("images", B), blocks(height, SIDE), blocks(width, SIDE)),
        block=(SIDE, SIDE),
    )


def every_launch() -> list[Launch]:
    return [move_images((2, 28, 28, 1), dtype) for dtype in CTYPES]
