"""BatchNorm: each channel is centred and scaled over the images of a batch (Ioffe & Szegedy, arXiv 1502.03167).

It is the one operation that computes something else in training than in evaluation, where an image must not depend on
those that are looked at beside it: there the statistics are running means of what training has seen.
"""

import numpy as np

from .sums import sum_tokens


def batchnorm_forward(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[np.ndarray, tuple]:
    """y = γ x̂ + β,   x̂ = (x − μ) / √(σ² + ε);   in training μ and σ² are those of x, over all axes but the last:

    σ² divided by n, the n = B·height·width numbers of a channel. Else they are running_mean and running_var.
    x (..., C), all else (C,). Returns y like x and the cache, which in training holds the new running values:
    (1 − momentum) old + momentum (that of x), where σ² is divided by n − 1, as in PyTorch: it estimates that of all
    images. Nothing that is given is changed. Raises ValueError in training for n = 1, which has no variance.
    """
    mean, variance, new = running_mean, running_var, (None, None)
    if training:
        n = x.size // x.shape[-1]
        if n < 2:
            raise ValueError(f"x has shape {x.shape}, one number a channel: in training BatchNorm needs two or more")
        mean = sum_tokens(x) / n
        centred = x - mean
        variance = sum_tokens(centred * centred) / n
        new = (
            (1 - momentum) * running_mean + momentum * mean,
            (1 - momentum) * running_var + momentum * n / (n - 1) * variance,
        )
    else:
        centred = x - mean
    rstd = 1 / np.sqrt(variance + eps)
    xhat = centred
    xhat *= rstd
    y = xhat * gamma
    y += beta
    return y, (xhat, rstd, gamma, training, new)


def batchnorm_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray | None, ...]:
    """In evaluation `x̂ = (x − μ) rstd` scales by a constant; in training μ and rstd depend on every x of the channel:

    dx = γ rstd (dy − mean(dy) − x̂ mean(dy x̂)),    dγ = Σ dy x̂,    dβ = Σ dy,    in evaluation dx = γ rstd dy.

    dy like x. Returns dx like x, dgamma (C,), dbeta (C,), and in the place of gradients the new running_mean and
    running_var (C,), None in evaluation.
    """
    xhat, rstd, gamma, training, new = cache
    dgamma, dbeta = sum_tokens(dy * xhat), sum_tokens(dy)
    if not training:
        return dy * (gamma * rstd), dgamma, dbeta, *new
    n = dy.size // dy.shape[-1]
    dx = xhat * (-dgamma / n)
    dx += dy
    dx -= dbeta / n
    dx *= gamma * rstd
    return dx, dgamma, dbeta, *new
