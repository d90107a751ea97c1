"""The operations of Deformable DETR, for proof.py, with every option: a part of OPS."""

from collections.abc import Callable, Mapping

import numpy as np

from .. import ops

SHAPES = (2, 3), (1, 2)  # (height, width) of the maps
B, Q, H, L, P, d = 2, 3, 2, len(SHAPES), 2, 3
SIZES = np.array([[(width, height)] for height, width in SHAPES], float)  # (L, 1, 2)

# The cell that lies before each sample, across and down: from two outside of a map to one beyond its end.
CELLS = np.random.default_rng(5).integers(-2, 4, (B, Q, H, L, P, 2))
RATIOS = np.array([[(1.0, 0.7), (0.8, 1.0)], [(0.5, 0.9), (1.0, 1.0)]])  # (B, L, 2)
ANCHORS = np.random.default_rng(6).standard_normal((B, Q, 4))
MASK = np.array([[True, True, False], [True, False, False]])


def _attend(value: np.ndarray, moves: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, tuple]:
    """With locations that stay between the same two cells, whichever way they move: a place has a kink at a cell."""
    locations = ((CELLS + 1 + 0.3 * moves) / SIZES).astype(moves.dtype)
    return ops.deformable_attention_forward(value, locations, weights, SHAPES)


def _attend_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, ...]:
    dvalue, dlocations, dweights = ops.deformable_attention_backward(dy, cache)
    return dvalue, (dlocations * 0.3 / SIZES).astype(dy.dtype), dweights


def _places_in_0_1(x: np.ndarray) -> np.ndarray:
    """Between the ends, at which there are kinks."""
    return (0.5 + 0.15 * x).astype(x.dtype)


def _at_reference(x: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, tuple]:
    return ops.box_at_reference_forward(x, _places_in_0_1(reference))


def _at_reference_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    dx, dreference = ops.box_at_reference_backward(dy, cache)
    return dx, dreference * 0.15


# As OPS in operations.py.
DEFORMABLE: dict[str, tuple[Callable, Callable, Mapping[str, tuple[int, ...]]]] = {
    "deformable_attention": (
        _attend,
        _attend_backward,
        {"value": (B, 8, H * d), "moves": (B, Q, H, L, P, 2), "weights": (B, Q, H, L, P)},
    ),
    "sampling_locations, points": (
        lambda offsets, reference: ops.sampling_locations_forward(offsets, reference, SHAPES, H),
        ops.sampling_locations_backward,
        {"offsets": (B, Q, H * L * P * 2), "reference": (B, Q, L, 2)},
    ),
    "sampling_locations, boxes": (
        lambda offsets, reference: ops.sampling_locations_forward(offsets, reference, SHAPES, H),
        ops.sampling_locations_backward,
        {"offsets": (B, Q, H * L * P * 2), "reference": (B, Q, L, 4)},
    ),
    "point_weights": (
        lambda logits: ops.point_weights_forward(logits, L, H),
        ops.point_weights_backward,
        {"logits": (B, Q, H * L * P)},
    ),
    "level_references, points": (
        lambda reference: ops.level_references_forward(reference, RATIOS.astype(reference.dtype)),
        ops.level_references_backward,
        {"reference": (B, Q, 2)},
    ),
    "level_references, boxes": (
        lambda reference: ops.level_references_forward(reference, RATIOS.astype(reference.dtype)),
        ops.level_references_backward,
        {"reference": (B, Q, 4)},
    ),
    "mask_tokens": (lambda x: ops.mask_tokens_forward(x, MASK), ops.mask_tokens_backward, {"x": (2, 3, 4)}),
    "mask_tokens, no mask": (lambda x: ops.mask_tokens_forward(x, None), ops.mask_tokens_backward, {"x": (2, 3, 4)}),
    "inverse_sigmoid": (
        lambda x: ops.inverse_sigmoid_forward(_places_in_0_1(x)),
        lambda dy, cache: ops.inverse_sigmoid_backward(dy, cache) * 0.15,
        {"x": (2, 3, 4)},
    ),
    "inverse_sigmoid, eps 0.4": (
        lambda x: ops.inverse_sigmoid_forward(_places_in_0_1(x), 0.4),
        lambda dy, cache: ops.inverse_sigmoid_backward(dy, cache) * 0.15,
        {"x": (2, 3, 4)},
    ),
    "box_at_reference, point": (_at_reference, _at_reference_backward, {"x": (B, Q, 4), "reference": (B, Q, 2)}),
    "box_at_reference, box, of layers": (
        _at_reference,
        _at_reference_backward,
        {"x": (2, B, Q, 4), "reference": (B, Q, 4)},
    ),
    "add_anchors": (
        lambda x: ops.add_anchors_forward(x, ANCHORS.astype(x.dtype)),
        ops.add_anchors_backward,
        {"x": (B, Q, 4)},
    ),
    "add_places": (ops.add_places_forward, ops.add_places_backward, {"x": (2, 3, 4), "places": (2, 3, 4)}),
    "add_places, of all images": (
        ops.add_places_forward,
        ops.add_places_backward,
        {"x": (2, 3, 4), "places": (1, 3, 4)},
    ),
    "add_levels": (
        lambda x, table: ops.add_levels_forward(x, table, SHAPES),
        ops.add_levels_backward,
        {"x": (2, 8, 4), "table": (L, 4)},
    ),
    "columns": (lambda x: ops.columns_forward(x, start=1, stop=4), ops.columns_backward, {"x": (2, 3, 6)}),
}
