"""The dense layer, y = x W + b: one matrix product forward, two backward.

Read this file first: every other backward in this folder has the same shape.
"""

import numpy as np

from .sums import sum_tokens


def linear_forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, tuple]:
    """y = x W + b over the last axis.

    x (..., in), weight (in, out), bias (out,) or None for a layer without one. Returns y (..., out) and the cache.
    Cached: x and W, because each is the other's gradient. y itself is not needed.
    """
    y = x.reshape(-1, x.shape[-1]) @ weight  # one large product for all rows, whatever the leading axes
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], -1), (x, weight, bias is not None)


def linear_backward(dy: np.ndarray, cache: tuple, with_dx: bool = True) -> tuple[np.ndarray | None, ...]:
    """The backward of `y = x W + b`.  By index, y_ro = Σ_i x_ri W_io + b_o, therefore

    dx_ri = Σ_o dy_ro W_io,    dW_io = Σ_r x_ri dy_ro,    db_o = Σ_r dy_ro.

    dy (..., out). Returns dx like x (None if not with_dx: x are data), dweight like weight, dbias (out,) or None.
    """
    x, weight, has_bias = cache
    rows = dy.reshape(-1, dy.shape[-1])
    dweight = x.reshape(-1, x.shape[-1]).T @ rows
    dbias = sum_tokens(rows) if has_bias else None
    dx = (rows @ weight.T).reshape(x.shape) if with_dx else None  # last: the next one finds it in the cache
    return dx, dweight, dbias
