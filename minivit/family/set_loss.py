"""The loss of a set of predictions: every object is matched with one query, which must say its class and its box; all
other queries must say that there is nothing (Carion et al., arXiv 2005.12872, section 3.1).

    loss = Σ over the decoder's layers of   λ_class classification + λ_L1 Σ ‖b_q − b_t‖₁ / n + λ_GIoU Σ (1 − GIoU) / n

Each layer is matched anew (matching.py). n is the number of all objects in the whole batch, at least 1, of those, too,
for which there is no query. A shard of a batch is told both divisors of the whole, `divisor(targets, …)`; then the
losses and gradients of shards add up.
"""

from typing import Any

import numpy as np

from ..model.targets import Target
from .criterion import Criterion, Divisor
from .matching import Pairs, match


def divisor(targets: list[Target], queries: int, criterion: Criterion) -> Divisor:
    """That of a batch, from its targets alone: how many queries are matched does not depend on what they say."""
    objects = [len(target["labels"]) for target in targets]
    matched = sum(min(count, queries) for count in objects)
    weights = matched + criterion.no_object * (queries * len(targets) - matched)
    return Divisor(max(1, sum(objects)), weights)


def set_loss(
    device: Any,
    logits: np.ndarray,
    boxes: np.ndarray,
    targets: list[Target],
    criterion: Criterion,
    by: Divisor,
) -> tuple[float, dict[str, float], np.ndarray, np.ndarray]:
    """logits (L, B, Q, K or K + 1) and boxes (L, B, Q, 4) of every layer, as the device (devices/) has them -> the
    loss, its terms, dlogits, dboxes.

    The terms have no weights yet. They are named as the authors print them: loss_ce, loss_bbox and loss_giou of the
    last layer, loss_ce_0, … of those before it.
    """
    labels, wanted = [target["labels"] for target in targets], [target["boxes"] for target in targets]
    pairs = match(device.to_numpy(logits), device.to_numpy(boxes), labels, wanted, criterion)
    loss, terms, dlogits, dboxes = 0.0, {}, [], []
    for layer, its_pairs in enumerate(pairs):
        *place, label, box = _gathered(its_pairs, labels, wanted)
        classes, dclasses = _of_classes(device, logits[layer], *place, label, criterion, by)
        l1, giou, dbox = _of_boxes(device, boxes[layer], *place, box, criterion, by)
        dlogits.append(dclasses)
        dboxes.append(dbox)
        after = "" if layer == len(pairs) - 1 else f"_{layer}"
        for name, term, weight in zip(("ce", "bbox", "giou"), (classes, l1, giou), criterion.loss, strict=True):
            terms[f"loss_{name}{after}"] = float(term)
            loss += weight * float(term)
    return loss, terms, np.stack(dlogits), np.stack(dboxes)


def _gathered(pairs: list[Pairs], labels: list[np.ndarray], boxes: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """All pairs of a layer, one image's after another's: their images, queries, labels and boxes."""
    image = np.concatenate([np.full(len(query), i) for i, (query, _) in enumerate(pairs)])
    query = np.concatenate([query for query, _ in pairs])
    label = np.concatenate([its[found] for its, (_, found) in zip(labels, pairs, strict=True)])
    box = np.concatenate([its[found] for its, (_, found) in zip(boxes, pairs, strict=True)])
    return image, query, label, box


def _of_classes(
    device: Any,
    logits: np.ndarray,
    image: np.ndarray,
    query: np.ndarray,
    label: np.ndarray,
    criterion: Criterion,
    by: Divisor,
) -> tuple[np.floating, np.ndarray]:
    """The loss of one layer's classes, and its gradient times the weight: logits (B, Q, K)."""
    B, Q, K = logits.shape
    ops, weight = device.ops, criterion.loss[0]
    if criterion.classify == "softmax":
        asked, weights = np.full((B, Q), K - 1), np.ones(K, logits.dtype)
        asked[image, query], weights[-1] = label, criterion.no_object
        by_class = device.asarray(asked), device.asarray(weights)
        loss, cache = ops.weighted_cross_entropy_forward(logits, *by_class, by.weights)
        return loss, ops.weighted_cross_entropy_backward(weight, cache)
    asked = np.zeros((B, Q, K), logits.dtype)
    asked[image, query, label] = 1
    focus = criterion.alpha, criterion.gamma
    loss, cache = ops.focal_loss_forward(logits, device.asarray(asked), by.objects, *focus)
    return loss, ops.focal_loss_backward(weight, cache)


def _of_boxes(
    device: Any,
    boxes: np.ndarray,
    image: np.ndarray,
    query: np.ndarray,
    box: np.ndarray,
    criterion: Criterion,
    by: Divisor,
) -> tuple[np.floating, np.floating, np.ndarray]:
    """The L1 and the loss of GIoU of one layer's matched queries, and the gradient of their weighted sum: (B, Q, 4)."""
    ops, place = device.ops, (device.asarray(image), device.asarray(query))
    _, of_l1, of_giou = criterion.loss
    said, wanted = boxes[place], device.asarray(box.astype(boxes.dtype))
    corners, cache = ops.corners_forward(said)
    wanted_corners, _ = ops.corners_forward(wanted)
    giou, giou_cache = ops.giou_forward(corners, wanted_corners)
    dcorners, _ = ops.giou_backward(np.full_like(giou, -of_giou / by.objects), giou_cache)
    if criterion.corners:
        l1, l1_cache = ops.l1_loss_forward(corners, wanted_corners, by.objects)
        dsaid = ops.corners_backward(dcorners + ops.l1_loss_backward(of_l1, l1_cache), cache)
    else:
        l1, l1_cache = ops.l1_loss_forward(said, wanted, by.objects)
        dsaid = ops.corners_backward(dcorners, cache) + ops.l1_loss_backward(of_l1, l1_cache)
    dboxes = np.zeros_like(boxes)
    dboxes[place] = dsaid  # a query has one object at most
    return l1, (1 - giou).sum() / by.objects, dboxes
