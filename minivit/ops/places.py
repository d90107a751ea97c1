"""Places that are added to tokens, and learn; and a part of each token's numbers."""

from collections.abc import Sequence

import numpy as np

from .sums import sum_tokens


def add_places_forward(x: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, int]:
    """x + places: x (B, N, D), places (B, N, D), or (1, N, D) for all images alike."""
    return x + places, len(places)


def add_places_backward(dy: np.ndarray, cache: int) -> tuple[np.ndarray, np.ndarray]:
    """-> dx, dplaces, where they served all images the sum of theirs."""
    return dy, dy if cache == len(dy) else dy.sum(axis=0, keepdims=True)


def add_levels_forward(
    x: np.ndarray, table: np.ndarray, shapes: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, list[int]]:
    """x + the row of its map: x (B, S, D), the cells of L maps of these (height, width), one after the other; table
    (L, D). So a token knows which map it is of (Deformable DETR, arXiv 2010.04159, section 4.1)."""
    counts = [height * width for height, width in shapes]
    return x + np.repeat(table, counts, axis=0), counts


def add_levels_backward(dy: np.ndarray, cache: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """A row served all cells of its map: dx (B, S, D), dtable (L, D)."""
    parts = np.split(dy, np.cumsum(cache)[:-1].tolist(), axis=1)
    return dy, np.stack([sum_tokens(part) for part in parts])


def columns_forward(x: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, tuple]:
    """Some of each token's numbers: x (..., D) -> (..., stop − start)."""
    return x[..., start:stop], (x.shape[-1], start, stop)


def columns_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The others have the gradient 0."""
    width, start, stop = cache
    before, after = (np.zeros_like(dy, shape=(*dy.shape[:-1], n)) for n in (start, width - stop))
    return np.concatenate((before, dy, after), axis=-1)
