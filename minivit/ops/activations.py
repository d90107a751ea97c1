"""ReLU, for convolutions; tanh, for the layer before the head; the sigmoid of boxes. The blocks' own is in gelu.py."""

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


def sigmoid_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y = 1 / (1 + e^−x).   x any shape. Cached: y, which gives the derivative. Of e^−|x|, which cannot overflow."""
    exp = np.exp(-abs(x))
    y = np.where(x >= 0, 1, exp) / (1 + exp)
    return y, y


def sigmoid_backward(dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """σ' = σ (1 − σ), therefore  dx = dy y (1 − y)."""
    return cache * (1 - cache) * dy
