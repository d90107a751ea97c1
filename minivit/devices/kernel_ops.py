"""The operations of minivit.ops, with the same names and signatures, and handwritten kernels inside.

What has no kernel here (dense layers, tokens, pooling, …) is minivit.ops itself: on a GPU its `@` is cuBLAS, and
NumPy hands its functions to CuPy where it is given CuPy's arrays. A cache is the pair's own business, so here it
holds what the kernels want. Every version of a kernel can be had: `ops.versions["layernorm_forward"] = 1`.
"""

import numpy as np

from . import launches as table
from .attention import AttentionOps
from .base import Array, contiguous, expect_shape, row
from .deformable import DeformableOps
from .regions import RegionOps


class KernelOps(AttentionOps, DeformableOps, RegionOps):
    """minivit.ops on a back end. Attention is in attention.py and deformable.py, boxes in regions.py, what all share in
    base.py."""

    # ---- LayerNorm ----

    def layernorm_forward(self, x: Array, gamma: Array, beta: Array, eps: float = 1e-6) -> tuple[Array, tuple]:
        """Cached: x, and the mean and 1/√(σ²+ε) of each row; x̂ is found again from these."""
        x = contiguous(x)
        width = x.shape[-1]
        rows = x.size // width
        expect_shape((width,), gamma=gamma, beta=beta)
        y, mean, rstd = self.new_arrays(x, x.shape, (rows,), (rows,))
        launch = row(table.layernorm_forward, rows, width, x.dtype, self.version("layernorm_forward"))
        self.run(launch, y=y, mean=mean, rstd=rstd, x=x, gamma=gamma, beta=beta, rows=rows, width=width, eps=eps)
        return y, (x, mean, rstd, gamma)

    def layernorm_backward(self, dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
        x, mean, rstd, gamma = cache
        rows, width = mean.size, x.shape[-1]
        expect_shape(x.shape, dy=dy)
        partials = table.partial_rows(rows)
        shapes = x.shape, (width,), (width,), (partials, width), (partials, width)
        dx, dgamma, dbeta, dgamma_partial, dbeta_partial = self.new_arrays(x, *shapes)
        self.run(
            row(table.layernorm_backward, rows, width, x.dtype, self.version("layernorm_backward")),
            dx=dx, dgamma=dgamma, dbeta=dbeta, dgamma_partial=dgamma_partial, dbeta_partial=dbeta_partial,
            dy=contiguous(dy), x=x, gamma=gamma, mean=mean, rstd=rstd, rows=rows, width=width, partials=partials,
        )  # fmt: skip
        return dx, dgamma, dbeta

    # ---- the dense layer ----

    def linear_backward(
        self, dy: Array, cache: tuple, with_dx: bool = True
    ) -> tuple[Array | None, Array, Array | None]:
        """The products are minivit.ops's; the bias's gradient is a sum by one kernel."""
        x, weight, has_bias = cache
        dy = contiguous(dy.reshape(-1, dy.shape[-1]))
        dx = (dy @ weight.T).reshape(x.shape) if with_dx else None
        dweight = x.reshape(-1, x.shape[-1]).T @ dy
        if not has_bias:
            return dx, dweight, None
        rows, width = dy.shape
        (dbias,) = self.new_arrays(dy, (width,))
        self.run(row(table.column_sums, rows, width, dy.dtype), sums=dbias, x=dy, rows=rows, width=width)
        return dx, dweight, dbias

    # ---- GELU ----

    def gelu_forward(self, x: Array, kind: str = "erf", with_slope: bool = True) -> tuple[Array, tuple]:
        """Cached: x, no slope. The backward computes Φ(x) again, which costs less than a trip to memory and back."""
        x = contiguous(x)
        (y,) = self.new_arrays(x, x.shape)
        self.run(row(table.gelu_forward, x.size, x.dtype, kind, self.version("gelu_forward")), y=y, x=x, n=x.size)
        return y, (x, kind)

    def gelu_backward(self, dy: Array, cache: tuple) -> Array:
        x, kind = cache
        expect_shape(x.shape, dy=dy)
        (dx,) = self.new_arrays(x, x.shape)
        launch = row(table.gelu_backward, x.size, x.dtype, kind, self.version("gelu_backward"))
        self.run(launch, dx=dx, dy=contiguous(dy), x=x, n=x.size)
        return dx

    # ---- augmentation ----

    def move_images(
        self,
        images: Array,
        draws: Array,
        noise: Array | None,
        shift: float,
        rotation: float,
        scale: float,
        elastic: float,
    ) -> Array:
        """train.augment.move_images in one pass over the images."""
        images = contiguous(images)
        B, height, width, channels = images.shape
        expect_shape((4, B), draws=draws)
        points_down, points_across = table.grid_points(height), table.grid_points(width)
        if noise is not None:
            expect_shape((2, B, points_down, points_across), noise=noise)
            noise = contiguous(noise)
        (moved,) = self.new_arrays(images, images.shape)
        self.run(
            row(table.move_images, images.shape, images.dtype),
            moved=moved, images=images, draws=contiguous(draws.astype(images.dtype, copy=False)), noise=noise,
            height=height, width=width, channels=channels, points_down=points_down, points_across=points_across,
            shift=shift, rotation=rotation, scale=scale, elastic=elastic,
        )  # fmt: skip
        return moved

    # ---- patches, positions, the loss, the update ----

    def patchify_forward(self, images: Array, patch_size: tuple[int, int]) -> tuple[Array, tuple]:
        images = contiguous(images)
        B, height, width, C = images.shape
        ph, pw = patch_size
        (patches,) = self.new_arrays(images, (B, (height // ph) * (width // pw), ph * pw * C))
        launch = row(table.patchify_forward, images.shape, patch_size, images.dtype)
        self.run(launch, patches=patches, images=images, **_patch_sizes(images.shape, patch_size))
        return patches, (images.shape, patch_size)

    def patchify_backward(self, dpatches: Array, cache: tuple) -> Array:
        shape, patch_size = cache
        ph, pw = patch_size
        expect_shape((shape[0], (shape[1] // ph) * (shape[2] // pw), ph * pw * shape[3]), dpatches=dpatches)
        (dimages,) = self.new_arrays(dpatches, shape)
        launch = row(table.patchify_backward, shape, patch_size, dpatches.dtype)
        self.run(launch, dimages=dimages, dpatches=contiguous(dpatches), **_patch_sizes(shape, patch_size))
        return dimages

    def relative_bias_backward(self, dbias: Array, cache: tuple) -> Array:
        index, shape = cache
        entries, heads = shape
        expect_shape((heads, *index.shape), dbias=dbias)
        (dtable,) = self.new_arrays(dbias, shape)
        self.run(
            row(table.relative_bias_backward, entries, heads, dbias.dtype), dtable=dtable, dbias=contiguous(dbias),
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
        expect_shape((rows,) if by_class else (rows, classes), labels=labels)
        if by_class:
            if not np.issubdtype(labels.dtype, np.integer):
                raise TypeError(f"labels are {labels.dtype}, expected integers")
            if labels.dtype != np.int32:
                wide = labels.astype(np.int64, copy=False)  # CuPy clips no uint8 to -1; a huge uint64 becomes negative
                labels = np.clip(wide, -1, classes).astype(np.int32)  # what is no class stays none in 32 bits
            labels = contiguous(labels)
        losses, dlogits = self.new_arrays(logits, (rows,), logits.shape)
        self.run(
            row(table.cross_entropy, rows, classes, logits.dtype, targets=not by_class),
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
        decayed: int,
        learning_rate: float,
        betas: tuple[float, float],
        eps: float,
        decay: float,
        step: int,
    ) -> None:
        """train.optimizer.adamw_update in one pass over the arrays."""
        n = theta.size
        expect_shape(theta.shape, mean=mean, square=square, grads=grads)
        numbers = table.adamw_numbers(learning_rate, betas, eps, decay, step)
        self._back_end.launch(row(table.adamw, n, theta.dtype), theta, mean, square, grads, n, decayed, *numbers)


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
