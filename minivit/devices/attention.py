"""Attention with the fused kernels inside: heads are neither split off nor merged, and nothing of size N² is stored."""

import numpy as np

from .. import ops
from . import launches as table
from .base import Array, KernelLauncher, contiguous, expect_shape
from .launch import Launch


class AttentionOps(KernelLauncher):
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
        """For q, k, v (B, H, N, d) that lie anywhere: they are brought together first. The model's way to the kernel is
        multihead_attention_forward, where they lie together already. Dropout on P needs P, so it takes the plain path.
        """
        if dropout and rng is not None:
            out, cache = ops.attention_forward(q, k, v, bias, dropout, rng)
            return out, ("plain", cache)
        qkv = contiguous(np.stack([a.swapaxes(1, 2) for a in (q, k, v)], axis=2))  # (B, N, 3, H, d)
        out, cache = self.fused_attention_forward(qkv, bias)
        return out.swapaxes(1, 2), ("fused", cache)

    def attention_backward(self, dout: Array, cache: tuple) -> tuple[Array, Array, Array, Array | None]:
        path, cache = cache
        if path == "plain":
            return ops.attention_backward(dout, cache)
        dqkv, dbias = self.fused_attention_backward(dout.swapaxes(1, 2), cache)
        dq, dk, dv = dqkv.transpose(2, 0, 3, 1, 4)
        return dq, dk, dv, dbias

    def multihead_attention_forward(
        self,
        x: Array,
        qkv_weight: Array,
        qkv_bias: Array | None,
        proj_weight: Array,
        proj_bias: Array,
        heads: int,
        bias: Array | None = None,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, tuple]:
        """As ops/multihead.py, but no head is split off or merged: the kernel reads Q, K and V where the first product
        has left them, and writes where the second one wants them.
        """
        if dropout and rng is not None:
            arguments = x, qkv_weight, qkv_bias, proj_weight, proj_bias, heads, bias, dropout, rng
            y, cache = ops.multihead_attention_forward(*arguments)
            return y, ("plain", cache)
        B, N, D = x.shape
        qkv, qkv_cache = ops.linear_forward(x, qkv_weight, qkv_bias)
        out, attention_cache = self.fused_attention_forward(qkv.reshape(B, N, 3, heads, D // heads), bias)
        y, proj_cache = ops.linear_forward(out.reshape(B, N, D), proj_weight, proj_bias)
        return y, ("fused", (qkv_cache, attention_cache, proj_cache))

    def multihead_attention_backward(self, dy: Array, cache: tuple) -> tuple:
        path, cache = cache
        if path == "plain":
            return ops.multihead_attention_backward(dy, cache)
        qkv_cache, attention_cache, proj_cache = cache
        dmerged, dproj_weight, dproj_bias = ops.linear_backward(dy, proj_cache)
        dqkv, dbias = self.fused_attention_backward(dmerged, attention_cache)
        B, N, D = dmerged.shape
        dx, dqkv_weight, dqkv_bias = ops.linear_backward(dqkv.reshape(B, N, 3 * D), qkv_cache)
        return dx, dqkv_weight, dqkv_bias, dproj_weight, dproj_bias, dbias

    def fused_attention_forward(self, qkv: Array, bias: Array | None) -> tuple[Array, tuple]:
        """qkv (B, N, 3, H, d) -> out (B, N, H, d). Cached: qkv, out and the log-sum-exp of each row of scores, from
        which the backward finds P again: N numbers a head instead of N².
        """
        B, N, _, H, d = qkv.shape
        if bias is not None:
            expect_shape((H, N, N), bias=bias)
            bias = contiguous(bias)
        launches = table.attention_forward(B, H, N, d, qkv.dtype, bias is not None, self.version("attention_forward"))
        arrays = self._attention_arrays(launches, qkv, {"qkv": qkv, "bias": bias})
        self.run(launches, **arrays, N=N, scale=d**-0.5)
        return arrays["out"], (qkv, bias, arrays["out"], arrays["lse"])

    def fused_attention_backward(self, dout: Array, cache: tuple) -> tuple[Array, Array | None]:
        """dout like out, (B, N, H, d) or (B, N, D) -> dqkv like qkv, and dbias (H, N, N) or None."""
        qkv, bias, out, lse = cache
        B, N, _, H, d = qkv.shape
        launches = table.attention_backward(B, H, N, d, qkv.dtype, bias is not None, self.version("attention_backward"))
        expect_shape((B, N, *((H, d) if dout.ndim == 4 else (H * d,))), dout=dout)
        known = {"qkv": qkv, "bias": bias, "out": out, "lse": lse, "dout": contiguous(dout)}
        arrays = self._attention_arrays(launches, qkv, known)
        self.run(launches, **arrays, B=B, N=N, scale=d**-0.5)
        return arrays["dqkv"], arrays.get("dbias")

    def _attention_arrays(self, launches: list[Launch], qkv: Array, known: dict[str, Array]) -> dict[str, Array]:
        """`known`, and new arrays for all else that the launches write or hand to each other."""
        B, N, _, H, d = qkv.shape
        shapes = table.attention_shapes(B, H, N, d)
        names = {name for launch in launches for name in launch.names} & shapes.keys() - known.keys()
        return known | {name: self._back_end.empty(shapes[name], qkv.dtype) for name in names}
