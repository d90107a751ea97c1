"""SwiGLU: an MLP whose hidden layer is a product of two, one of which is the gate (Shazeer, arXiv 2002.05202).

The largest DINOv2 (arXiv 2304.07193) has it in place of the GELU.
"""

import numpy as np


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
