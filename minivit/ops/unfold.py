"""MobileViT's sequences: a map is cut into patches, and tokens at the same place of theirs see each other
(Mehta & Rastegari, arXiv 2110.02178, section 3.1).

Each of the P·P places in a patch gives a sequence as long as there are patches. So a token looks at every P-th of each
row and column; what lies between them it has heard of by the convolution before. A sequence is as good as a separate
image, so it joins the batch:  unfold → blocks → fold.
"""

import numpy as np

from .convolution import check_counts

Pair = tuple[int, int]


def unfold_forward(x: np.ndarray, patch: Pair) -> tuple[np.ndarray, tuple]:
    """x (B, height, width, d), patch (ph, pw), which divides it -> (B·ph·pw, N, d), N = height·width / (ph·pw): the
    images, within them the places of a patch, within a sequence the patches, each in reading order. Raises
    TypeError, ValueError for another patch."""
    (ph, pw), (B, height, width, d) = patch_of(x.shape[1:3], patch), x.shape
    cut = x.reshape(B, height // ph, ph, width // pw, pw, d).transpose(0, 2, 4, 1, 3, 5)
    return cut.reshape(B * ph * pw, -1, d), (patch, (height, width))


def unfold_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """What only moves tokens moves them back."""
    return fold_forward(dy, *cache)[0]


def fold_forward(x: np.ndarray, patch: Pair, size: Pair) -> tuple[np.ndarray, Pair]:
    """The inverse of `unfold`: (B·ph·pw, N, d) -> (B, *size, d)."""
    (ph, pw), (height, width), d = patch_of(size, patch), size, x.shape[-1]
    cut = x.reshape(-1, ph, pw, height // ph, width // pw, d).transpose(0, 3, 1, 4, 2, 5)
    return cut.reshape(-1, height, width, d), patch


def fold_backward(dy: np.ndarray, cache: Pair) -> np.ndarray:
    return unfold_forward(dy, cache)[0]


def patch_of(size: Pair, patch: Pair) -> Pair:
    """The patch, if it divides a map of this size."""
    if not (isinstance(patch, tuple | list) and len(patch) == 2):
        raise TypeError(f"patch is {patch!r}, expected (height, width)")
    check_counts(**{"the patch's height": patch[0], "the patch's width": patch[1]})
    if size[0] % patch[0] or size[1] % patch[1]:
        raise ValueError(f"patches of {patch[0]} x {patch[1]} do not divide a map of {size[0]} x {size[1]}")
    return patch
