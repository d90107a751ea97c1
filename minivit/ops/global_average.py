"""Global average pooling: a map becomes one vector, the mean of its places (Lin et al., arXiv 1312.4400)."""

import numpy as np


def global_average_forward(x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """y_c = mean over i, j of x[i, j, c]: (B, height, width, C) -> (B, C). Cached: the shape."""
    return x.mean(axis=(1, 2)), x.shape


def global_average_backward(dy: np.ndarray, cache: tuple[int, ...]) -> np.ndarray:
    """Each place has its share: dy (B, C) -> dx (B, height, width, C)."""
    _, height, width, _ = cache
    return np.repeat(np.repeat((dy / (height * width))[:, None, None], height, axis=1), width, axis=2)
