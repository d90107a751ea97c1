"""GELU, x Φ(x): a soft gate that lets x through by the normal probability of it (arXiv 1606.08415)."""

import math

import numpy as np

from .erf import erf

BLOCK = 2**17  # elements: the twenty passes over a large x are faster by blocks that stay in a core's cache


def gelu_forward(x: np.ndarray, kind: str = "erf") -> tuple[np.ndarray, tuple]:
    """y = x Φ(x), where Φ is

    "erf":  ½ (1 + erf(x/√2)), the normal distribution function;
    "tanh": ½ (1 + tanh u),  u = √(2/π) (x + 0.044715 x³), which makes y differ by at most 4.8e-4.

    x any shape. Cached: x and Φ, which is the costly part. Google's models were trained with tanh, PyTorch's with erf.
    """
    if kind not in ("erf", "tanh"):
        raise ValueError(f'gelu is {kind!r}, expected "erf" or "tanh"')
    if x.size <= 4 * BLOCK:
        cdf = _normal_cdf(x, kind)
    else:
        blocks = np.array_split(x.reshape(-1), x.size // BLOCK)
        cdf = np.concatenate([_normal_cdf(block, kind) for block in blocks]).reshape(x.shape)
    return x * cdf, (x, cdf, kind)


def gelu_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The backward of `y = x Φ(x)`:  dx = dy (Φ + x φ),  where φ = Φ' is

    "erf":  exp(−x²/2)/√(2π), the normal density;
    "tanh": ½ (1 − tanh² u) u' = 2 Φ (1 − Φ) u',  u' = √(2/π) (1 + 3 · 0.044715 x²).
    """
    x, cdf, kind = cache
    if kind == "erf":
        density = x * x
        density *= -0.5
        np.exp(density, out=density)
        density *= 1 / math.sqrt(2 * math.pi)
    else:
        density = 2 * cdf * (1 - cdf) * (math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x))
    dx = density  # in place from here on: dy (Φ + x φ)
    dx *= x
    dx += cdf
    dx *= dy
    return dx


def _normal_cdf(x: np.ndarray, kind: str) -> np.ndarray:
    u = x * math.sqrt(0.5) if kind == "erf" else math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)
    cdf = erf(u) if kind == "erf" else np.tanh(u)
    cdf += 1
    cdf *= 0.5
    return cdf
