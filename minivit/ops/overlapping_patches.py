"""Patches that overlap: each also sees its neighbours' edges (PVT v2, Wang et al., arXiv 2106.13797, section 3.2).

With a dense layer behind, it is a convolution with a bias. patches.py cuts the ViT's, which lie side by side.
"""

import numpy as np

from .convolution import check_counts, crop, pad, padded_shape, window_places


def overlapping_patches_forward(x: np.ndarray, kernel: int, stride: int) -> tuple[np.ndarray, tuple]:
    """x (B, height, width, C) -> (B, N, k·k·C): squares of k x k pixels, whose corners lie `stride` apart, with ⌊k/2⌋
    zeros around the picture; N = gh·gw, gh = ⌊(height + 2⌊k/2⌋ − k) / stride⌋ + 1, in reading order.

    A patch is flat in the order (row, column, channel). Cached: sizes alone.
    Raises TypeError, ValueError unless kernel and stride are numbers of at least 1.
    """
    check_counts(kernel=kernel, stride=stride)
    padding = ((kernel // 2,) * 2,) * 2
    padded = pad(x, padding)
    places = window_places(padded.shape, (kernel, kernel), stride)
    y = np.concatenate([padded[place] for place in places], axis=-1)
    return y.reshape(len(x), -1, y.shape[-1]), (x.shape, kernel, stride, padding, y.shape[1:3])


def overlapping_patches_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """A pixel lies in several patches: its gradient is the sum of theirs. dy (B, N, k·k·C) -> dx (B, height, width, C).

    As convolution_backward's last lines.
    """
    shape, kernel, stride, padding, grid = cache
    patches = dy.reshape(len(dy), *grid, kernel * kernel, -1)
    dpadded = np.zeros_like(dy, shape=padded_shape(shape, padding))
    for k, place in enumerate(window_places(dpadded.shape, (kernel, kernel), stride)):
        dpadded[place] += patches[..., k, :]
    return crop(dpadded, padding)
