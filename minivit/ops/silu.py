"""SiLU, x σ(x): a gate as soft as the GELU, and cheaper (arXiv 1606.08415, 1702.03118). MobileViT's is everywhere."""

import numpy as np


def silu_forward(x: np.ndarray) -> tuple[np.ndarray, tuple]:
    """y = x σ(x).   x any shape. Cached: x and σ(x), taken as ½ (1 + tanh(x/2)), which cannot overflow."""
    sigmoid = np.tanh(x * 0.5)
    sigmoid += 1
    sigmoid *= 0.5
    return x * sigmoid, (x, sigmoid)


def silu_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """σ' = σ (1 − σ), therefore  dx = dy σ (1 + x (1 − σ))."""
    x, sigmoid = cache
    dx = 1 - sigmoid
    dx *= x
    dx += 1
    dx *= sigmoid
    dx *= dy
    return dx
