"""Attention from some tokens to others with the fused kernels inside: kernels/cross_attention.cu."""

import numpy as np

from .. import ops
from . import launches as table
from .base import Array, KernelLauncher, contiguous, expect_shape, row, widened
from .launches.tiles import check_heads


class CrossAttentionOps(KernelLauncher):
    """minivit.ops.cross_attention, with the same names and signatures."""

    def cross_attention_forward(
        self,
        q: Array,
        kv: Array,
        bias: Array | None = None,
        heads: int = 1,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, tuple]:
        """Like self_attention_forward: windows, which have an axis more, and dropout take the plain path."""
        if (dropout and rng is not None) or q.ndim != 3 or (bias is not None and bias.ndim != 3):
            y, cache = ops.cross_attention_forward(q, kv, bias, heads, dropout, rng)
            return y, ("plain", cache)
        B, Nq, D = q.shape
        expect_shape((B, kv.shape[1], 2 * D), kv=kv)
        q, kv = q.reshape(B, Nq, heads, D // heads), kv.reshape(B, -1, 2, heads, D // heads)
        out, cache = self.fused_cross_attention_forward(q, kv, bias)
        return out.reshape(B, Nq, D), ("fused", cache)

    def cross_attention_backward(self, dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
        path, cache = cache
        if path == "plain":
            return ops.cross_attention_backward(dy, cache)
        dq, dkv, dbias = self.fused_cross_attention_backward(dy, cache)
        return dq.reshape(dy.shape), dkv.reshape(*dkv.shape[:2], -1), dbias

    def fused_cross_attention_forward(self, q: Array, kv: Array, bias: Array | None) -> tuple[Array, tuple]:
        """q (B, Nq, H, d), kv (B, Nk, 2, H, d), bias (H, Nq, Nk) or None -> out like q.

        Where a head's row is no multiple of 16 bytes it is copied to one that is, with zeros at its end: they add
        nothing to a score, and what they mix is cut off. Cached: q and kv so, the bias, out, the log-sum-exp of each
        row of scores, and d.
        """
        B, Nq, H, d = q.shape
        Nk = kv.shape[1]
        expect_shape((B, Nk, 2, H, d), kv=kv)
        if bias is not None:
            expect_shape((H, Nq, Nk), bias=bias)
            bias = contiguous(bias)
        check_heads(B, H, d)  # here, so that the error tells the width that was given
        q, kv = widened(q), widened(kv)
        shapes = row(table.cross_attention_shapes, B, H, Nq, Nk, q.shape[-1])
        launches = row(table.cross_attention_forward, B, H, Nq, Nk, q.shape[-1], q.dtype, bias is not None)
        arrays = self.arrays_by_name(launches, shapes, q.dtype, {"q": q, "kv": kv, "bias": bias})
        self.run(launches, **arrays, Nq=Nq, Nk=Nk, scale=d**-0.5)
        return arrays["out"][..., :d], (q, kv, bias, arrays["out"], arrays["lse"], d)

    def fused_cross_attention_backward(self, dout: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
        """dout like out, (B, Nq, H, d) or (B, Nq, D) -> dq like q, dkv like kv, and dbias (H, Nq, Nk) or None."""
        q, kv, bias, out, lse, d = cache
        B, Nq, H, wide = q.shape
        Nk = kv.shape[1]
        expect_shape((B, Nq, *((H, d) if dout.ndim == 4 else (H * d,))), dout=dout)
        known = {"q": q, "kv": kv, "bias": bias, "out": out, "lse": lse, "dout": widened(dout.reshape(B, Nq, H, d))}
        launches = row(table.cross_attention_backward, B, H, Nq, Nk, wide, q.dtype, bias is not None)
        shapes = row(table.cross_attention_shapes, B, H, Nq, Nk, wide)
        arrays = self.arrays_by_name(launches, shapes, q.dtype, known)
        self.run(launches, **arrays, B=B, Nq=Nq, Nk=Nk, scale=d**-0.5)
        return arrays["dq"][..., :d], arrays["dkv"][..., :d], arrays.get("dbias")
