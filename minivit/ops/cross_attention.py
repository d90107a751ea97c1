"""Attention from some tokens to others: queries of the class token alone, or of a decoder; keys and values of all.

Read self_attention.py first.
"""

import numpy as np

from .attention import attention_backward, attention_forward, attention_weights
from .self_attention import merge_heads, merge_parts, split_heads


def cross_attention_forward(
    q: np.ndarray,
    kv: np.ndarray,
    bias: np.ndarray | None = None,
    heads: int = 1,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """[head_1 … head_H],   head_h = attention(q_h, k_h, v_h).

    q (..., Nq, D); kv (..., Nk, 2D), its columns ordered (k | v), head, d; bias (H, Nq, Nk) or None -> (..., Nq, D).
    """
    (q,), (k, v) = split_heads(q, 1, heads), split_heads(kv, 2, heads)
    out, cache = attention_forward(q, k, v, bias, dropout, rng)
    return merge_heads(out), (cache, heads)


def cross_attention_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """As self-attention's: what only moves numbers moves them back. dy (..., Nq, D) -> dq, dkv, dbias."""
    cache, heads = cache
    (dout,) = split_heads(dy, 1, heads)
    dq, dk, dv, dbias = attention_backward(dout, cache)
    return merge_heads(dq), merge_parts([dk, dv]), dbias


def cross_attention_weights(
    q: np.ndarray, kv: np.ndarray, bias: np.ndarray | None = None, heads: int = 1
) -> np.ndarray:
    """Where the heads look: (..., H, Nq, Nk), rows sum to 1. A kernel never stores it."""
    (q,), (k, _) = split_heads(q, 1, heads), split_heads(kv, 2, heads)
    return attention_weights(q, k, bias)
