"""The block's second half: each token by itself goes up to the width M, through a GELU, and down again."""

import numpy as np

from .dropout import dropout_backward, dropout_forward
from .gelu import gelu_backward, gelu_forward
from .linear import linear_backward, linear_forward


def mlp_forward(
    x: np.ndarray,
    weight1: np.ndarray,
    bias1: np.ndarray,
    weight2: np.ndarray,
    bias2: np.ndarray,
    gelu: str = "erf",
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """MLP(x) = dropout(GELU(x W1 + b1)) W2 + b2.

    x (B, N, D), weight1 (D, M), bias1 (M,), weight2 (M, D), bias2 (D,); gelu "erf" or "tanh".
    Returns y (B, N, D) and the cache, which is that of the four steps. ViT, arXiv 2010.11929, section 3.1.
    """
    h, linear1_cache = linear_forward(x, weight1, bias1)
    h, gelu_cache = gelu_forward(h, gelu)
    h, dropout_cache = dropout_forward(h, dropout, rng)
    y, linear2_cache = linear_forward(h, weight2, bias2)
    return y, (linear1_cache, gelu_cache, dropout_cache, linear2_cache)


def mlp_backward(dy: np.ndarray, cache: tuple) -> tuple:
    """The four steps, last one first. Returns dx, dweight1, dbias1, dweight2, dbias2, each like its argument."""
    linear1_cache, gelu_cache, dropout_cache, linear2_cache = cache
    dh, dweight2, dbias2 = linear_backward(dy, linear2_cache)
    dh = dropout_backward(dh, dropout_cache)
    dh = gelu_backward(dh, gelu_cache)
    dx, dweight1, dbias1 = linear_backward(dh, linear1_cache)
    return dx, dweight1, dbias1, dweight2, dbias2
