"""Maps of several sizes as one row of tokens, and what layers leave one after the other as one array."""

import numpy as np


def flatten_levels_forward(maps: list[np.ndarray]) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Maps (B, h_l, w_l, D) -> tokens (B, Σ h_l·w_l, D): level by level, each in reading order. Cached: the shapes."""
    return np.concatenate([x.reshape(len(x), -1, x.shape[-1]) for x in maps], axis=1), [x.shape for x in maps]


def flatten_levels_backward(dy: np.ndarray, cache: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Every token goes back to its map. dy (B, N, D) -> a list of dmaps."""
    ends = np.cumsum([h * w for _, h, w, _ in cache])[:-1].tolist()
    return [part.reshape(shape) for part, shape in zip(np.split(dy, ends, axis=1), cache, strict=True)]


def stack_forward(xs: list[np.ndarray]) -> tuple[np.ndarray, None]:
    """Arrays of one shape -> one, with a further axis in front."""
    return np.stack(xs), None


def stack_backward(dy: np.ndarray, cache: None) -> list[np.ndarray]:
    """As many arrays again."""
    return list(dy)
