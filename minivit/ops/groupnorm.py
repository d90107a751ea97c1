"""GroupNorm: LayerNorm for pictures, a group of channels at a time and over all places (Wu & He, arXiv 1803.08494)."""

import numpy as np

from .sums import sum_tokens


def groupnorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, groups: int, eps: float = 1e-6
) -> tuple[np.ndarray, tuple]:
    """y = γ x̂ + β,   x̂ = (x − μ) / √(σ² + ε),   with μ and σ² over height, width and the C/groups channels of a group.

    x (B, height, width, C), gamma and beta (C,), C a multiple of groups. Returns y like x and the cache.
    """
    centred = x - _group_mean(x, groups)
    rstd = 1 / np.sqrt(_group_mean(centred * centred, groups) + eps)
    xhat = centred
    xhat *= rstd
    y = xhat * gamma
    y += beta
    return y, (xhat, rstd, gamma, groups)


def groupnorm_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As layernorm_backward, with the group's means:

    dx = rstd (dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)),    dx̂ = dy γ,    dγ = Σ dy x̂,    dβ = Σ dy.

    dy like x. Returns dx like x, dgamma (C,), dbeta (C,).
    """
    xhat, rstd, gamma, groups = cache
    dgamma = sum_tokens(dy * xhat)
    dbeta = sum_tokens(dy)
    dxhat = dy * gamma
    dx = dxhat - _group_mean(dxhat, groups)
    dx -= xhat * _group_mean(dxhat * xhat, groups)
    dx *= rstd
    return dx, dgamma, dbeta


def _group_mean(x: np.ndarray, groups: int) -> np.ndarray:
    """x (B, height, width, C) -> (B, 1, 1, C): each group's mean, repeated for its channels."""
    B, C = x.shape[0], x.shape[-1]
    places = x.reshape(B, -1, C)
    sums = np.ones_like(places[:1, :, 0]) @ places  # (B, 1, C); a product with ones, as in sums.py
    means = sums.reshape(B, groups, -1).sum(axis=-1) / (x[0].size // groups)
    return np.repeat(means, C // groups, axis=1).reshape(B, 1, 1, C)
