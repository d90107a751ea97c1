"""Depthwise convolution: every channel has a small filter of its own, and looks at no other channel.

A matrix product has nothing to multiply here. It is a sum of k·k shifted pictures, each times one number a channel
(MobileNet, Howard et al., arXiv 1704.04861, section 3.1).
"""

import numpy as np

from .convolution import check_counts, crop, pad, window_places
from .sums import sum_tokens


def depthwise_convolution_forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, stride: int = 1
) -> tuple[np.ndarray, tuple]:
    """y_ijc = Σ_uv x[i s + u − ⌊k/2⌋, j s + v − ⌊k/2⌋, c] w_uvc + b_c, with zeros outside the picture.

    x (B, height, width, C), weight (k, k, C), bias (C,) or None -> y (B, ⌈height/s⌉, ⌈width/s⌉, C) for odd k.
    Cached: x with its margin, and w. Raises TypeError, ValueError for a stride that is no number of at least 1.
    """
    check_counts(stride=stride)
    kh, kw, C = weight.shape
    padding = (kh // 2,) * 2, (kw // 2,) * 2
    padded, filters = pad(x, padding), weight.reshape(-1, C)
    first, *places = window_places(padded.shape, (kh, kw), stride)
    y = padded[first] * filters[0]
    for place, numbers in zip(places, filters[1:], strict=True):
        y += padded[place] * numbers
    if bias is not None:
        y += bias
    return y, (padded, weight, bias is not None, stride, padding)


def depthwise_convolution_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The backward of `y += padded[place] * numbers`, for each place in the filter:

    dpadded[place] += dy · numbers,    dnumbers = Σ padded[place] dy.

    dy like y. Returns dx like x, dweight like weight, dbias (C,) or None.
    """
    padded, weight, has_bias, stride, padding = cache
    filters = weight.reshape(-1, weight.shape[-1])
    dpadded, dfilters = np.zeros_like(padded), []
    for place, numbers in zip(window_places(padded.shape, weight.shape[:2], stride), filters, strict=True):
        dpadded[place] += dy * numbers
        dfilters.append(sum_tokens(padded[place] * dy))
    dbias = sum_tokens(dy) if has_bias else None
    return crop(dpadded, padding), np.stack(dfilters).reshape(weight.shape), dbias
