"""Axial attention: each token looks along its row, or along its column, of the grid (arXiv 1912.12180, 2003.07853).

Full attention on a grid of H x W tokens compares (HW)² pairs; along rows H·W², along columns W·H², together HW (H + W).
So a token costs H + W instead of HW: 28 instead of 196 on a 14 x 14 grid, 112 instead of 3136 on 56 x 56. After
both, every token has heard of every other, by way of the token in its own column and the other's row.
"""

import numpy as np

from .multihead import (
    multihead_attention_backward,
    multihead_attention_forward,
    multihead_attention_weights,
)

ALONG = ("row", "column")


def axial_attention_forward(
    x: np.ndarray,
    qkv_weight: np.ndarray,
    qkv_bias: np.ndarray | None,
    proj_weight: np.ndarray,
    proj_bias: np.ndarray,
    heads: int,
    grid: tuple[int, int],
    along: str,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """MSA within each line of the grid: the lines are as good as separate images, so they join the batch.

    x (B, gh·gw, D) in reading order; along "row" or "column"; the rest as multihead_attention_forward.
    Returns y (B, gh·gw, D) and the cache.
    """
    lines = to_lines(x, grid, along)
    y, cache = multihead_attention_forward(
        lines, qkv_weight, qkv_bias, proj_weight, proj_bias, heads, None, dropout, rng
    )
    return from_lines(y, grid, along), (cache, grid, along)


def axial_attention_backward(dy: np.ndarray, cache: tuple) -> tuple:
    """Bringing tokens into lines only moves them, and so moves back. Returns dx, dqkv_weight, dqkv_bias, dproj_weight,
    dproj_bias, each like its argument, or None."""
    cache, grid, along = cache
    dlines, *grads, _ = multihead_attention_backward(to_lines(dy, grid, along), cache)
    return from_lines(dlines, grid, along), *grads


def axial_attention_weights(
    x: np.ndarray, qkv_weight: np.ndarray, qkv_bias: np.ndarray | None, heads: int, grid: tuple[int, int], along: str
) -> np.ndarray:
    """Where each head looks: x (B, gh·gw, D) -> (B, lines, H, n, n), n tokens a line; rows sum to 1."""
    weights = multihead_attention_weights(to_lines(x, grid, along), qkv_weight, qkv_bias, heads)
    return weights.reshape(len(x), -1, *weights.shape[1:])


def to_lines(x: np.ndarray, grid: tuple[int, int], along: str) -> np.ndarray:
    """x (B, gh·gw, D) -> its rows (B·gh, gw, D), or its columns (B·gw, gh, D)."""
    gh, gw = grid
    if along == "row":
        return x.reshape(-1, gw, x.shape[-1])
    return x.reshape(-1, gh, gw, x.shape[-1]).swapaxes(1, 2).reshape(-1, gh, x.shape[-1])


def from_lines(lines: np.ndarray, grid: tuple[int, int], along: str) -> np.ndarray:
    """The inverse of `to_lines`: -> x (B, gh·gw, D)."""
    gh, gw = grid
    if along == "column":
        lines = lines.reshape(-1, gw, gh, lines.shape[-1]).swapaxes(1, 2)
    return lines.reshape(-1, gh * gw, lines.shape[-1])
