"""ReLU, for the hybrid's stem, and tanh, for the layer before the head. The blocks' own is in gelu.py."""

import numpy as np


def relu_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y = max(x, 0).   x any shape. Cached: where x was positive."""
    positive = x > 0
    return np.maximum(x, 0), positive


def relu_backward(dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """dx = dy where x was positive, and 0 elsewhere (at the kink, 0, too)."""
    return dy * cache


def tanh_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y = tanh x.   x any shape. Cached: y, which gives the derivative."""
    y = np.tanh(x)
    return y, y


def tanh_backward(dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """tanh' = 1 − tanh², therefore  dx = dy (1 − y²)."""
    return dy * (1 - cache * cache)
