"""Some columns of a dense layer: the queries alone of W_qkv, or the keys and values. Read linear.py first."""

import numpy as np

from .linear import linear_backward, linear_forward


def linear_columns_forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, *, columns: tuple[int, int]
) -> tuple[np.ndarray, tuple]:
    """y = x W[:, a:b] + b[a:b],   columns = (a, b).

    x (..., in), weight (in, out), bias (out,) or None -> y (..., b − a). Cached: linear's, and where the columns lie.
    """
    part = slice(*columns)
    y, cache = linear_forward(x, weight[:, part], None if bias is None else bias[part])
    return y, (cache, part, weight.shape[1])


def linear_columns_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """linear's backward for these columns; the others had no part in y: their gradient is 0."""
    cache, part, out = cache
    dx, dpart, dbias_part = linear_backward(dy, cache)
    dweight = np.zeros_like(dpart, shape=(len(dpart), out))
    dweight[:, part] = dpart
    if dbias_part is None:
        return dx, dweight, None
    dbias = np.zeros_like(dbias_part, shape=out)
    dbias[part] = dbias_part
    return dx, dweight, dbias
