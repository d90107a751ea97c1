"""Attention with the fused kernels inside: heads are neither split off nor merged, and nothing of size N² is stored."""

import numpy as np

from .. import ops
from . import launches as table
from .base import Array, contiguous, expect_shape, row
from .cross_attention import CrossAttentionOps


class AttentionOps(CrossAttentionOps):
    """The attention operations of minivit.ops, with the same names and signatures."""

    def attention_forward(
        self,
        q: Array,
        k: Array,
        v: Array,
        bias: Array | None = None,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, tuple]:
        """For q (B, H, Nq, d), k and v (B, H, Nk, d) that lie anywhere: they are brought together first. The model
        comes to the kernels by self_attention_forward and cross_attention_forward, where they lie together already.
        Dropout on P needs P, so it takes the plain path.
        """
        if dropout and rng is not None:
            out, cache = ops.attention_forward(q, k, v, bias, dropout, rng)
            return out, ("plain", cache)
        if q.shape != k.shape:
            kv = np.stack([a.swapaxes(1, 2) for a in (k, v)], axis=2)  # (B, Nk, 2, H, d)
            out, cache = self.fused_cross_attention_forward(q.swapaxes(1, 2), kv, bias)
            return out.swapaxes(1, 2), ("cross", cache)
        qkv = contiguous(np.stack([a.swapaxes(1, 2) for a in (q, k, v)], axis=2))  # (B, N, 3, H, d)
        out, cache = self.fused_attention_forward(qkv, bias)
        return out.swapaxes(1, 2), ("fused", cache)

    def attention_backward(self, dout: Array, cache: tuple) -> tuple[Array, Array, Array, Array | None]:
        path, cache = cache
        if path == "plain":
            return ops.attention_backward(dout, cache)
        if path == "cross":
            dq, dkv, dbias = self.fused_cross_attention_backward(dout.swapaxes(1, 2), cache)
            return dq.swapaxes(1, 2), *dkv.transpose(2, 0, 3, 1, 4), dbias
        dqkv, dbias = self.fused_attention_backward(dout.swapaxes(1, 2), cache)
        dq, dk, dv = dqkv.transpose(2, 0, 3, 1, 4)
        return dq, dk, dv, dbias

    def self_attention_forward(
        self,
        qkv: Array,
        bias: Array | None = None,
        heads: int = 1,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, tuple]:
        """No head is split off or merged: the kernel reads Q, K and V where the product before it has left them, and
        writes where the next one wants them. Dropout takes the plain path.

        Windows that share one bias are images to the kernel. Where each has its own (W, H, N, N), they are heads: the
        kernel has a bias a head, and qkv is moved once to put them so.
        """
        *leading, N, width = qkv.shape
        axes = 0 if bias is None else bias.ndim
        own = axes == 4
        if (dropout and rng is not None) or axes not in (0, 3, 4) or (own and len(leading) != 2):
            y, cache = ops.self_attention_forward(qkv, bias, heads, dropout, rng)
            return y, ("plain", cache)
        d = width // (3 * heads)
        if own:
            shape = *leading, N, 3, heads, d
            qkv = _windows_to_heads(qkv.reshape(shape))
            bias = bias.reshape(-1, N, N)
        else:
            shape = None
            qkv = qkv.reshape(-1, N, 3, heads, d)
        out, cache = self.fused_attention_forward(contiguous(qkv), bias)
        if own:
            out = _heads_to_windows(out.reshape(len(out), N, 1, -1, d), leading[1])
        return out.reshape(*leading, N, width // 3), ("fused", (cache, shape))

    def self_attention_backward(self, dy: Array, cache: tuple) -> tuple[Array, Array | None]:
        path, cache = cache
        if path == "plain":
            return ops.self_attention_backward(dy, cache)
        cache, shape = cache
        *leading, N, D = dy.shape
        if shape is None:
            dqkv, dbias = self.fused_attention_backward(dy.reshape(-1, N, D), cache)
            return dqkv.reshape(*leading, N, 3 * D), dbias
        B, W, _, _, H, d = shape
        dout = _windows_to_heads(dy.reshape(B, W, N, 1, H, d))
        dqkv, dbias = self.fused_attention_backward(dout.reshape(B, N, W * H, d), cache)
        return _heads_to_windows(dqkv, W).reshape(B, W, N, 3 * D), dbias.reshape(W, H, N, N)

    def fused_attention_forward(self, qkv: Array, bias: Array | None) -> tuple[Array, tuple]:
        """qkv (B, N, 3, H, d) -> out (B, N, H, d). Cached: qkv, out and the log-sum-exp of each row of scores, from
        which the backward finds P again: N numbers a head instead of N².
        """
        B, N, _, H, d = qkv.shape
        if bias is not None:
            expect_shape((H, N, N), bias=bias)
            bias = contiguous(bias)
        asked = self.version("attention_forward"), self._back_end.room
        launches = row(table.attention_forward, B, H, N, d, qkv.dtype, bias is not None, *asked)
        shapes = row(table.attention_shapes, B, H, N, d)
        arrays = self.arrays_by_name(launches, shapes, qkv.dtype, {"qkv": qkv, "bias": bias})
        self.run(launches, **arrays, N=N, scale=d**-0.5)
        return arrays["out"], (qkv, bias, arrays["out"], arrays["lse"])

    def fused_attention_backward(self, dout: Array, cache: tuple) -> tuple[Array, Array | None]:
        """dout like out, (B, N, H, d) or (B, N, D) -> dqkv like qkv, and dbias (H, N, N) or None."""
        qkv, bias, out, lse = cache
        B, N, _, H, d = qkv.shape
        asked = self.version("attention_backward"), self._back_end.room
        launches = row(table.attention_backward, B, H, N, d, qkv.dtype, bias is not None, *asked)
        expect_shape((B, N, *((H, d) if dout.ndim == 4 else (H * d,))), dout=dout)
        known = {"qkv": qkv, "bias": bias, "out": out, "lse": lse, "dout": contiguous(dout)}
        arrays = self.arrays_by_name(launches, row(table.attention_shapes, B, H, N, d), qkv.dtype, known)
        self.run(launches, **arrays, B=B, N=N, scale=d**-0.5)
        return arrays["dqkv"], arrays.get("dbias")


def _windows_to_heads(x: Array) -> Array:
    """(B, W, N, parts, H, d) -> (B, N, parts, W·H, d)."""
    B, W, N, parts, H, d = x.shape
    return x.transpose(0, 2, 3, 1, 4, 5).reshape(B, N, parts, W * H, d)


def _heads_to_windows(x: Array, W: int) -> Array:
    """(B, N, parts, W·H, d) -> (B, W, N, parts, H, d)."""
    B, N, parts, heads, d = x.shape
    return x.reshape(B, N, parts, W, heads // W, d).transpose(0, 3, 1, 2, 4, 5)
