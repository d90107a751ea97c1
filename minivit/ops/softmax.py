"""Softmax over the last axis: any row of numbers becomes a row of probabilities."""

import numpy as np

from .sums import sum_features

SAFE = 50.0  # exp(±50) is far inside float32, and so are sums of it


def softmax_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p_i = exp(x_i) / Σ_j exp(x_j).   x (..., n) -> p (..., n), rows sum to 1.

    Cached: p, since the gradient needs nothing else.
    """
    p = softmax_in_place(x.copy())
    return p, p


def softmax_backward(dp: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """∂p_i/∂x_j = p_i (δ_ij − p_j), therefore  dx_j = p_j (dp_j − Σ_i dp_i p_i).   dp (..., n) -> dx (..., n)."""
    p = cache
    dx = dp - sum_features(dp * p)
    dx *= p
    return dx


def softmax_in_place(x: np.ndarray) -> np.ndarray:
    """The forward, over x itself.

    Taking a row's maximum away cancels in the quotient and keeps exp from overflowing. It costs as much as all the rest
    (NumPy is slow along short rows), so it is done only where a number of x is large enough to matter, and then for all
    rows: a last digit of one row can depend on another. A GPU always does it: to look at its numbers would halt it.
    """
    small = isinstance(x, np.ndarray) and x.min() > -SAFE and x.max() < SAFE  # false for NaN
    if not small:
        x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= sum_features(x)
    return x
