"""Dropout and drop path: noise for training only. Without a generator, or at rate 0, both hand x through untouched."""

import numpy as np


def dropout_forward(
    x: np.ndarray, rate: float, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """y = x · mask / (1 − rate): each element is zeroed with probability `rate` and the rest are scaled up, so that the
    expectation stays x and evaluation needs no correction (Srivastava et al., 2014, section 10).

    x any shape; 0 <= rate < 1. Cached: the scaled mask, or None where nothing was dropped.
    """
    return _drop(x, rate, rng, x.shape)


def dropout_backward(dy: np.ndarray, cache: np.ndarray | None) -> np.ndarray:
    """What was dropped has no gradient, what was kept has the same factor: dx = dy · mask / (1 − rate)."""
    return dy if cache is None else dy * cache


def drop_path_forward(
    x: np.ndarray, rate: float, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Stochastic depth: the whole residual branch of a sample is dropped (Huang et al., arXiv 1603.09382).

    x (B, ...): one draw for each of the B samples. As dropout otherwise.
    """
    return _drop(x, rate, rng, (x.shape[0],) + (1,) * (x.ndim - 1))


def drop_path_backward(dy: np.ndarray, cache: np.ndarray | None) -> np.ndarray:
    """dx = dy · mask / (1 − rate), the mask one number a sample."""
    return dropout_backward(dy, cache)


def _drop(x: np.ndarray, rate: float, rng: np.random.Generator | None, mask_shape: tuple[int, ...]) -> tuple:
    if rng is None or rate == 0:
        return x, None
    kept = rng.random(mask_shape, dtype=np.float32) >= rate
    mask = kept.astype(x.dtype) / (1 - rate)
    return x * mask, mask
