"""What a detector does with boxes, with kernels inside: kernels/roi_align.cu."""

from collections.abc import Sequence

import numpy as np

from .. import ops
from . import launches as table
from .base import Array, KernelLauncher, contiguous, expect_shape, row


class RegionOps(KernelLauncher):
    """minivit.ops.roi_align, with the same names and signatures."""

    def roi_align_forward(
        self,
        maps: Array,
        boxes: Array,
        shapes: Sequence[tuple[int, int]],
        size: int = 7,
        strides: tuple[int, ...] = (4, 8, 16, 32),
        samples: int = 2,
        canonical: tuple[float, int] = (224.0, 4),
    ) -> tuple[Array, tuple]:
        """Cached: the boxes, and which map each looks at."""
        maps, boxes = contiguous(maps), contiguous(boxes)
        (B, places, C), N = maps.shape, boxes.shape[1]
        expect_shape((B, N, 4), boxes=boxes)
        expect_shape((B, sum(h * w for h, w in shapes), C), maps=maps)
        looks = _looks(ops.box_levels(boxes, strides, *canonical), shapes, strides)
        (y,) = self.new_arrays(maps, (B, N, size * size, C))
        sizes = dict(images=B, queries=N, places=places, channels=C, size=size, samples=samples)
        launch = row(table.roi_align_forward, B, N, C, size, maps.dtype, self.version("roi_align_forward"))
        self.run(launch, y=y, maps=maps, boxes=boxes, looks=looks, **sizes)
        return y, (boxes, looks, sizes)

    def roi_align_backward(self, dy: Array, cache: tuple) -> Array:
        boxes, looks, sizes = cache
        B, N, places, C, size, _ = sizes.values()
        expect_shape((B, N, size * size, C), dy=dy)
        (dmaps,) = self.new_arrays(dy, (B, places, C))
        launch = row(table.roi_align_backward, B, places, C, size, dy.dtype, self.version("roi_align_backward"))
        self.run(launch, dmaps=dmaps, dy=contiguous(dy), boxes=boxes, looks=looks, **sizes)
        return dmaps


def _looks(levels: Array, shapes: Sequence[tuple[int, int]], strides: tuple[int, ...]) -> Array:
    """(B, N, 4) for the kernels: where the map of each box begins, its height, width and stride. Nothing is copied from
    the host: every number is added where the level is its own."""
    starts = np.cumsum([0, *(h * w for h, w in shapes)]).tolist()
    first, *others = [(start, h, w, s) for start, (h, w), s in zip(starts, shapes, strides, strict=False)]
    looks = [np.full_like(levels, number) for number in first]
    for level, numbers in enumerate(others, start=1):
        looks = [look + (levels == level) * (n - n0) for look, n, n0 in zip(looks, numbers, first, strict=True)]
    return np.stack(looks, axis=-1).astype(np.int32)
