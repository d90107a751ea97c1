"""The operations of minivit.ops, with the same names and signatures, and handwritten kernels inside.

What has no kernel here (dense layers, class token, pooling, …) is minivit.ops itself: on a GPU its `@` is cuBLAS, and
NumPy hands its functions to CuPy where it is given CuPy's arrays. A cache is the pair's own business, so here it
holds what the kernels want. Every version of a kernel can be had: `ops.versions["layernorm_forward"] = 1`.
"""

from typing import Any, Protocol

import numpy as np

from .. import ops
from . import launches as table
from .launch import Launch, ctype, is_aligned

Array = Any  # NumPy's on the emulator, CuPy's on a GPU


class BackEnd(Protocol):
    """What launches kernels: gpu/cuda.py and gpu/emulated.py."""

    def empty(self, shape: int | tuple[int, ...], dtype: np.dtype) -> Array: ...

    def launch(self, launch: Launch, *arguments: object) -> None: ...


class KernelOps:
    """minivit.ops on a back end.

    `versions` maps a ladder's name to the version to use, for all models of the device; else it is the best that fits.
    """

    def __init__(self, back_end: BackEnd) -> None:
        self._back_end = back_end
        self.versions: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)  # an operation without a kernel

    def _run(self, launches: Launch | list[Launch], **values: object) -> None:
        """Launch in order; each kernel finds its arguments by the names in its row of the table."""
        for launch in [launches] if isinstance(launches, Launch) else launches:
            self._back_end.launch(launch, *(values[name] for name in launch.names))

    def _empty(self, like: Array, *shapes: tuple[int, ...]) -> list[Array]:
        ctype(like.dtype)  # refuses what no kernel computes with
        return [self._back_end.empty(shape, like.dtype) for shape in shapes]

    # ---- LayerNorm ----

    def layernorm_forward(self, x: Array, gamma: Array, beta: Array, eps: float = 1e-6) -> tuple[Array, tuple]:
        """Cached: x, and the mean and 1/√(σ²+ε) of each row; x̂ is found again from these."""
        x = contiguous(x)
        width = x.shape[-1]
        rows = x.size // width
        _expect((width,), gamma=gamma, beta=beta)
        y, mean, rstd = self._empty(x, x.shape, (rows,), (rows,))
        launch = table.layernorm_forward(rows, width, x.dtype, self.versions.get("layernorm_forward"))
        self._run(launch, y=y, mean=mean, rstd=rstd, x=x, gamma=gamma, beta=beta, rows=rows, width=width, eps=eps)
        return y, (x, mean, rstd, gamma)

    def layernorm_backward(self, dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
        x, mean, rstd, gamma = cache
        rows, width = mean.size, x.shape[-1]
        _expect(x.shape, dy=dy)
        partials = table.partial_rows(rows)
        scratch = (partials, width)
        dx, dgamma, dbeta, dgamma_partial, dbeta_partial = self._empty(x, x.shape, (width,), (width,), scratch, scratch)
        self._run(
            table.layernorm_backward(rows, width, x.dtype, self.versions.get("layernorm_backward")),
            dx=dx, dgamma=dgamma, dbeta=dbeta, dgamma_partial=dgamma_partial, dbeta_partial=dbeta_partial,
            dy=contiguous(dy), x=x, gamma=gamma, mean=mean, rstd=rstd, rows=rows, width=width, partials=partials,
        )  # fmt: skip
        return dx, dgamma, dbeta

    # ---- GELU and the MLP around it ----

    def gelu_forward(self, x: Array, kind: str = "erf") -> tuple[Array, tuple]:
        """Cached: x alone. Φ(x) is computed again in the backward, which costs less than a trip to memory and back."""
        x = contiguous(x)
        (y,) = self._empty(x, x.shape)
        self._run(table.gelu_forward(x.size, x.dtype, kind, self.versions.get("gelu_forward")), y=y, x=x, n=x.size)
        return y, (x, kind)

    def gelu_backward(self, dy: Array, cache: tuple) -> Array:
        x, kind = cache
        _expect(x.shape, dy=dy)
        (dx,) = self._empty(x, x.shape)
        launch = table.gelu_backward(x.size, x.dtype, kind, self.versions.get("gelu_backward"))
        self._run(launch, dx=dx, dy=contiguous(dy), x=x, n=x.size)
        return dx

    def mlp_forward(
        self,
        x: Array,
        weight1: Array,
        bias1: Array,
        weight2: Array,
        bias2: Array,
        gelu: str = "erf",
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, tuple]:
        """As ops/mlp.py, around this GELU."""
        h, linear1_cache = ops.linear_forward(x, weight1, bias1)
        h, gelu_cache = self.gelu_forward(h, gelu)
        h, dropout_cache = ops.dropout_forward(h, dropout, rng)
        y, linear2_cache = ops.linear_forward(h, weight2, bias2)
        return y, (linear1_cache, gelu_cache, dropout_cache, linear2_cache)

    def mlp_backward(self, dy: Array, cache: tuple) -> tuple:
        linear1_cache, gelu_cache, dropout_cache, linear2_cache = cache
        dh, dweight2, dbias2 = ops.linear_backward(dy, linear2_cache)
        dh = ops.dropout_backward(dh, dropout_cache)
        dh = self.gelu_backward(dh, gelu_cache)
        dx, dweight1, dbias1 = ops.linear_backward(dh, linear1_cache)
        return dx, dweight1, dbias1, dweight2, dbias2

    # ---- attention ----

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
            _expect((H, N, N), bias=bias)
            bias = contiguous(bias)
        launches = table.attention_forward(
            B, H, N, d, qkv.dtype, bias is not None, self.versions.get("attention_forward")
        )
        arrays = self._attention_arrays(launches, qkv, {"qkv": qkv, "bias": bias})
        self._run(launches, **arrays, N=N, scale=d**-0.5)
        return arrays["out"], (qkv, bias, arrays["out"], arrays["lse"])

    def fused_attention_backward(self, dout: Array, cache: tuple) -> tuple[Array, Array | None]:
        """dout like out, (B, N, H, d) or (B, N, D) -> dqkv like qkv, and dbias (H, N, N) or None."""
        qkv, bias, out, lse = cache
        B, N, _, H, d = qkv.shape
        launches = table.attention_backward(
            B, H, N, d, qkv.dtype, bias is not None, self.versions.get("attention_backward")
        )
        _expect((B, N, *((H, d) if dout.ndim == 4 else (H * d,))), dout=dout)
        known = {"qkv": qkv, "bias": bias, "out": out, "lse": lse, "dout": contiguous(dout)}
        arrays = self._attention_arrays(launches, qkv, known)
        self._run(launches, **arrays, B=B, N=N, scale=d**-0.5)
        return arrays["dqkv"], arrays.get("dbias")

    def _attention_arrays(self, launches: list[Launch], qkv: Array, known: dict[str, Array]) -> dict[str, Array]:
        """`known`, and new arrays for all else that the launches write or hand to each other."""
        B, N, _, H, d = qkv.shape
        shapes = table.attention_shapes(B, H, N, d)
        names = {name for launch in launches for name in launch.names} & shapes.keys() - known.keys()
        return known | {name: self._back_end.empty(shapes[name], qkv.dtype) for name in names}

    # ---- patches, positions, the loss, the update ----

    def patchify_forward(self, images: Array, patch_size: tuple[int, int]) -> tuple[Array, tuple]:
        images = contiguous(images)
        B, height, width, C = images.shape
        ph, pw = patch_size
        (patches,) = self._empty(images, (B, (height // ph) * (width // pw), ph * pw * C))
        launch = table.patchify_forward(images.shape, patch_size, images.dtype)
        self._run(launch, patches=patches, images=images, **_patch_sizes(images.shape, patch_size))
        return patches, (images.shape, patch_size)

    def patchify_backward(self, dpatches: Array, cache: tuple) -> Array:
        shape, patch_size = cache
        ph, pw = patch_size
        _expect((shape[0], (shape[1] // ph) * (shape[2] // pw), ph * pw * shape[3]), dpatches=dpatches)
        (dimages,) = self._empty(dpatches, shape)
        launch = table.patchify_backward(shape, patch_size, dpatches.dtype)
        self._run(launch, dimages=dimages, dpatches=contiguous(dpatches), **_patch_sizes(shape, patch_size))
        return dimages

    def relative_bias_backward(self, dbias: Array, cache: tuple) -> Array:
        index, shape = cache
        entries, heads = shape
        _expect((heads, *index.shape), dbias=dbias)
        (dtable,) = self._empty(dbias, shape)
        self._run(
            table.relative_bias_backward(entries, heads, dbias.dtype), dtable=dtable, dbias=contiguous(dbias),
            index=index.astype(np.int32, copy=False), pairs=index.size, entries=entries, heads=heads,
        )  # fmt: skip
        return dtable

    def cross_entropy_forward(
        self, logits: Array, labels: Array, label_smoothing: float = 0.0
    ) -> tuple[Array, tuple[Array]]:
        """Cached: the gradient of each row, which the kernel finds in the same pass. A label that is no class makes the
        loss NaN: to look at the labels first would halt the GPU.
        """
        logits = contiguous(logits)
        rows, classes = logits.shape
        by_class = labels.ndim == 1
        _expect((rows,) if by_class else (rows, classes), labels=labels)
        if by_class:
            if not np.issubdtype(labels.dtype, np.integer):
                raise TypeError(f"labels are {labels.dtype}, expected integers")
            labels = np.clip(labels, -1, classes).astype(np.int32)  # what is no class stays none in 32 bits
        losses, dlogits = self._empty(logits, (rows,), logits.shape)
        self._run(
            table.cross_entropy(rows, classes, logits.dtype, targets=not by_class),
            losses=losses, dlogits=dlogits, logits=logits, labels=labels if by_class else None,
            targets=None if by_class else contiguous(labels.astype(logits.dtype)),
            rows=rows, classes=classes, smoothing=label_smoothing,
        )  # fmt: skip
        return losses.mean(), (dlogits,)

    def cross_entropy_backward(self, dloss: float, cache: tuple[Array]) -> Array:
        (dlogits,) = cache
        return dlogits * (dloss / len(dlogits))

    def adamw_update(
        self,
        theta: Array,
        mean: Array,
        square: Array,
        grads: Array,
        decays: Array,
        learning_rate: float,
        betas: tuple[float, float],
        eps: float,
        decay: float,
        step: int,
    ) -> None:
        """train.optimizer.adamw_update in one pass over the arrays."""
        n = theta.size
        _expect(theta.shape, mean=mean, square=square, grads=grads, decays=decays)
        numbers = table.adamw_numbers(learning_rate, betas, eps, decay, step)
        self._back_end.launch(table.adamw(n, theta.dtype), theta, mean, square, grads, decays, n, *numbers)


def contiguous(x: Array) -> Array:
    """Kernels walk through memory: an array that lies scattered, or begins where no 16 bytes do, is copied first."""
    return x if x.flags.c_contiguous and is_aligned(x) else x.copy()


def _expect(shape: tuple[int, ...], **arrays: Array) -> None:
    """A kernel reads as far as it is told to. NumPy would find out that a shape is wrong; here it must be asked."""
    for name, array in arrays.items():
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


def _patch_sizes(image_shape: tuple[int, ...], patch_size: tuple[int, int]) -> dict[str, int]:
    _, height, width, channels = image_shape
    patch_height, patch_width = patch_size
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "patch_height": patch_height,
        "patch_width": patch_width,
    }
