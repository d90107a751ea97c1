"""From pictures to what a detector sees, and from what it says to an answer: padding, scores, boxes in pixels."""

from collections.abc import Sequence

import numpy as np

from .. import ops
from ..ops.resize import resize_matrix
from .detector_config import DetectorConfig

Detection = dict[str, np.ndarray]  # "scores" (n,) falling, "labels" (n,), "boxes" (n, 4) corners in pixels


def pad(images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Images (h, w, C) of any sizes -> one batch (B, height, width, C), zeros right of them and below, and its mask
    (B, height, width), True where there is image. Normalise them first: a padded pixel is 0 after that."""
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    batch = np.zeros((len(images), height, width, images[0].shape[2]), images[0].dtype)
    mask = np.zeros(batch.shape[:3], bool)
    for image, place, there in zip(images, batch, mask, strict=True):
        h, w, _ = image.shape
        place[:h, :w], there[:h, :w] = image, True
    return batch, mask


def resized(image: np.ndarray, config: DetectorConfig) -> np.ndarray:
    """An image (h, w, C) whose short side is the configuration's, or, where its long one would be too long, smaller:
    bilinear, by Pillow's rule. Unchanged where no size is configured."""
    size = size_of_input(image.shape[:2], config)
    if size == image.shape[:2]:
        return image
    matrices = (resize_matrix(a, b, "bilinear_antialias") for a, b in zip(image.shape[:2], size, strict=True))
    return ops.resample_forward(image[None], *(matrix.astype(image.dtype) for matrix in matrices))[0][0]


def size_of_input(size: tuple[int, int], config: DetectorConfig) -> tuple[int, int]:
    """(height, width) that a picture of this size is resized to, rounded as DETR's code rounds it."""
    if config.short_side is None:
        return size
    short, (low, high) = config.short_side, sorted(size)
    if config.long_side is not None and short * high > config.long_side * low:
        short = round(config.long_side * low / high)
    long = max(1, int(short * high / low))
    return (short, long) if size[0] <= size[1] else (long, short)


def answer(logits: np.ndarray, boxes: np.ndarray, config: DetectorConfig) -> Detection:
    """What is said of one image, logits (Q, K or K + 1) and boxes (Q, 4) -> scores, labels, and boxes as they are, best
    first: of a softmax each query's best class but the last, else the best of all queries' scores of all classes, so
    that one query may give several answers."""
    if config.criterion.classify == "softmax":
        p = ops.softmax_forward(logits)[0][:, :-1]
        scores, labels, queries = p.max(axis=1), p.argmax(axis=1), np.arange(len(p))
    else:
        p = ops.sigmoid_forward(logits)[0]
        queries, labels = np.divmod(np.arange(p.size), p.shape[1])
        scores = p.reshape(-1)
    best = np.argsort(-scores, kind="stable")[: config.answers]
    return {"scores": scores[best], "labels": labels[best], "boxes": boxes[queries[best]]}


def in_pixels(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(cx, cy, w, h) relative to an image of (height, width) -> corners in its pixels."""
    height, width = size
    return ops.corners_forward(boxes)[0] * np.array([width, height] * 2, boxes.dtype)
