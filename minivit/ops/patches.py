"""Patches: an image cut into N = (height/P_h)·(width/P_w) flat tokens, and put together again.

The first step of the model (ViT, arXiv 2010.11929, section 3.1). Next: linear.py projects each patch to the width D.
"""

import numpy as np


def patchify_forward(images: np.ndarray, patch_size: tuple[int, int]) -> tuple[np.ndarray, tuple]:
    """images (B, height, width, C) -> patches (B, N, P_h·P_w·C), in reading order.

    Within a patch the numbers run (row, column, channel). The sizes must divide: height % P_h == width % P_w == 0.
    Cached: the two sizes; a rearrangement has nothing else to remember.
    """
    B, height, width, C = images.shape
    ph, pw = patch_size
    grid = images.reshape(B, height // ph, ph, width // pw, pw, C)
    patches = grid.transpose(0, 1, 3, 2, 4, 5)  # first the two patch axes, then the pixels: (B, gh, gw, ph, pw, C)
    return patches.reshape(B, -1, ph * pw * C), ((height, width), patch_size)


def patchify_backward(dpatches: np.ndarray, cache: tuple) -> np.ndarray:
    """Every pixel went to exactly one place, so its gradient comes back from there: the backward is the inverse."""
    image_size, patch_size = cache
    return unpatchify(dpatches, image_size, patch_size)


def unpatchify(patches: np.ndarray, image_size: tuple[int, int], patch_size: tuple[int, int]) -> np.ndarray:
    """The inverse of patchify: patches (B, N, P_h·P_w·C) -> images (B, height, width, C)."""
    (height, width), (ph, pw) = image_size, patch_size
    grid = patches.reshape(patches.shape[0], height // ph, width // pw, ph, pw, -1)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(patches.shape[0], height, width, -1)
