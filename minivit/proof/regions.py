"""The operations of a detector that looks into boxes, for proof.py, with every option: a part of OPS."""

from collections.abc import Callable, Mapping

import numpy as np

from .. import ops

# Corners in pixels, on maps of 5 x 4 and 3 x 2 places of 4 and 8 pixels: within, over an edge, all outside; of no size,
# thinner than a place; and large ones, which look at the second map.
BOXES = np.array(
    [
        [[1.0, 2.5, 9.0, 11.0], [-9.0, -3.0, 7.0, 15.0], [30.0, 33.0, 40.0, 41.0], [5.0, 6.0, 5.0, 6.0]],
        [[0.0, 0.0, 16.0, 20.0], [7.0, 3.0, 8.5, 19.0], [-20.0, 4.0, 40.0, 30.0], [3.0, -50.0, 15.0, -30.0]],
    ]
)
SHAPES = (5, 4), (3, 2)
MAPS = {"maps": (2, 26, 3)}  # (B, Σ h·w, C)
LOOK = dict(strides=(4, 8), canonical=(12.0, 2))
DELTAS = {"deltas": (2, 3, 4), "boxes": (2, 3, 4)}
QUERIES = {"x": (2, 3, 5, 4), "weights": (2, 3, 30)}  # (B, N, cells, in), (B, N, K)


SIZES = np.array([[5.0, 7.0], [4.0, 3.0]])  # (height, width) of two images
PYRAMID = {"x2": (2, 5, 7, 3), "x3": (2, 3, 4, 3), "x4": (2, 2, 2, 3)}  # (B, h, w, D), odd sides among them


def _sizes(function: Callable) -> Callable:
    return lambda boxes: function(boxes, SIZES.astype(boxes.dtype))


def _top_down(keep: int | None = None) -> Callable:
    """The maps one after another, so that there is one y."""

    def forward(*maps: np.ndarray) -> tuple[np.ndarray, tuple]:
        ys, cache = ops.top_down_forward(list(maps), keep)
        y, order = ops.flatten_levels_forward(ys)
        return y, (cache, order)

    return forward


def _top_down_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, ...]:
    return tuple(ops.top_down_backward(ops.flatten_levels_backward(dy, cache[1]), cache[0]))


def _look(maps: np.ndarray, **options: object) -> tuple[np.ndarray, tuple]:
    return ops.roi_align_forward(maps, BOXES.astype(maps.dtype), SHAPES, **LOOK | options)


def _one_map(maps: np.ndarray) -> tuple[np.ndarray, tuple]:
    return ops.roi_align_forward(maps, BOXES.astype(maps.dtype), ((5, 4),), 2, (4,))


REGIONS: dict[str, tuple[Callable, Callable, Mapping[str, tuple[int, ...]]]] = {
    "roi_align": (_look, ops.roi_align_backward, MAPS),
    "roi_align, 3 bins of 9 points": (lambda x: _look(x, size=3, samples=3), ops.roi_align_backward, MAPS),
    "roi_align, one map": (_one_map, ops.roi_align_backward, {"maps": (2, 20, 3)}),
    "dynamic_linear": (lambda x, w: ops.dynamic_linear_forward(x, w, 3), ops.dynamic_linear_backward, QUERIES),
    "dynamic_linear, from the tenth number on": (
        lambda x, w: ops.dynamic_linear_forward(x, w, 5, start=10),
        ops.dynamic_linear_backward,
        QUERIES,
    ),
    "join_cells": (ops.join_cells_forward, ops.join_cells_backward, {"x": (2, 3, 5, 4)}),
    "top_down": (_top_down(), _top_down_backward, PYRAMID),
    "top_down, one kept": (_top_down(1), _top_down_backward, PYRAMID),
    "to_pixels": (_sizes(ops.to_pixels_forward), ops.to_pixels_backward, {"boxes": (2, 3, 4)}),
    "to_parts": (_sizes(ops.to_parts_forward), ops.to_parts_backward, {"boxes": (3, 2, 2, 4)}),
    "box_deltas": (ops.box_deltas_forward, ops.box_deltas_backward, DELTAS),
    "box_deltas, other weights, growth cut": (
        lambda deltas, boxes: ops.box_deltas_forward(deltas, boxes, (10.0, 5.0, 0.5, 2.0), 0.1),
        ops.box_deltas_backward,
        DELTAS,
    ),
}
