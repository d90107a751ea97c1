"""LayerNorm: each token is centred and scaled by its own mean and standard deviation (Ba et al., arXiv 1607.06450)."""

import numpy as np

from .sums import sum_features, sum_tokens


def layernorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-6
) -> tuple[np.ndarray, tuple]:
    """y = γ x̂ + β,   x̂ = (x − μ) / √(σ² + ε),   with μ and σ² (divided by D, not D−1) over the last axis.

    x (..., D), gamma and beta (D,). Returns y like x and the cache.
    Cached: x̂, which NumPy has made anyway, and 1/√(σ²+ε). (A kernel keeps μ and the latter and recomputes x̂: two
    numbers a row instead of D.) The variance is that of the centred values: E[x²] − μ² loses digits to a large mean.
    """
    D = x.shape[-1]
    centred = x - sum_features(x) / D
    variance = np.einsum("...d,...d->...", centred, centred)[..., None] / D
    rstd = 1 / np.sqrt(variance + eps)
    xhat = centred
    xhat *= rstd
    y = xhat * gamma
    y += beta
    return y, (xhat, rstd, gamma)


def layernorm_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward of `y = γ x̂ + β`, then `x̂ = (x − μ) rstd`, where μ and rstd depend on every x of the row:

    dx = rstd (dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)),    dx̂ = dy γ,    dγ = Σ dy x̂,    dβ = Σ dy.

    The two means are what the centring and the scaling take away: dx is orthogonal to 1 and (for ε = 0) to x̂.
    dy like x. Returns dx like x, dgamma (D,), dbeta (D,).
    """
    xhat, rstd, gamma = cache
    D = dy.shape[-1]
    dy_xhat = dy * xhat
    dgamma = sum_tokens(dy_xhat)
    dbeta = sum_tokens(dy)
    dx = dy * gamma
    dx -= (dy @ gamma)[..., None] / D  # mean(dx̂), for dx̂ = dy γ
    dx -= np.multiply(xhat, (dy_xhat @ gamma)[..., None] / D, out=dy_xhat)  # x̂ mean(dx̂ x̂)
    dx *= rstd
    return dx, dgamma, dbeta
