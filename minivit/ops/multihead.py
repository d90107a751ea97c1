"""Multi-head self-attention: the width D is cut into H heads of d = D/H, each attends by itself, then all are mixed."""

import numpy as np

from .attention import attention_backward, attention_forward, attention_weights
from .linear import linear_backward, linear_forward


def multihead_attention_forward(
    x: np.ndarray,
    qkv_weight: np.ndarray,
    qkv_bias: np.ndarray | None,
    proj_weight: np.ndarray,
    proj_bias: np.ndarray,
    heads: int,
    bias: np.ndarray | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """MSA(x) = [head_1 … head_H] W_proj + b_proj,   head_h = attention(q_h, k_h, v_h),   [q k v] = x W_qkv + b_qkv.

    x (B, N, D); qkv_weight (D, 3D), columns ordered (q | k | v), head, d; qkv_bias (3D,) or None; proj_weight (D, D);
    proj_bias (D,); bias (H, N, N) is added to the scores; dropout acts on the attention weights (see attention.py).
    Returns y (B, N, D) and the cache, which is that of the three steps. ViT, arXiv 2010.11929, appendix A.
    """
    qkv, qkv_cache = linear_forward(x, qkv_weight, qkv_bias)
    q, k, v = split_heads(qkv, heads)
    out, attention_cache = attention_forward(q, k, v, bias, dropout, rng)
    y, proj_cache = linear_forward(merge_heads(out), proj_weight, proj_bias)
    return y, (qkv_cache, attention_cache, proj_cache, heads)


def multihead_attention_backward(dy: np.ndarray, cache: tuple) -> tuple:
    """The three steps of the forward, last one first; splitting and merging heads only move numbers, and so move back.

    dy (B, N, D). Returns dx, dqkv_weight, dqkv_bias, dproj_weight, dproj_bias, dbias: each like its argument, or None.
    """
    qkv_cache, attention_cache, proj_cache, heads = cache
    dmerged, dproj_weight, dproj_bias = linear_backward(dy, proj_cache)
    B, N, D = dmerged.shape
    dout = dmerged.reshape(B, N, heads, D // heads).swapaxes(1, 2)
    dq, dk, dv, dbias = attention_backward(dout, attention_cache)
    dqkv = np.empty_like(dmerged, shape=(B, N, 3 * D))
    for place, grad in zip(split_heads(dqkv, heads), (dq, dk, dv), strict=True):  # split_heads gives views to write to
        place[...] = grad
    dx, dqkv_weight, dqkv_bias = linear_backward(dqkv, qkv_cache)
    return dx, dqkv_weight, dqkv_bias, dproj_weight, dproj_bias, dbias


def multihead_attention_weights(
    x: np.ndarray, qkv_weight: np.ndarray, qkv_bias: np.ndarray | None, heads: int, bias: np.ndarray | None = None
) -> np.ndarray:
    """Where each head looks: x (B, N, D) -> (B, H, N, N); rows (the queries) sum to 1. For looking, not training."""
    qkv, _ = linear_forward(x, qkv_weight, qkv_bias)
    q, k, _ = split_heads(qkv, heads)
    return attention_weights(q, k, bias)


def split_heads(qkv: np.ndarray, heads: int) -> np.ndarray:
    """(B, N, 3D) -> (3, B, H, N, d): a view, nothing is copied."""
    B, N, width = qkv.shape
    return qkv.reshape(B, N, 3, heads, width // (3 * heads)).transpose(2, 0, 3, 1, 4)


def merge_heads(out: np.ndarray) -> np.ndarray:
    """(B, H, N, d) -> (B, N, D): each token's heads side by side."""
    B, H, N, d = out.shape
    return out.swapaxes(1, 2).reshape(B, N, H * d)
