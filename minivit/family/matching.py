"""Which query is to find which object: the cheapest assignment of one to one, image by image (DETR, arXiv 2005.12872,
equation 1). No gradient goes through it; it is done on the host, in float64, wherever the model computes.

The assignment itself is SciPy's linear_sum_assignment, of the extra `detect`: a shortest augmenting path in C++. The
same in 40 lines of NumPy took 51, 150, 803 and 5,203 µs for 3, 7, 20 and 60 objects among 10, 100, 300 and 300 queries,
SciPy's 2, 9, 103 and 591; a step of training calls it for every image and every layer of the decoder.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from .. import ops
from .criterion import Criterion

EPS = 1e-8  # within the logarithms of the focal cost, as the authors have it
Pairs = tuple[np.ndarray, np.ndarray]  # the queries that have an object, and their objects


def match(
    logits: np.ndarray, boxes: np.ndarray, labels: list[np.ndarray], targets: list[np.ndarray], criterion: Criterion
) -> list[list[Pairs]]:
    """Of each layer and image the pairs: logits (L, B, Q, K), boxes (L, B, Q, 4); labels (T,) and targets (T, 4) of
    each image -> pairs[layer][image], min(Q, T) of them, in the order of the queries. Raises FloatingPointError where
    what is said is not finite, as after too large a step of training."""
    costs = matching_costs(logits, boxes, labels, targets, criterion)
    if not np.isfinite(costs).all():
        raise FloatingPointError("logits or boxes hold NaN or infinity: nothing can be matched with them")
    return [
        [assign(cost[:, : len(its_labels)]) for cost, its_labels in zip(of_layer, labels, strict=True)]
        for of_layer in costs
    ]


def matching_costs(
    logits: np.ndarray, boxes: np.ndarray, labels: list[np.ndarray], targets: list[np.ndarray], criterion: Criterion
) -> np.ndarray:
    """C = λ_class c_class + λ_L1 ‖b_q − b_t‖₁ − λ_GIoU GIoU(b_q, b_t)   for every query and object, (L, B, Q, T).

    T is that of the image with most objects; what others have behind theirs is nobody's. c_class is −p[label] of a
    softmax, else the focal loss of finding the class minus that of not finding it.
    """
    labels, targets = _padded(labels, targets)  # (B, T), (B, T, 4)
    logits, boxes = logits.astype(np.float64), boxes.astype(np.float64)
    of_class, of_l1, of_giou = criterion.cost
    if criterion.classify == "softmax":
        by_class = -ops.softmax_forward(logits)[0]
    else:
        p, _ = ops.sigmoid_forward(logits)
        found = criterion.alpha * (1 - p) ** criterion.gamma * -np.log(p + EPS)
        by_class = found - (1 - criterion.alpha) * p**criterion.gamma * -np.log(1 - p + EPS)
    classes = np.broadcast_to(labels[:, None], (*by_class.shape[:3], labels.shape[1]))
    cost = of_class * np.take_along_axis(by_class, classes, axis=-1)
    corners, target_corners = (ops.corners_forward(x)[0] for x in (boxes, targets))
    a, b = (corners, target_corners) if criterion.corners else (boxes, targets)
    cost += of_l1 * abs(a[..., :, None, :] - b[:, None]).sum(axis=-1)
    return cost - of_giou * ops.giou_forward(corners[..., :, None, :], target_corners[:, None])[0]


def assign(cost: np.ndarray) -> Pairs:
    """The rows and columns of the min(rows, columns) places, no two in one row or column, that cost least together."""
    return solver()(cost)


def _padded(labels: list[np.ndarray], targets: list[np.ndarray]) -> Pairs:
    """Those of all images side by side: (B, T), (B, T, 4), filled up with class 0 and a box that is all of the image:
    its costs are numbers, and nobody looks at them."""
    most = max(map(len, labels), default=0)
    all_labels, all_boxes = np.zeros((len(labels), most), np.int64), np.full((len(labels), most, 4), (0.5, 0.5, 1, 1))
    for image, (its_labels, its_boxes) in enumerate(zip(labels, targets, strict=True)):
        all_labels[image, : len(its_labels)], all_boxes[image, : len(its_labels)] = its_labels, its_boxes
    return all_labels, all_boxes


@cache
def solver() -> Callable[[np.ndarray], Pairs]:
    """SciPy's. Raises ImportError, which names the extra, where it is missing."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError(f"objects are matched by SciPy ({error}): pip install 'minivit[detect]'") from error
    return linear_sum_assignment
