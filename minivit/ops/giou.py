"""How well two boxes cover each other: IoU, and the generalised IoU, which still has a slope where they do not meet.

Rezatofighi et al., arXiv 1902.09630. Boxes are corners, (x0, y0, x1, y1) with x0 < x1 and y0 < y1: see boxes.py.
"""

import numpy as np


def iou_forward(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, tuple]:
    """IoU = I / U,   I the area that both cover, U = area(a) + area(b) − I.

    a, b (..., 4), pair by pair -> (...), in [0, 1]. Shapes may also be broadcast, a[:, None] against b for every pair,
    but for a backward they must be equal. Cached: the boxes, I and U.
    """
    overlap, union = _overlap_and_union(a, b)
    return overlap / union, (a, b, overlap, union)


def iou_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """dI = dy / U,   dU = −dy I / U². dy (...) -> da, db (..., 4)."""
    a, b, overlap, union = cache
    return _areas_backward(dy / union, -dy * overlap / union**2, a, b)


def giou_forward(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, tuple]:
    """GIoU = I / U − (A − U) / A,   A the area of the smallest box around both.

    a, b (..., 4) as of iou -> (...), in (−1, 1]: below 0 where the boxes are far apart. Cached: the boxes, I, U and A.
    """
    overlap, union = _overlap_and_union(a, b)
    hull = _area(_around(a, b))
    return overlap / union - (hull - union) / hull, (a, b, overlap, union, hull)


def giou_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """dI = dy / U,   dU = dy (1/A − I/U²),   dA = −dy U/A². A side of the hull belongs to the box that reaches farther.

    dy (...) -> da, db (..., 4).
    """
    a, b, overlap, union, hull = cache
    da, db = _areas_backward(dy / union, dy * (1 / hull - overlap / union**2), a, b)
    dsides = (-dy * union / hull**2)[..., None] * _around(a, b)[..., ::-1]
    first, last = _larger(b[..., :2], a[..., :2]), _larger(a[..., 2:], b[..., 2:])  # whether it is a's
    da += np.concatenate((-dsides * first, dsides * last), axis=-1)
    db += np.concatenate((-dsides * (1 - first), dsides * (1 - last)), axis=-1)
    return da, db


def _overlap_and_union(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    overlap = _area(_common(a, b))
    area_a, area_b = (_area(box[..., 2:] - box[..., :2]) for box in (a, b))
    return overlap, area_a + area_b - overlap


def _areas_backward(
    doverlap: np.ndarray, dunion: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of `U = area(a) + area(b) − I`, then I = width · height of the common part, whose sides belong to the box that
    ends first; a part that is empty stays so."""
    common = _common(a, b)
    dcommon = (doverlap - dunion)[..., None] * common[..., ::-1] * (common > 0)
    first, last = _larger(a[..., :2], b[..., :2]), _larger(b[..., 2:], a[..., 2:])  # whether it is a's
    grads = []
    for box, from_first, from_last in ((a, first, last), (b, 1 - first, 1 - last)):
        dsides = dunion[..., None] * (box[..., 2:] - box[..., :2])[..., ::-1]
        grads.append(np.concatenate((-dsides - dcommon * from_first, dsides + dcommon * from_last), axis=-1))
    return grads[0], grads[1]


def _area(sides: np.ndarray) -> np.ndarray:
    return sides[..., 0] * sides[..., 1]


def _common(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sides of what two boxes have in common, 0 where that is nothing: (..., 2)."""
    return np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)


def _around(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sides of the smallest box around both: (..., 2)."""
    return np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])


def _larger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 where a > b, 0 where it is smaller, and ½ where they are equal: so much of max(a, b)'s slope is a's."""
    return ((a > b) * 0.5 + (a >= b) * 0.5).astype(a.dtype)
