"""A map at another size: the mean of its cells (adaptive pooling), or what lies between them (resizing).

Both are one matrix for the rows and one for the columns, the same for every channel: y = R x Cᵀ.
"""

import numpy as np

from .resize import resize_matrix

Pair = tuple[int, int]


def adaptive_pool_forward(x: np.ndarray, size: Pair) -> tuple[np.ndarray, tuple]:
    """Average pooling to a given size, as PyTorch's: place i of m is the mean of the cells [⌊i n/m⌋, ⌈(i+1) n/m⌉) of n.

    Neighbours share a cell where m does not divide n, and a smaller map is enlarged. (PVT v2's linear attention has a
    fixed number of keys by it: arXiv 2106.13797, section 3.1.) x (B, height, width, C) -> (B, *size, C).
    """
    return _forward(x, *(pool_matrix(old, new) for old, new in zip(x.shape[1:3], size, strict=True)))


def adaptive_pool_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The transpose: dx = Rᵀ dy C. dy like y -> dx like x."""
    return _backward(dy, cache)


def resize_map_forward(x: np.ndarray, size: Pair) -> tuple[np.ndarray, tuple]:
    """Bilinear, by half-pixel places (see resize.py). x (B, height, width, C) -> (B, *size, C)."""
    return _forward(x, *(resize_matrix(old, new, "bilinear") for old, new in zip(x.shape[1:3], size, strict=True)))


def resize_map_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The transpose: dx = Rᵀ dy C. dy like y -> dx like x."""
    return _backward(dy, cache)


def pool_matrix(old: int, new: int) -> np.ndarray:
    """The weights (new, old) by which each place is the mean of its cells."""
    place, cell = np.arange(new)[:, None], np.arange(old)
    inside = (cell >= place * old // new) & (cell < -(-(place + 1) * old // new))
    return inside / inside.sum(axis=1, keepdims=True)


def _forward(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, tuple]:
    rows, columns = (np.asarray(matrix, x.dtype, like=x) for matrix in (rows, columns))
    return _apply(rows, columns, x), (rows, columns)


def _backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    rows, columns = cache
    return _apply(rows.T, columns.T, dy)


def _apply(rows: np.ndarray, columns: np.ndarray, x: np.ndarray) -> np.ndarray:
    """R x Cᵀ for every channel: x (B, h, w, C), R (h', h), C (w', w) -> (B, h', w', C)."""
    B, h, w, C = x.shape
    x = (rows @ x.reshape(B, h, w * C)).reshape(B, -1, w, C)
    return columns @ x  # for each row of the picture
