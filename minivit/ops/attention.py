"""Scaled dot-product attention: every query looks at every key and takes the mean of the values by how well they match.

Vaswani et al., arXiv 1706.03762, equation 1. Next: self_attention.py runs H of these side by side.
"""

import numpy as np

from .dropout import dropout_backward, dropout_forward
from .softmax import softmax_in_place
from .sums import sum_features


def attention_forward(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    bias: np.ndarray | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """out = P V,   P = softmax(Q Kᵀ / √d + bias).

    q (..., Nq, d), k and v (..., Nk, d), the axes before them images and heads; bias (H, Nq, Nk), for all images alike,
    or with more axes in front, as long as q's, or None; dropout: the rate at which entries of P are dropped while an
    rng is given. Returns out, like q, and the cache.
    Cached: q, k, v and P (..., Nq, Nk). A fused kernel recomputes P from Q and K, and never stores anything of size N².
    """
    weights = attention_weights(q, k, bias)
    dropped, dropout_cache = dropout_forward(weights, dropout, rng)
    out = np.matmul(dropped, v, out=np.empty_like(q))  # in memory as q is: a token's heads side by side
    return out, (q, k, v, np.ndim(bias), weights, dropped, dropout_cache, out)


def attention_backward(dout: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """The backward of `out = P V`, the softmax, then `S = Q Kᵀ / √d + bias`, last line first:

    dV = Pᵀ dout,   dP = dout Vᵀ,   dS = P (dP − Σ_j P_ij dP_ij),   dQ = dS K / √d,   dK = dSᵀ Q / √d,   dbias = Σ_B dS.

    The softmax's sum needs no pass over P: Σ_j P_ij (dout_i · v_j) = dout_i · Σ_j P_ij v_j = dout_i · out_i.

    dout like out. Returns dq, dk, dv and dbias, each like its argument, or None.
    """
    q, k, v, bias_axes, weights, dropped, dropout_cache, out = cache
    dv = dropped.swapaxes(-1, -2) @ dout
    dscores = dropout_backward(dout @ v.swapaxes(-1, -2), dropout_cache)  # dP, and from here on, in place, dS
    dscores -= sum_features(dout * out)
    dscores *= weights
    scale = q.shape[-1] ** -0.5
    dq = dscores @ k
    dq *= scale
    dk = dscores.swapaxes(-1, -2) @ (q * scale)
    dbias = dscores.sum(axis=tuple(range(dscores.ndim - bias_axes))) if bias_axes else None
    return dq, dk, dv, dbias


def attention_weights(q: np.ndarray, k: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """P = softmax(Q Kᵀ / √d + bias): who looks at whom.   (..., Nq, d), (..., Nk, d) -> (..., Nq, Nk); rows sum to 1.

    The entries of Q Kᵀ have a variance of d when those of Q and K have 1; 1/√d brings it back to 1 (on Q: it is small).
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.swapaxes(-1, -2)
    if bias is not None:
        scores += bias
    return softmax_in_place(scores)
