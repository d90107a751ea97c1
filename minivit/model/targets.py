"""A detector's door for what is to be found: of each image the labels and boxes of its objects, which may be none.

    targets = [{"labels": array([3, 7]), "boxes": array([[.5, .5, .2, .3], [.1, .2, .1, .1]])}, …]

A box is (cx, cy, w, h), relative to its image's own size. Where targets travel as one array, through shards, processes
and ranks as a classifier's labels do, they are packed: (n, T, 5), rows of label, cx, cy, w, h, and of −1 behind them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

Target = dict[str, np.ndarray]  # an image's "labels" (T,) and "boxes" (T, 4)
SLACK = 1e-6  # that a number may be larger than 1, by rounding
NONE = -1  # a label that is none


def check_targets(targets: Sequence[Target] | np.ndarray, batch: int, classes: int) -> list[Target]:
    """The targets of a batch, as a list or packed: int64 labels in 0 … K − 1, float64 boxes.

    Raises TypeError or ValueError, naming the image, for others, such as boxes in pixels or without an area.
    """
    if isinstance(targets, np.ndarray):
        targets = unpack_targets(targets)
    if not isinstance(targets, list | tuple):
        raise TypeError(f"targets are a {type(targets).__name__}, expected a list of dicts with 'labels' and 'boxes'")
    if len(targets) != batch:
        raise ValueError(f"{len(targets)} targets for {batch} images, expected as many of each")
    return [_checked(i, target, classes) for i, target in enumerate(targets)]


def pack_targets(targets: Sequence[Target]) -> np.ndarray:
    """A list of targets -> one float64 array (n, T, 5), T the most objects of an image, at least 1."""
    most = max((len(target["labels"]) for target in targets), default=0)
    packed = np.full((len(targets), max(1, most), 5), float(NONE))
    for rows, target in zip(packed, targets, strict=True):
        count = len(target["labels"])
        rows[:count, 0], rows[:count, 1:] = target["labels"], np.reshape(target["boxes"], (count, 4))
    return packed


def unpack_targets(packed: np.ndarray) -> list[Target]:
    """The way back."""
    if packed.ndim != 3 or packed.shape[2] != 5:
        raise ValueError(f"packed targets have shape {packed.shape}, expected (n, T, 5): label, cx, cy, w, h")
    there = packed[:, :, 0] != NONE
    return [
        {"labels": rows[some, 0].astype(np.int64), "boxes": rows[some, 1:]}
        for rows, some in zip(packed, there, strict=True)
    ]


def _checked(i: int, target: Any, classes: int) -> Target:
    if not isinstance(target, dict) or not {"labels", "boxes"} <= target.keys():
        given = (
            f"a dict of {', '.join(map(repr, target))}" if isinstance(target, dict) else f"a {type(target).__name__}"
        )
        raise TypeError(f"target {i} is {given}, expected a dict of 'labels' and 'boxes'")
    labels, boxes = np.asarray(target["labels"]), np.asarray(target["boxes"], np.float64)
    if boxes.size == 0 and labels.size == 0:  # an empty list has no shape to speak of
        return {"labels": np.zeros(0, np.int64), "boxes": np.zeros((0, 4))}
    if labels.ndim != 1 or boxes.shape != (len(labels), 4):
        expected = "expected (T,) and (T, 4)"
        raise ValueError(f"target {i} has labels of shape {labels.shape} and boxes of shape {boxes.shape}, {expected}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"target {i} has labels of {labels.dtype}, expected integers in 0 … {classes - 1}")
    if not (labels.min() >= 0 and labels.max() < classes):
        given = f"from {labels.min()} to {labels.max()}"
        raise ValueError(f"target {i} has labels {given}, expected 0 … {classes - 1}")
    if not (boxes.min() >= 0 and boxes.max() <= 1 + SLACK):  # false for NaN
        given = f"numbers from {boxes.min():g} to {boxes.max():g}"
        raise ValueError(f"target {i} has boxes with {given}, expected (cx, cy, w, h) in [0, 1], relative to the image")
    if not boxes[:, 2:].min() > 0:
        raise ValueError(f"target {i} has a box of size {boxes[:, 2:].min(axis=0).tolist()}: expected an area in each")
    return {"labels": labels.astype(np.int64), "boxes": boxes}
