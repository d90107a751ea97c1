"""GELU, x Φ(x): a soft gate that lets x through by the normal probability of it (Hendrycks & Gimpel, arXiv 1606.08415).

Also erf, which NumPy does not have.
"""

import math

import numpy as np

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


def erf(x: np.ndarray) -> np.ndarray:
    """erf(x) = 2/√π ∫₀ˣ exp(−t²) dt, within 1e-12 of the true value in float64 and 1e-6 in float32, in x's dtype.

    Both follow a smooth function with a polynomial that is fitted below to the standard library's erf.
    """
    if x.dtype == np.float64:
        return _erf64(x)
    if x.dtype == np.float32:
        return _erf32(x)
    raise TypeError(f"x is {x.dtype}, expected float32 or float64")


def _erf32(x: np.ndarray) -> np.ndarray:
    """erf(x) = tanh(x p(x²)). With two terms of p this is the well-known "tanh" GELU; seven reach 2e-7."""
    x = np.clip(x, -_ERF32_END, _ERF32_END)  # beyond, erf is ±1 to all digits
    y = _polynomial(_ERF32, x * x)
    y *= x
    return np.tanh(y, out=y)


def _erf64(x: np.ndarray) -> np.ndarray:
    """erf(z) = 1 − exp(p(z) − z²) for z ≥ 0: 1 − erf falls like exp(−z²), and the rest is smooth. erf(−z) = −erf(z)."""
    z = np.minimum(np.abs(x), _ERF64_END)
    y = _polynomial(_ERF64, z * (2 / _ERF64_END) - 1)
    y -= z * z
    return np.copysign(1 - np.exp(y), x)


def _polynomial(coefficients: list[float], t: np.ndarray) -> np.ndarray:
    """c₀ + t (c₁ + t (c₂ + …)): Horner's rule, in place."""
    y = coefficients[-1] * t
    for c in coefficients[-2:0:-1]:
        y += c
        y *= t
    y += coefficients[0]
    return y


def _fit_erf32(end: float, degree: int) -> list[float]:
    """p(z²) = atanh(erf(z))/z by least squares; the weight is what an error in p does to erf."""
    z = end * np.sin(np.pi / 2 * (np.arange(64) + 0.5) / 64)  # denser towards the end, as Chebyshev's nodes are
    erf, erfc = (np.array([f(a) for a in z]) for f in (math.erf, math.erfc))
    p = np.log((1 + erf) / erfc) / (2 * z)
    return [float(c) for c in np.polynomial.polynomial.polyfit(z * z, p, degree, w=z * (1 - erf**2))]


def _fit_erf64(end: float, degree: int) -> list[float]:
    """p(z) = log(1 − erf(z)) + z² in t = 2z/end − 1, by interpolation at Chebyshev's nodes."""
    p = np.vectorize(lambda z: math.log(math.erfc(z)) + z * z)
    chebyshev = np.polynomial.Chebyshev.interpolate(p, degree, domain=[0, end])
    return [float(c) for c in np.polynomial.chebyshev.cheb2poly(chebyshev.coef)]


_ERF32_END, _ERF64_END = 3.9, 6.0  # from here on erf rounds to 1 in the dtype
_ERF32, _ERF64 = _fit_erf32(_ERF32_END, 6), _fit_erf64(_ERF64_END, 28)
