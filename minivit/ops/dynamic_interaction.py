"""A dense layer whose weights are another one's output: each query brings its own (Sparse R-CNN, arXiv 2011.12450).

Its dynamic instance interaction is two of these, each with a norm and a ReLU behind it: so every proposal filters what
RoIAlign found in its box, by what it looks for.
"""

import numpy as np


def dynamic_linear_forward(x: np.ndarray, weights: np.ndarray, n_out: int, start: int = 0) -> tuple[np.ndarray, tuple]:
    """y = x W for each query, W its numbers start … start + in·out, as (in, out).

    x (B, N, cells, in), weights (B, N, K) -> (B, N, cells, out). Cached: x, and the weights.
    """
    n_in = x.shape[-1]
    W = weights[..., start : start + n_in * n_out].reshape(*weights.shape[:-1], n_in, n_out)
    return x @ W, (x, W, weights.shape, start)


def dynamic_linear_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The backward of `x @ W`:  dx = dy Wᵀ,   dW = xᵀ dy,  and zeros for the numbers that others read.

    dy (B, N, cells, out). Returns dx like x, dweights like weights.
    """
    x, W, shape, start = cache
    dx = dy @ W.swapaxes(-1, -2)
    dW = (x.swapaxes(-1, -2) @ dy).reshape(*shape[:-1], -1)
    dweights = np.zeros_like(dy, shape=shape)
    dweights[..., start : start + dW.shape[-1]] = dW
    return dx, dweights


def join_cells_forward(x: np.ndarray) -> tuple[np.ndarray, int]:
    """All that a query has seen, side by side, cell after cell: (B, N, cells, C) -> (B, N, cells·C)."""
    return x.reshape(*x.shape[:2], -1), x.shape[2]


def join_cells_backward(dy: np.ndarray, cache: int) -> np.ndarray:
    """Every number goes back to its cell: dy (B, N, cells·C) -> dx (B, N, cells, C)."""
    return dy.reshape(*dy.shape[:2], cache, -1)
