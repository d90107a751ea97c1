"""A map at another size: the means of its cells (adaptive pooling), or what lies between them (resizing).

Both are a matrix for the rows and one for the columns, the same for every channel. The matrices are constants of a
model: pool_matrix makes them here, resize_matrix in resize.py.
"""

import numpy as np


def resample_forward(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, tuple]:
    """y = R x Cᵀ for every channel:  y_abc = Σ_ij R_ai x_ijc C_bj.

    x (B, height, width, C), rows (height', height), columns (width', width) -> (B, height', width', C).
    """
    B, height, width, C = x.shape
    x = (rows @ x.reshape(B, height, width * C)).reshape(B, -1, width, C)
    return columns @ x, (rows, columns)  # the columns for each row of the picture


def resample_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The transpose: dx = Rᵀ dy C. The matrices are fixed. dy like y -> dx like x."""
    rows, columns = cache
    return resample_forward(dy, rows.T, columns.T)[0]


def pool_matrix(old: int, new: int) -> np.ndarray:
    """The weights (new, old) of average pooling to a given size, as PyTorch's: place i of m is the mean of the cells
    [⌊i n/m⌋, ⌈(i+1) n/m⌉) of n.

    Neighbours share a cell where m does not divide n, and a smaller map is enlarged. PVT v2's linear attention has a
    fixed number of keys by it (arXiv 2106.13797, section 3.1).
    """
    place, cell = np.arange(new)[:, None], np.arange(old)
    inside = (cell >= place * old // new) & (cell < -(-(place + 1) * old // new))
    return inside / inside.sum(axis=1, keepdims=True)
