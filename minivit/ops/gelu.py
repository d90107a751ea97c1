"""GELU, x Φ(x): a soft gate that lets x through by the normal probability of it (arXiv 1606.08415)."""

import math
from collections.abc import Iterator

import numpy as np

from .erf import normal_cdf

TILE = 2**16  # numbers: the thirty passes over a large x are faster by parts that stay in a core's cache


def gelu_forward(x: np.ndarray, kind: str = "erf", with_slope: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """y = x Φ(x), where Φ is

    "erf":  ½ (1 + erf(x/√2)), the normal distribution function;
    "tanh": ½ (1 + tanh u),  u = √(2/π) (x + 0.044715 x³), which makes y differ by at most 4.8e-4.

    x any shape. Cached: the slope, Φ + x φ, where φ = Φ' (None if not with_slope: no backward follows). Google's models
    were trained with tanh, PyTorch's with erf.
    """
    if kind not in ("erf", "tanh"):
        raise ValueError(f'gelu is {kind!r}, expected "erf" or "tanh"')
    y = np.empty_like(x, order="C")
    slope = np.empty_like(y) if with_slope else None
    for xs, cdf, density in _tiles(x, y, slope):  # y begins as Φ, and the slope as φ
        (_normal if kind == "erf" else _almost_normal)(xs, cdf, density)
        if with_slope:
            density *= xs
            density += cdf
        cdf *= xs
    return y, slope


def gelu_backward(dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """The backward of `y = x Φ(x)`:  dx = dy (Φ + x φ)."""
    return dy * cache


def _normal(x: np.ndarray, cdf: np.ndarray, density: np.ndarray | None) -> None:
    """Φ = ½ (1 + erf(x/√2)) and φ = exp(−x²/2)/√(2π), the normal density, into the arrays, where they are asked for."""
    square = np.multiply(x, x, out=density)
    normal_cdf(x, square, out=cdf)
    if density is not None:
        density *= -0.5
        np.exp(density, out=density)
        density *= 1 / math.sqrt(2 * math.pi)


def _almost_normal(x: np.ndarray, cdf: np.ndarray, density: np.ndarray | None) -> None:
    """Φ = ½ (1 + tanh u) and φ = ½ (1 − tanh² u) u' = 2 Φ (1 − Φ) u',  u' = √(2/π) (1 + 3 · 0.044715 x²)."""
    np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x), out=cdf)
    cdf += 1
    cdf *= 0.5
    if density is not None:
        np.multiply(2 * cdf * (1 - cdf), math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x), out=density)


def _tiles(*arrays: np.ndarray | None) -> Iterator[list[np.ndarray | None]]:
    """The same part of each array, one part after the other: flat views, to read from and to write to."""
    flat = [None if array is None else array.reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, TILE):
        yield [None if array is None else array[start : start + TILE] for array in flat]
