"""A bias of its own, for a convolution that no norm follows."""

import numpy as np

from .sums import sum_tokens


def add_bias_forward(x: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, None]:
    """y = x + b.   x (..., C), bias (C,)."""
    return x + bias, None


def add_bias_backward(dy: np.ndarray, cache: None) -> tuple[np.ndarray, np.ndarray]:
    """It served every place: db = Σ dy. Returns dx like x, dbias (C,)."""
    return dy, sum_tokens(dy)
