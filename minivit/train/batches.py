"""Where a step's images come from: from arrays, in an order that each epoch has for itself; or new ones in every step.

Both are functions of the seed and the step alone, so a run goes on where it stopped.
"""

import zlib
from typing import Protocol

import numpy as np

from ..data import Canvases
from ..devices import Device
from ..model.targets import Target, pack_targets
from .config import TrainConfig

Images = np.ndarray | Canvases


class Batches(Protocol):
    """`images, labels = batches(step)`, on the model's device; step counts from 1."""

    steps_per_epoch: int

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray | None]: ...


class Shuffled:
    """Arrays of images (n, …) and labels (n, …), or None: each epoch shuffles them, and cuts whole batches of them."""

    def __init__(
        self, images: np.ndarray, labels: np.ndarray | None, config: TrainConfig, seed: int, device: Device
    ) -> None:
        count = len(images if labels is None else labels)
        if len(images) != count or len(images) < config.batch_size:
            raise ValueError(
                f"{len(images)} images and {count} labels, expected as many of each, "
                f"and at least one batch of {config.batch_size}"
            )
        # The few images left over come in another epoch, whose order is another.
        self.steps_per_epoch = len(images) // config.batch_size
        self._size, self._seed, self._device = config.batch_size, seed, device
        # All images go to a GPU once, and stay there.
        self._images = device.asarray(images)
        if labels is not None and np.issubdtype(labels.dtype, np.integer):
            labels = labels.astype(np.int32)  # as the GPU's loss reads classes: nothing is converted in a step
        self._labels = None if labels is None else device.asarray(labels)
        self._epoch, self._order = -1, np.empty(0, int)  # the shuffle of the epoch in hand, kept for its steps

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray | None]:
        rows = self.rows(step)
        return self._images[rows], None if self._labels is None else self._labels[rows]

    def rows(self, step: int) -> np.ndarray:
        """Which of the images a step sees."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        if epoch != self._epoch:
            # Steps count from 1, so (seed, 0, …) is no step's stream; and trailing zeros would be the parameters' own.
            stream = np.random.default_rng(np.random.SeedSequence((self._seed, 0, epoch + 1)))
            self._epoch, self._order = epoch, self._device.asarray(stream.permutation(len(self._images)))
        return self._order[place * self._size : (place + 1) * self._size]


class Fresh:
    """Canvases that no step has seen: those of step s follow those of step s − 1 in their set, which has no end."""

    def __init__(self, canvases: Canvases, config: TrainConfig, device: Device) -> None:
        if config.steps_per_epoch is None:
            raise ValueError(f"{canvases} has no end: the recipe needs steps_per_epoch")
        self.steps_per_epoch = config.steps_per_epoch
        self._canvases, self._size, self._device = canvases, config.batch_size, device

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        images, targets = self._canvases[range((step - 1) * self._size, step * self._size)]
        return self._device.asarray(images), pack_targets(targets)


def as_labels(labels: np.ndarray | list[Target] | None) -> np.ndarray | None:
    """What a step takes rows of: a detector's list of targets becomes one array."""
    return pack_targets(labels) if isinstance(labels, list) else labels


def fingerprint(images: Images, labels: np.ndarray | None) -> list[int]:
    """Numbers by which a checkpoint knows the data again."""
    if isinstance(images, Canvases):
        return [images.seed, zlib.crc32(repr(images).encode())]
    given = [images] if labels is None else [images, labels]
    return [len(images), *(zlib.crc32(np.ascontiguousarray(array)) for array in given)]
