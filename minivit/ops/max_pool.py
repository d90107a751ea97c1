"""Max pooling: of every window the largest number, channel by channel."""

import numpy as np

from .convolution import Padding, check_counts, crop, pad, padded_shape, sides, window_places


def max_pool_forward(
    x: np.ndarray,
    size: int = 3,
    stride: int = 2,
    padding: int | Padding | None = None,
    fill: float = -np.inf,
) -> tuple[np.ndarray, tuple]:
    """y_ijc = max_uv x[i s + u − top, j s + v − left, c]; the margin holds `fill`, which by default never wins.

    x (B, height, width, C) -> (B, height', width', C); padding as in convolution.py. BiT's margin holds zeros, which
    win where all else is negative. Cached: which place of its window won, the first if several did.
    Raises as convolution_forward.
    """
    check_counts(size=size, stride=stride)
    kernel = (size, size)
    padding = sides(padding, x.shape[1:3], kernel, stride)
    padded = pad(x, padding, fill)
    windows = np.stack([padded[place] for place in window_places(padded.shape, kernel, stride)])
    return windows.max(axis=0), (windows.argmax(axis=0), x.shape, kernel, stride, padding)


def max_pool_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The winner of a window gets its gradient, and the sum where it won several. dy -> dx (B, height, width, C)."""
    winner, shape, kernel, stride, padding = cache
    dpadded = np.zeros_like(dy, shape=padded_shape(shape, padding))
    for k, place in enumerate(window_places(dpadded.shape, kernel, stride)):
        dpadded[place] += dy * (winner == k)
    return crop(dpadded, padding)
