"""Where deformable attention looks, and how much that counts: what a query's numbers, made by dense layers, mean (Zhu
et al., arXiv 2010.04159, section 4.1 and appendix A.3). deformable_attention.py then fetches it.

A query has a reference, a point (x, y) or a box (cx, cy, w, h), on each of the L maps, and H heads with P points a map.
"""

import numpy as np

from .deformable_attention import Shapes, level_sizes
from .softmax import softmax_backward, softmax_forward


def sampling_locations_forward(
    offsets: np.ndarray, reference: np.ndarray, shapes: Shapes, heads: int
) -> tuple[np.ndarray, tuple]:
    """From a point, offsets count cells of the map; from a box, halves of its sides, all P of them together:

        location = (x, y) + Δ / (width, height)            location = (cx, cy) + Δ/P · (w, h)/2

    offsets (B, Q, H·L·P·2), x first; reference (B, Q, L, 2 or 4); shapes (height, width) of each map
    -> (B, Q, H, L, P, 2).
    """
    B, Q, L, numbers = reference.shape
    offsets = offsets.reshape(B, Q, heads, L, -1, 2)
    reference = reference[:, :, None, :, None]  # (B, Q, 1, L, 1, 2 or 4)
    boxes = numbers == 4
    unit = reference[..., 2:] * (0.5 / offsets.shape[-2]) if boxes else 1 / level_sizes(shapes, offsets)
    return reference[..., :2] + offsets * unit, (offsets, unit, boxes)


def sampling_locations_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """A reference serves all heads and points: its gradient is the sum of theirs.   -> doffsets, dreference."""
    offsets, unit, boxes = cache
    B, Q, _, _, P, _ = dy.shape
    dreference = dy.sum(axis=(2, 4))
    if boxes:
        dreference = np.concatenate((dreference, (dy * offsets).sum(axis=(2, 4)) * (0.5 / P)), axis=-1)
    return (dy * unit).reshape(B, Q, -1), dreference


def point_weights_forward(logits: np.ndarray, levels: int, heads: int) -> tuple[np.ndarray, tuple]:
    """A softmax over the points of all maps together: (B, Q, H·L·P) -> (B, Q, H, L, P), each head's sum 1."""
    B, Q, _ = logits.shape
    y, cache = softmax_forward(logits.reshape(B, Q, heads, -1))
    return y.reshape(B, Q, heads, levels, -1), cache


def point_weights_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The softmax's, head by head."""
    B, Q, H, _, _ = dy.shape
    return softmax_backward(dy.reshape(B, Q, H, -1), cache).reshape(B, Q, -1)


def mask_tokens_forward(x: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, tuple]:
    """What stands for padding becomes 0: x (B, N, D), mask (B, N), True where there is image, or None: everywhere."""
    return x if mask is None else np.where(mask[..., None], x, 0), (mask,)


def mask_tokens_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """What was not let through has the gradient 0."""
    return mask_tokens_forward(dy, *cache)[0]
