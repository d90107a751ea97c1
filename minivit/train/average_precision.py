"""Average precision: how good is a detector? As COCO's tools compute it (pycocotools; Lin et al., arXiv 1405.0312).

A class's detections, surest first, are hits or not; precision, as a curve over recall, is averaged over 101 recalls,
then over the classes. A hit overlaps with an object of its class that no surer one has taken, by an IoU of .5, .55 …
.95: AP is the mean over these ten, AP50 the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..ops import iou_forward

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of IoU
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # detections of a class that count in an image, the surest
SIZES = ("all", "small", "medium", "large")
COCO_LIMITS = (32.0**2, 96.0**2)  # square pixels: from here on an object is medium, from here on large

Found = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """precision (4, 10, K, 101): by SIZES, THRESHOLDS, class, RECALLS; NaN where a class has no object of a size."""

    precision: np.ndarray

    @property
    def ap(self) -> float:
        return self.mean()

    @property
    def ap50(self) -> float:
        return self.mean(iou=0.5)

    @property
    def ap75(self) -> float:
        return self.mean(iou=0.75)

    @property
    def by_class(self) -> np.ndarray:
        """AP50 of each class, (K,)."""
        return self.precision[0, 0].mean(axis=-1)

    def mean(self, size: str = "all", iou: float | None = None) -> float:
        """AP of the objects of a size; at one of THRESHOLDS, or the mean over all. NaN where there are no objects."""
        rows = self.precision[SIZES.index(size)]
        rows = rows if iou is None else rows[np.abs(THRESHOLDS - iou).argmin()][None]
        there = ~np.isnan(rows)
        return float(rows[there].mean()) if there.any() else float("nan")

    def curve(self, iou: float = 0.5) -> np.ndarray:
        """Precision at each of RECALLS, the mean over the classes that have objects: (101,)."""
        rows = self.precision[0, np.abs(THRESHOLDS - iou).argmin()]
        return rows[~np.isnan(rows[:, 0])].mean(axis=0)


def average_precision(
    found: Sequence[Found], truth: Sequence[Found], classes: int, limits: tuple[float, float] = COCO_LIMITS
) -> AveragePrecision:
    """What was found, {"scores" (n,), "labels" (n,), "boxes" (n, 4)} an image, against {"labels" (t,), "boxes" (t, 4)}.

    Boxes are corners (x0, y0, x1, y1) in pixels; labels are 0 … classes − 1. limits: the areas, in square pixels, at
    which an object is medium, and large: COCO's, whose images are some 640 pixels wide.
    Raises ValueError where these do not go together.
    """
    _check(found, truth, classes)
    image, label, box = _flat(truth, "labels", "boxes")
    its_image, its_label, its_box, score = _flat(found, "labels", "boxes", "scores")
    # From here on in the order in which they are judged: by image, class, and score; equal ones as they were given.
    order = np.lexsort((-score, its_label, its_image))
    group, score, its_box = (its_image * classes + its_label)[order], score[order], its_box[order]
    rank = _place_in_group(group)
    kept = rank < MOST
    group, rank, score, its_box = group[kept], rank[kept], score[kept], its_box[kept]

    edges = np.array([0.0, 0.0, *limits]), np.array([np.inf, *limits, np.inf])
    outside = _outside(area(box), edges)  # (t, 4): objects that do not count for a size
    hit, of_no_account = _match(group, rank, its_box, image * classes + label, box, outside)
    of_no_account |= ~hit & _outside(area(its_box), edges)[:, :, None]
    precision = np.full((len(SIZES), len(THRESHOLDS), classes, len(RECALLS)), np.nan)
    for k in range(classes):
        its = np.flatnonzero(group % classes == k)
        its = its[np.argsort(-score[its], kind="stable")]  # over all images, the surest first
        objects = (~outside[label == k]).sum(axis=0)
        for size in np.flatnonzero(objects):
            counts = ~of_no_account[its, size].T  # (thresholds, detections)
            precision[size, :, k] = _precision_at_recalls(hit[its, size].T & counts, counts, objects[size])
    return AveragePrecision(precision)


def area(boxes: np.ndarray) -> np.ndarray:
    """Corners (…, 4) -> areas (…)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _match(
    group: np.ndarray,
    rank: np.ndarray,
    boxes: np.ndarray,
    its_group: np.ndarray,
    truth: np.ndarray,
    outside: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Each detection of a group (an image's of a class) takes, in the order of ranks, the object of its group that is
    free and overlaps most, of two alike the later; one outside of the size only if no other will do.

    -> (n, sizes, thresholds) twice: it has taken one; that does not count. All groups go side by side.
    """
    groups, row = np.unique(its_group, return_inverse=True)
    column = _place_in_group(row)
    most = column.max(initial=0) + 1
    table = np.full((len(groups), most), -1)  # a group's objects, -1 where there are fewer
    table[row, column] = np.arange(len(row))
    free = np.repeat(table >= 0, len(SIZES) * len(THRESHOLDS), axis=0)
    free = free.reshape(len(groups), len(SIZES), len(THRESHOLDS), most)
    hit = np.zeros((len(group), len(SIZES), len(THRESHOLDS)), bool)
    no_account = hit.copy()
    with_objects = np.isin(group, groups)
    for place in range(rank.max(initial=-1) + 1):
        judged = np.flatnonzero(with_objects & (rank == place))
        row = np.searchsorted(groups, group[judged])
        objects = table[row]  # (n, M)
        overlap = iou_forward(boxes[judged][:, None], truth[objects])[0][:, None, None]
        open_to_it = free[row] & (overlap >= THRESHOLDS[:, None])  # (n, sizes, thresholds, M)
        counting = open_to_it & ~outside[objects].transpose(0, 2, 1)[:, :, None]
        some = counting.any(axis=-1)
        open_to_it = np.where(some[..., None], counting, open_to_it)
        taken = most - 1 - np.where(open_to_it, overlap, -1)[..., ::-1].argmax(axis=-1)
        hit[judged] = open_to_it.any(axis=-1)
        no_account[judged] = hit[judged] & ~some
        free[row] &= ~(hit[judged][..., None] & (np.arange(most) == taken[..., None]))
    return hit, no_account


def _precision_at_recalls(hit: np.ndarray, counts: np.ndarray, objects: int) -> np.ndarray:
    """Rows of detections, surest first -> (rows, 101): the best precision at this recall or a higher one, 0 where it is
    not reached."""
    right, judged = hit.cumsum(axis=1), counts.cumsum(axis=1)
    precision = right / (judged + np.spacing(1))  # before the first that counts: 0
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.pad(best, ((0, 0), (0, 1)))
    return np.stack([row[np.searchsorted(r / objects, RECALLS)] for row, r in zip(best, right, strict=True)])


def _place_in_group(group: np.ndarray) -> np.ndarray:
    """How many of the same group stand before each: (n,)."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    place = np.empty(len(group), np.int64)
    place[order] = np.arange(len(group)) - starts
    return place


def _outside(areas: np.ndarray, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(n,) -> (n, sizes). What lies on an edge belongs to both sizes, as with COCO."""
    return (areas[:, None] < edges[0]) | (areas[:, None] > edges[1])


def _flat(images: Sequence[Found], *names: str) -> tuple[np.ndarray, ...]:
    """All images' one after another: the image's number, and what goes by these names."""
    image = np.repeat(np.arange(len(images)), [len(one["labels"]) for one in images])
    empty = {"labels": np.zeros(0, np.int64), "boxes": np.zeros((0, 4)), "scores": np.zeros(0)}
    return image, *(np.concatenate([empty[name], *(one[name] for one in images)]) for name in names)


def _check(found: Sequence[Found], truth: Sequence[Found], classes: int) -> None:
    if len(found) != len(truth):
        raise ValueError(f"detections of {len(found)} images and objects of {len(truth)}, expected as many")
    for what, images, more in (("detections", found, ("scores",)), ("objects", truth, ())):
        for i, one in enumerate(images):
            count = len(one["labels"])
            for name in ("labels", "boxes", *more):
                shape, expected = np.shape(one[name]), (count, 4) if name == "boxes" else (count,)
                if shape != expected:
                    raise ValueError(f"{what} of image {i}: {name} has shape {shape}, expected {expected}")
            if count and not (np.min(one["labels"]) >= 0 and np.max(one["labels"]) < classes):
                raise ValueError(f"{what} of image {i}: labels are {one['labels']}, expected 0 … {classes - 1}")
