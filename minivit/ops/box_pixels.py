"""Boxes in pixels, and in parts of each image's own width and height: of numbers x or widths, and y or heights, by
turns, whether they are corners or centres and sizes (boxes.py)."""

import numpy as np


def to_pixels_forward(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y = boxes · (w, h, w, h).   boxes (..., B, N, 4) in parts, sizes (B, 2): (height, width) of each image."""
    extent = _extent(sizes)
    return boxes * extent, extent


def to_pixels_backward(dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """dboxes = dy · (w, h, w, h). The sizes are given: they get none."""
    return dy * cache


def to_parts_forward(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The way back, y = boxes / (w, h, w, h)."""
    extent = _extent(sizes)
    return boxes / extent, extent


def to_parts_backward(dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """dboxes = dy / (w, h, w, h)."""
    return dy / cache


def _extent(sizes: np.ndarray) -> np.ndarray:
    """(B, 2) -> (B, 1, 4)."""
    return np.concatenate((sizes[:, ::-1], sizes[:, ::-1]), axis=-1)[:, None]
