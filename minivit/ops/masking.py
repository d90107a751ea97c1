"""Masking, as a masked autoencoder needs it: a few tokens are kept, and later all places are filled again, those of the
others by one learned token (MAE, He et al., arXiv 2111.06377).

Random noise decides: the tokens of an image are sorted by it, and the first are kept. To sort is to permute, and a
permutation's inverse is its transpose: so what one of the two operations does forward, the other does backward, and
nothing is ever scattered.
"""

import numpy as np


def shuffle(noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """noise (B, N) -> order and restore (B, N): order[b, i] is the token of the i-th smallest noise, restore[b, n] the
    place of token n in that order. MAE's ids_shuffle and ids_restore."""
    order = np.argsort(noise, axis=1, kind="stable")
    return order, np.argsort(order, axis=1, kind="stable")


def keep_tokens_forward(
    x: np.ndarray, order: np.ndarray, restore: np.ndarray, count: int, prefix: int = 0
) -> tuple[np.ndarray, tuple]:
    """The `count` tokens of the smallest noise, in its order, behind the first `prefix` tokens, which always stay.

    x (B, prefix + N, D); order and restore (B, N), shuffle's -> (B, prefix + count, D). Cached: restore.
    """
    kept = _take(x[:, prefix:], order[:, :count])
    return np.concatenate((x[:, :prefix], kept), axis=1), (restore, prefix)


def keep_tokens_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """Nobody saw the tokens that were left out: their gradient is 0. dy like y -> dx (B, prefix + N, D)."""
    restore, prefix = cache
    zero = np.zeros_like(dy, shape=(1, 1, dy.shape[2]))
    return _fill(dy, zero, restore, prefix)


def restore_tokens_forward(
    x: np.ndarray, token: np.ndarray, order: np.ndarray, restore: np.ndarray, prefix: int = 0
) -> tuple[np.ndarray, tuple]:
    """All tokens at their own places again, with one learned `token` for those that were left out.

    x (B, prefix + kept, D), token (1, 1, D); order and restore (B, N) -> (B, prefix + N, D). Cached: order.
    """
    return _fill(x, token, restore, prefix), (order, x.shape[1] - prefix, prefix)


def restore_tokens_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """One token stood in all the places left out: its gradient is the sum of theirs. Returns dx like x, dtoken."""
    order, kept, prefix = cache
    dshuffled = _take(dy[:, prefix:], order)
    dx = np.concatenate((dy[:, :prefix], dshuffled[:, :kept]), axis=1)
    return dx, dshuffled[:, kept:].sum(axis=(0, 1))[None, None]


def _fill(x: np.ndarray, token: np.ndarray, restore: np.ndarray, prefix: int) -> np.ndarray:
    """(B, prefix + kept, D) -> (B, prefix + N, D)."""
    B, n, D = x.shape
    absent = np.broadcast_to(token, (B, prefix + restore.shape[1] - n, D))
    shuffled = np.concatenate((x[:, prefix:], absent), axis=1)
    return np.concatenate((x[:, :prefix], _take(shuffled, restore)), axis=1)


def _take(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Of each image b the tokens index[b]: (B, N, D), (B, n) -> (B, n, D)."""
    return np.take_along_axis(x, index[:, :, None], axis=1)
