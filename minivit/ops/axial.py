"""Axial attention: each token looks along its row, or along its column, of the grid (arXiv 1912.12180, 2003.07853).

Full attention on a grid of H x W tokens compares (HW)² pairs; along rows H·W², along columns W·H², together HW (H + W).
So a token costs H + W instead of HW: 28 instead of 196 on a 14 x 14 grid, 112 instead of 3136 on 56 x 56. After
both, every token has heard of every other, by way of the token in its own column and the other's row.

The lines of a grid are as good as separate images, so they join the batch: the chain  lines → self-attention → unlines.
"""

import numpy as np

Grid = tuple[int, int]


def lines_forward(x: np.ndarray, grid: Grid, along: str) -> tuple[np.ndarray, tuple]:
    """x (B, gh·gw, D) in reading order -> its rows (B·gh, gw, D), or, along "column", its columns (B·gw, gh, D)."""
    gh, gw = grid
    if along == "row":
        return x.reshape(-1, gw, x.shape[-1]), (grid, along)
    return x.reshape(-1, gh, gw, x.shape[-1]).swapaxes(1, 2).reshape(-1, gh, x.shape[-1]), (grid, along)


def lines_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """What only moves tokens moves them back."""
    return unlines_forward(dy, *cache)[0]


def unlines_forward(x: np.ndarray, grid: Grid, along: str) -> tuple[np.ndarray, tuple]:
    """The inverse of `lines`: (B·lines, n, D) -> (B, gh·gw, D)."""
    gh, gw = grid
    lines = x.reshape(-1, gw, gh, x.shape[-1]).swapaxes(1, 2) if along == "column" else x
    return lines.reshape(-1, gh * gw, x.shape[-1]), (grid, along)


def unlines_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    return lines_forward(dy, *cache)[0]
