"""LayerScale: a learned factor a channel on each residual branch, small at first (CaiT, arXiv 2103.17239, eq. 3)."""

import numpy as np

from .sums import sum_tokens


def layerscale_forward(x: np.ndarray, gamma: np.ndarray | None) -> tuple[np.ndarray, tuple | None]:
    """y = x γ.   x (..., D), gamma (D,); gamma None (a block without LayerScale) hands x through."""
    if gamma is None:
        return x, None
    return x * gamma, (x, gamma)


def layerscale_backward(dy: np.ndarray, cache: tuple | None) -> tuple[np.ndarray, np.ndarray | None]:
    """dx = dy γ,   dγ = Σ over all tokens of dy x.   Returns dx like x and dgamma (D,) or None."""
    if cache is None:
        return dy, None
    x, gamma = cache
    return dy * gamma, sum_tokens(dy * x)
