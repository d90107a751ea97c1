"""Many cores, the same bits: a batch is cut into fixed shards, and each goes forward and backward by itself.

Whoever takes a shard (a thread, or another process, see processes.py), the gradients are added in the shards' order.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..layers import Arrays
from ..model import Classifier
from ..model.images import as_pixels
from .augment import random_affine
from .config import TrainConfig
from .distillation import Teacher, distillation_loss_and_grads
from .optimizer import FlatParameters


class Shard(NamedTuple):
    """A part of a batch: raw images, labels if there are any, the seed of its random numbers, its part of the batch.

    A detector's labels are packed targets (model/targets.py). Its loss is no mean over images, but a sum that is
    divided by something of the whole batch: the divisor, and then the weight is 1.
    """

    images: np.ndarray
    labels: np.ndarray | None
    seed: tuple[int, ...]
    weight: float
    divisor: Any = None


class Gradient(NamedTuple):
    """The mean loss, its gradient (P,), and new values of the model's buffers, if it has any."""

    loss: float
    grads: np.ndarray
    buffers: Arrays


class ShardGradient:
    """What is done with a shard: augmentation, forward with dropout, backward; all of it times the shard's weight.

    With a teacher, the loss is the recipe's distillation loss; without labels it is the model's own, of images alone.
    Pickled, it takes the model's numbers along.
    """

    def __init__(self, model: Classifier, config: TrainConfig, teacher: Teacher | None = None) -> None:
        self.model, self.config, self.teacher = model, config, teacher
        self.params = FlatParameters(model.params, config.slow)

    def __call__(self, shard: Shard, out: np.ndarray | None = None) -> Gradient:
        """out: where the gradient is to be written, an array (P,); a new one if not given."""
        model, config = self.model, self.config
        rng = model.device.generator(np.random.SeedSequence(shard.seed))
        pixels = random_affine(as_pixels(shard.images, model.dtype), rng, **config.moves, move=model.device.move_images)
        if shard.labels is None:
            loss, grads = model.loss_and_grads(model.normalize(pixels), rng)
        elif shard.divisor is not None:
            normalised = model.normalize(pixels)
            loss, grads = model.loss_and_grads(normalised, shard.labels, divisor=shard.divisor, rng=rng)
        elif self.teacher is None:
            loss, grads = model.loss_and_grads(model.normalize(pixels), shard.labels, rng, config.label_smoothing)
        else:
            loss, grads = distillation_loss_and_grads(model, self.teacher, pixels, shard.labels, config, rng)
        buffers = {name: shard.weight * grads[name] for name in model.buffers if name in grads}
        flat = self.params.flatten(grads, out, shard.weight)
        return Gradient(shard.weight * loss, flat, buffers)

    def __reduce__(self) -> tuple:
        return type(self), (self.model, self.config, self.teacher)


class Pool(Protocol):
    """Who takes the shards: Python's ThreadPoolExecutor is one."""

    def map(self, task: ShardGradient, shards: Iterable[Shard], /) -> Iterator[Gradient]:
        """The task's results in the shards' order. All but the first may be overwritten when the next is asked for."""


def batch_gradient(
    pool: Pool, task: ShardGradient, images: np.ndarray, labels: np.ndarray | None, seed: tuple[int, ...]
) -> Gradient:
    """The sum of the shards' gradients in their order. Shard i draws from SeedSequence((*seed, i)), whoever has it."""
    device, count = task.model.device, len(images)
    size = count if device.whole_batches else task.config.shard_size
    divisor = None if labels is None else task.model.divisor(labels)

    def shard(i: int) -> Shard:
        part = slice(i * size, min((i + 1) * size, count))
        its_labels = None if labels is None else labels[part]
        weight = (part.stop - part.start) / count if divisor is None else 1.0
        return Shard(images[part], its_labels, (*seed, i), weight, divisor)

    shards = map(shard, range(-(-count // size)))
    # A GPU is fed from the calling thread, whose device and stream CuPy uses; they are each thread's own.
    gradients = iter((map if device.threads == 1 else pool.map)(task, shards))
    loss, grads, buffers = next(gradients)
    for more in gradients:
        loss += more.loss
        grads += more.grads
        buffers = {name: value + more.buffers[name] for name, value in buffers.items()}
    return Gradient(loss, grads, buffers)
