"""References: the point or box (cx, cy, w, h) from which a query of Deformable DETR looks around, and says its box (Zhu
et al., arXiv 2010.04159, section 4.2 and appendix A.4). All in parts of the image that is shown, without its padding.
"""

from collections.abc import Sequence

import numpy as np

from .activations import sigmoid_backward, sigmoid_forward
from .sine_positions import frequencies

EPS = 1e-5


def inverse_sigmoid_forward(x: np.ndarray, eps: float = EPS) -> tuple[np.ndarray, tuple]:
    """log(x / (1 − x)), of x within [0, 1], where neither x nor 1 − x counts as less than ε: it stays finite."""
    within = np.clip(x, 0, 1)
    return np.log(np.maximum(within, eps) / np.maximum(1 - within, eps)), (x, eps)


def inverse_sigmoid_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """dx = dy / x + dy / (1 − x), each where it is not held at ε."""
    x, eps = cache
    within = (x >= 0) & (x <= 1)
    slope = np.where(x >= eps, 1 / np.maximum(x, eps), 0) + np.where(1 - x >= eps, 1 / np.maximum(1 - x, eps), 0)
    return dy * np.where(within, slope, 0)


def box_at_reference_forward(x: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, tuple]:
    """box = σ(x + [σ⁻¹(reference), 0 …]): a query says how far its box is from its reference.

    x (..., 4), reference (B, Q, 2 or 4), a point or a box, for all leading axes of x -> (..., 4).
    """
    at, cache = inverse_sigmoid_forward(reference)
    missing = np.zeros_like(at, shape=(*at.shape[:-1], 4 - at.shape[-1]))  # a point has no size
    y, y_cache = sigmoid_forward(x + np.concatenate((at, missing), axis=-1))
    return y, (cache, y_cache, reference.shape)


def box_at_reference_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """-> dx, dreference: the sum over the layers that start from it."""
    cache, y_cache, shape = cache
    dx = sigmoid_backward(dy, y_cache)
    dat = dx[..., : shape[-1]].reshape(-1, *shape).sum(axis=0)
    return dx, inverse_sigmoid_backward(dat, cache)


def level_references_forward(reference: np.ndarray, ratios: np.ndarray) -> tuple[np.ndarray, tuple]:
    """The same point or box, told in parts of each map instead of the image's that the map shows besides padding.

    reference (B, Q, 2 or 4); ratios (B, L, 2): which part of a map's width and height the image takes -> (B, Q, L, …).
    """
    ratios = np.concatenate((ratios,) * (reference.shape[-1] // 2), axis=-1)[:, None]  # (B, 1, L, 2 or 4)
    return reference[:, :, None] * ratios, (ratios,)


def level_references_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The sum over the maps; the ratios are given, and have none."""
    (ratios,) = cache
    return (dy * ratios).sum(axis=2)


def cell_centres(shapes: Sequence[tuple[int, int]], ratios: np.ndarray) -> np.ndarray:
    """Where the cells of all maps lie in their image, (x, y): the references of the encoder's tokens.

    shapes (height, width) of each map; ratios (B, L, 2) as above -> (B, S, 2). No gradient goes to it.
    """
    return np.concatenate([_grid(*shape) / ratios[:, level, None] for level, shape in enumerate(shapes)], axis=1)


def valid_ratios(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Which part of each map's width and height is image: of masks (B, h, w) of all maps, their first row and column
    -> (B, L, 2)."""
    return np.stack(
        [np.stack((mask[:, 0].mean(axis=1), mask[:, :, 0].mean(axis=1)), axis=-1) for mask in masks], axis=1
    )


def anchors(shapes: Sequence[tuple[int, int]], masks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What each token proposes before it has learned anything: a box around its cell, of .05 of the image in the finest
    map, and twice as large in each further one. In a two-stage model (appendix A.4).

    -> σ⁻¹ of the boxes (B, S, 4), and whether they count (B, S): not of padding, nor within .01 of an edge, or larger
    than .99. Of these σ⁻¹ is ∞, which no query will choose.
    """
    centres = cell_centres(shapes, valid_ratios(masks))
    sizes = np.concatenate([np.full(h * w, 0.05 * 2**level) for level, (h, w) in enumerate(shapes)])
    boxes = np.concatenate((centres, np.broadcast_to(sizes[:, None], centres.shape)), axis=-1)
    valid = np.concatenate([mask.reshape(len(mask), -1) for mask in masks], axis=1)
    valid = valid & ((boxes > 0.01) & (boxes < 0.99)).all(axis=-1)
    kept = np.where(valid[..., None], boxes, 0.5)
    return np.where(valid[..., None], np.log(kept / (1 - kept)), np.inf), valid


def add_anchors_forward(x: np.ndarray, anchors: np.ndarray) -> tuple[np.ndarray, None]:
    """x + σ⁻¹(anchor): x (B, S, 4), anchors of that shape, ∞ where none counts. What is constant gets no gradient."""
    return x + anchors, None


def add_anchors_backward(dy: np.ndarray, cache: None) -> np.ndarray:
    """dx = dy, which is 0 where the sigmoid that comes next is flat, at ∞."""
    return dy


def best_proposals(logits: np.ndarray, boxes: np.ndarray, count: int) -> np.ndarray:
    """The boxes of those tokens whose first class is most likely: the authors train it to say "an object", whichever.

    logits (B, S, K), boxes (B, S, 4) -> (B, count, 4), best first, or all S of fewer. No gradient goes back.
    """
    order = np.argsort(-logits[..., 0], axis=1, kind="stable")[:, :count]
    return np.take_along_axis(boxes, order[..., None], axis=1)


def box_sines(boxes: np.ndarray, width: int) -> np.ndarray:
    """[cx | cy | w | h] of boxes (..., 4), D/2 numbers each, sin, cos, sin, … as in sine_positions -> (..., 2D)."""
    angle = (boxes * (2 * np.pi))[..., None] / frequencies(width // 2, boxes).astype(boxes.dtype)
    return np.stack((np.sin(angle), np.cos(angle)), axis=-1).reshape(*boxes.shape[:-1], 2 * width)


def _grid(height: int, width: int) -> np.ndarray:
    """The centres (x, y) of a map's cells, in parts of it, in reading order (h·w, 2)."""
    y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    return np.stack((x, y), axis=-1).reshape(-1, 2)
