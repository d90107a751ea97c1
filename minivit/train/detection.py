"""How good a detector is on images that it has not learned from, and what it can be trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data import Canvases
from ..devices.workers import worker_pool
from ..model.images import check_pixels
from ..model.targets import Target
from ..ops import corners_forward
from .average_precision import AveragePrecision, average_precision
from .config import TrainConfig

SHARD = 16  # images that a thread takes at a time
CANVAS_LIMITS = (17.0**2, 21.5**2)  # square pixels: about a third of the digits on canvases are small, a third large


def is_detector(model: Any) -> bool:
    """Does it say what is where?"""
    return hasattr(model, "detect")


def detect(model: Any, images: np.ndarray, workers: int | None = None) -> list[dict[str, np.ndarray]]:
    """`model.detect` of raw images (n, height, width, C), side by side on a CPU: see family/detector.py."""
    shards = [images[i : i + SHARD] for i in range(0, len(images), SHARD)]
    if model.device.threads == 1:
        return model.detect(images)
    with worker_pool(workers) as pool:
        return [found for shard in pool.map(model.detect, shards) for found in shard]


def evaluate_detector(
    model: Any, images: np.ndarray, targets: Sequence[Target] | np.ndarray, workers: int | None = None
) -> AveragePrecision:
    """Raw images (n, height, width, C) and what is on them -> average precision, by sizes of digits on canvases."""
    truth = in_pixels(model.checked_targets(targets, len(images)), images.shape[1:3])
    return average_precision(detect(model, images, workers), truth, model.config.classes, CANVAS_LIMITS)


def in_pixels(targets: Sequence[Target], size: tuple[int, int]) -> list[Target]:
    """Targets whose boxes (cx, cy, w, h) are relative -> corners in pixels of images of a (height, width)."""
    height, width = size
    scale = np.array([width, height, width, height])
    return [{**target, "boxes": corners_forward(target["boxes"])[0] * scale} for target in targets]


def check_detection_set(model: Any, images: np.ndarray | Canvases, targets: Sequence[Target] | np.ndarray) -> None:
    """Raise ValueError or TypeError, before any work is done, for images or targets that the detector cannot take."""
    if isinstance(images, Canvases):
        if targets is not None:
            raise ValueError(f"targets were given beside {images}, which brings its own")
        images, targets = images[range(1)]
    check_pixels(images)
    if images.ndim != 4 or images.shape[3] != model.config.channels or 0 in images.shape:
        raise ValueError(f"images have shape {images.shape}, expected (n, height, width, {model.config.channels})")
    model.checked_targets(targets, len(images))


def check_recipe(model: Any, config: TrainConfig) -> None:
    """Raise ValueError for a recipe that would move the images of a detector, but not its boxes."""
    if not is_detector(model):
        return
    if moving := [name for name in ("shift", "rotation", "scale", "label_smoothing") if getattr(config, name)]:
        raise ValueError(f"a detector's recipe has {', '.join(moving)}, which would not move its boxes: expected 0")
