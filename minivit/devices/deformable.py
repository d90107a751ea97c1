"""Deformable attention with its kernels inside: kernels/deformable_attention*.cu."""

import numpy as np

from . import launches as table
from .base import Array, KernelLauncher, contiguous, expect_shape, row, widened
from .launch import INT_MAX

Shapes = tuple[tuple[int, int], ...]


class DeformableOps(KernelLauncher):
    """minivit.ops.deformable_attention, with the same names and signatures."""

    def deformable_attention_forward(
        self, value: Array, locations: Array, weights: Array, shapes: Shapes
    ) -> tuple[Array, tuple]:
        """Where a head's row is no multiple of 16 bytes it is copied to one that is, with zeros at its end. Cached: the
        arguments alone. Where a sample is costs a thread a few steps, and so much less than to read it from memory.
        """
        B, Q, H, L, P, _ = locations.shape
        S = sum(height * width for height, width in shapes)
        d = value.shape[-1] // H
        expect_shape((B, S, H * d), value=value)
        expect_shape((B, Q, H, len(shapes), P, 2), locations=locations)
        expect_shape((B, Q, H, L, P), weights=weights)
        value = widened(value.reshape(B, S, H, d))
        locations, weights = contiguous(locations), contiguous(weights)
        (y,) = self.new_arrays(value, (B, Q, H, value.shape[-1]))
        launch = row(
            table.deformable_attention_forward,
            B,
            Q,
            H,
            value.shape[-1],
            value.dtype,
            self.version("deformable_attention_forward"),
        )
        sizes = {"B": B, "S": S, "Q": Q, "H": H, "L": L, "P": P, "d": value.shape[-1]}
        given = {"value": value, "locations": locations, "weights": weights, "levels": _levels(shapes, value)}
        self.run(launch, y=y, **given, **sizes)
        return y[..., :d].reshape(B, Q, H * d), (given, sizes, d, shapes)

    def deformable_attention_backward(self, dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
        """The samples' gradients, then the cells', which gather theirs from the samples, sorted by where they lie."""
        given, sizes, d, shapes = cache
        B, S, Q, H, L, P, wide = (sizes[name] for name in ("B", "S", "Q", "H", "L", "P", "d"))
        expect_shape((B, Q, H * d), dy=dy)
        value, locations = given["value"], given["locations"]
        launches = row(
            table.deformable_attention_backward,
            B,
            S,
            Q,
            H,
            L,
            P,
            wide,
            value.dtype,
            self.version("deformable_attention_backward"),
        )
        dvalue, dlocations, dweights = self.new_arrays(value, value.shape, locations.shape, locations.shape[:-1])
        order = self._sorted(launches, given, sizes, shapes)
        dy = widened(dy.reshape(B, Q, H, d))
        self.run(launches, dvalue=dvalue, dlocations=dlocations, dweights=dweights, dy=dy, **given, **sizes, **order)
        return dvalue[..., :d].reshape(B, S, H * d), dlocations, dweights

    def _sorted(self, launches: list, given: dict[str, Array], sizes: dict[str, int], shapes: Shapes) -> dict:
        """The samples by the upper left of their cells, where the last launch asks for that: `order`, and where those
        of each cell start in it. Equals keep their order, and so the sums have the same bits on every run."""
        if "order" not in launches[-1].names:
            return {}
        locations = given["locations"]
        corners = [(height + 1) * (width + 1) for height, width in shapes]  # where an upper left cell may be
        firsts = np.asarray(np.cumsum([0, *corners[:-1]]).tolist(), np.int32, like=locations)
        nowhere = sizes["B"] * sizes["H"] * sum(corners)
        samples = locations.size // 2
        keys = np.full_like(locations, nowhere, np.int32, shape=(samples,))
        counts = {"samples": samples, "corners": sum(corners), "nowhere": nowhere}
        self.run(table.deformable_keys(samples, locations.dtype), keys=keys, firsts=firsts, **counts, **given, **sizes)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange(nowhere + 1, dtype=np.int32, like=keys))
        order, starts = (array.astype(np.int32) for array in (order, starts))
        return {"order": order, "starts": starts, "firsts": firsts, "corners": sum(corners)}


def _levels(shapes: Shapes, like: Array) -> Array:
    """Height, width and first cell of each map, (L, 3)."""
    starts = np.cumsum([0, *(height * width for height, width in shapes)]).tolist()
    if starts[-1] > INT_MAX:
        raise ValueError(f"the maps have {starts[-1]:,} cells, expected at most {INT_MAX:,}")
    rows = [(height, width, start) for (height, width), start in zip(shapes, starts, strict=False)]
    return np.asarray(rows, np.int32, like=like)
