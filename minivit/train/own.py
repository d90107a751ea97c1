"""Pictures of your own in place of digits: a recipe fitted to their size, channels, classes and number."""

import dataclasses
import math
from typing import Any

import numpy as np

from ..data import Pictures
from .config import TrainConfig

STEPS = 1_000  # of a run, at least: where pictures are few, more epochs
MOST_EPOCHS = 200


def for_pictures(pictures: Pictures, config: Any, how: TrainConfig) -> tuple[Any, TrainConfig]:
    """A recipe for digits as one for these pictures.

    A batch is at most a quarter of them, and the rate falls with the root of its size. The pixels' mean and deviation
    are those of the pictures to learn from. A ViT's patches are as large as makes from 4 to 14 of them a side.
    """
    _, size, _, C = pictures.train_images.shape
    mean, std = _mean_and_deviation(pictures.train_images)
    changes: dict[str, Any] = dict(
        image_size=size,
        channels=C,
        classes=len(pictures.class_names),
        image_mean=mean,
        image_std=tuple(max(deviation, 0.01) for deviation in std),
        crop=1.0,  # as load_folder has cut them
        squeeze=False,
    )
    if getattr(config, "position", None) == "1d" and config.stem is None:
        changes["patch_size"] = patch_side(size)
    count = len(pictures.train_images)
    batch = min(how.batch_size, 2 ** max(0, int(math.log2(count / 4)))) if count >= 4 else 1
    steps = count // batch
    epochs = max(how.epochs, min(MOST_EPOCHS, -(-STEPS // steps)))
    rate = how.learning_rate * math.sqrt(batch / how.batch_size)
    shard = min(how.shard_size, max(1, batch // 2))
    how = dataclasses.replace(how, batch_size=batch, shard_size=shard, learning_rate=rate, epochs=epochs)
    return dataclasses.replace(config, **changes), how


def _mean_and_deviation(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of each channel of uint8 images, on the scale 0 … 1, to four digits. The values are counted: so the sum is exact,
    however many pixels there are, and needs no memory."""
    values = np.arange(256) / 255
    moments = []
    for channel in range(images.shape[-1]):
        counts = sum(np.bincount(image[..., channel].ravel(), minlength=256) for image in images)
        mean = np.average(values, weights=counts)
        deviation = np.average((values - mean) ** 2, weights=counts) ** 0.5
        moments.append((round(float(mean), 4), round(float(deviation), 4)))
    means, deviations = zip(*moments, strict=True)
    return means, deviations


def patch_side(size: int) -> int:
    """The side of a ViT's patches for images of this size: the largest that divides it into 4 or more."""
    return next((size // grid for grid in range(max(4, size // 16), size + 1) if size % grid == 0), 1)
