"""SwiGLU: an MLP whose hidden layer is a product of two, one of which is the gate (Shazeer, arXiv 2002.05202).

The largest DINOv2 (arXiv 2304.07193) has it in place of mlp.py's GELU.
"""

import numpy as np

from .dropout import dropout_backward, dropout_forward
from .linear import linear_backward, linear_forward


def swiglu_forward(x: np.ndarray) -> tuple[np.ndarray, tuple]:
    """y = silu(x₁) x₂,   silu(x) = x σ(x),   x = [x₁ | x₂].

    x (..., 2h) -> y (..., h). Cached: the two halves and σ(x₁), taken as ½ (1 + tanh(x₁/2)), which cannot overflow.
    """
    h = x.shape[-1] // 2
    gate, value = x[..., :h], x[..., h:]
    sigmoid = np.tanh(gate * 0.5)
    sigmoid += 1
    sigmoid *= 0.5
    return gate * sigmoid * value, (gate, value, sigmoid)


def swiglu_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """σ' = σ (1 − σ), so silu'(x) = σ (1 + x (1 − σ)), therefore

    dx₁ = dy x₂ σ (1 + x₁ (1 − σ)),   dx₂ = dy x₁ σ.   dy (..., h) -> dx (..., 2h).
    """
    gate, value, sigmoid = cache
    dgate = dy * value * sigmoid * (1 + gate * (1 - sigmoid))
    dvalue = dy * gate * sigmoid
    return np.concatenate((dgate, dvalue), axis=-1)


def swiglu_mlp_forward(
    x: np.ndarray,
    weight1: np.ndarray,
    bias1: np.ndarray,
    weight2: np.ndarray,
    bias2: np.ndarray,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """MLP(x) = dropout(swiglu(x W1 + b1)) W2 + b2.

    x (B, N, D), weight1 (D, 2h), bias1 (2h,), weight2 (h, D), bias2 (D,). Returns y (B, N, D) and the cache.
    """
    h, linear1_cache = linear_forward(x, weight1, bias1)
    h, swiglu_cache = swiglu_forward(h)
    h, dropout_cache = dropout_forward(h, dropout, rng)
    y, linear2_cache = linear_forward(h, weight2, bias2)
    return y, (linear1_cache, swiglu_cache, dropout_cache, linear2_cache)


def swiglu_mlp_backward(dy: np.ndarray, cache: tuple) -> tuple:
    """The four steps, last one first. Returns dx, dweight1, dbias1, dweight2, dbias2, each like its argument."""
    linear1_cache, swiglu_cache, dropout_cache, linear2_cache = cache
    dh, dweight2, dbias2 = linear_backward(dy, linear2_cache)
    dh = dropout_backward(dh, dropout_cache)
    dh = swiglu_backward(dh, swiglu_cache)
    dx, dweight1, dbias1 = linear_backward(dh, linear1_cache)
    return dx, dweight1, dbias1, dweight2, dbias2
