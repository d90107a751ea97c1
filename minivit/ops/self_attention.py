"""Multi-head self-attention between two dense layers: D is cut into H heads of d = D/H, each attends by itself.

MSA(x) = [head_1 … head_H] W_proj + b_proj,   head_h = attention(q_h, k_h, v_h),   [q k v] = x W_qkv + b_qkv

(ViT, arXiv 2010.11929, appendix A) is the chain  linear (D, 3D) → this → linear (D, D): see layers/parts.py. Read
attention.py first; cross_attention.py is for queries of other tokens than the keys.
"""

import numpy as np

from .attention import attention_backward, attention_forward, attention_weights


def self_attention_forward(
    qkv: np.ndarray,
    bias: np.ndarray | None = None,
    heads: int = 1,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """[head_1 … head_H].   qkv (..., N, 3D), its columns ordered (q | k | v), head, d -> (..., N, D).

    bias (H, N, N), or with more axes in front, is added to the scores; dropout acts on the weights (see attention.py).
    The leading axes are images, or images and windows. Cached: attention's, and H.
    """
    q, k, v = split_heads(qkv, 3, heads)
    out, cache = attention_forward(q, k, v, bias, dropout, rng)
    return merge_heads(out), (cache, heads)


def self_attention_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray | None]:
    """Splitting and merging heads only move numbers, and so move back. dy (..., N, D) -> dqkv (..., N, 3D), dbias."""
    cache, heads = cache
    (dout,) = split_heads(dy, 1, heads)
    *dqkv, dbias = attention_backward(dout, cache)
    return merge_parts(dqkv), dbias


def self_attention_weights(qkv: np.ndarray, bias: np.ndarray | None = None, heads: int = 1) -> np.ndarray:
    """Where each head looks: qkv (..., N, 3D) -> (..., H, N, N); rows (queries) sum to 1. To look, not to train."""
    q, k, _ = split_heads(qkv, 3, heads)
    return attention_weights(q, k, bias)


def split_heads(x: np.ndarray, parts: int, heads: int) -> np.ndarray:
    """(..., N, parts·D) -> (parts, ..., H, N, d): a view, nothing is copied."""
    *leading, width = x.shape
    x = x.reshape(*leading, parts, heads, width // (parts * heads))  # (..., N, parts, H, d)
    return x.transpose(-3, *range(len(leading) - 1), -2, -4, -1)


def merge_heads(out: np.ndarray) -> np.ndarray:
    """(..., H, N, d) -> (..., N, D): each token's heads side by side."""
    H, N, d = out.shape[-3:]
    return out.swapaxes(-2, -3).reshape(*out.shape[:-3], N, H * d)


def merge_parts(parts: list[np.ndarray]) -> np.ndarray:
    """The inverse of split_heads: (..., H, N, d) each -> (..., N, parts·D)."""
    H, N, d = parts[0].shape[-3:]
    x = np.empty_like(parts[0], shape=(*parts[0].shape[:-3], N, len(parts) * H * d))
    for place, part in zip(split_heads(x, len(parts), H), parts, strict=True):  # a view, to write to
        place[...] = part
    return x
