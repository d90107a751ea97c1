"""Tokens and the map that they are: a row of tokens in reading order, or a picture with D channels.

What works on pictures (convolutions, pooling, patches) takes maps, what works on tokens (attention, MLPs) rows of them.
"""

import numpy as np

Pair = tuple[int, int]


def to_map_forward(x: np.ndarray, grid: Pair) -> tuple[np.ndarray, None]:
    """Tokens as a map: x (B, gh·gw, D) in reading order -> (B, gh, gw, D)."""
    return x.reshape(len(x), *grid, x.shape[-1]), None


def to_map_backward(dy: np.ndarray, cache: None) -> np.ndarray:
    return to_tokens_forward(dy)[0]


def to_tokens_forward(x: np.ndarray) -> tuple[np.ndarray, Pair]:
    """A map as tokens: x (B, gh, gw, D) -> (B, gh·gw, D), in reading order. Cached: the grid."""
    B, gh, gw, D = x.shape
    return x.reshape(B, gh * gw, D), (gh, gw)


def to_tokens_backward(dy: np.ndarray, cache: Pair) -> np.ndarray:
    return to_map_forward(dy, cache)[0]


def crop_forward(x: np.ndarray, size: Pair) -> tuple[np.ndarray, tuple]:
    """What patches leave over at the end of a side is dropped: x (B, height, width, C) -> (B, *size, C)."""
    return x[:, : size[0], : size[1]], x.shape


def crop_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """Nobody has read the rest: its gradient is 0. dy like y -> dx (B, height, width, C)."""
    dx = np.zeros_like(dy, shape=cache)
    dx[:, : dy.shape[1], : dy.shape[2]] = dy
    return dx
