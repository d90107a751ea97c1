"""Softmax over the last axis: any row of numbers becomes a row of probabilities."""

import numpy as np

from .sums import sum_features


def softmax_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p_i = exp(x_i) / Σ_j exp(x_j).   x (..., n) -> p (..., n), rows sum to 1.

    The row's maximum is taken away first: it cancels in the quotient, and exp no longer overflows.
    Cached: p, since the gradient needs nothing else.
    """
    p = x - x.max(axis=-1, keepdims=True)
    np.exp(p, out=p)
    p /= sum_features(p)
    return p, p


def softmax_backward(dp: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """∂p_i/∂x_j = p_i (δ_ij − p_j), therefore  dx_j = p_j (dp_j − Σ_i dp_i p_i).   dp (..., n) -> dx (..., n)."""
    p = cache
    dx = dp - sum_features(dp * p)
    dx *= p
    return dx
