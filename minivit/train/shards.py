"""Many cores, the same bits: a batch is cut into fixed shards, each goes forward and backward on a thread of its own.

The gradients are added in the order of the shards, whoever was first. The threads are those of ../devices/workers.py.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..layers import Arrays
from ..model import Classifier
from ..model.images import as_pixels, check_images, check_labels, check_pixels, check_shape
from ..ops import cross_entropy_forward
from .augment import random_affine
from .config import TrainConfig
from .distillation import Teacher, distillation_loss_and_grads


def batch_gradients(
    pool: ThreadPoolExecutor,
    model: Classifier,
    flatten: Callable[[dict[str, np.ndarray]], np.ndarray],
    images: np.ndarray,
    labels: np.ndarray | None,
    config: TrainConfig,
    seed: tuple[int, ...],
    teacher: Teacher | None = None,
) -> tuple[float, np.ndarray, Arrays]:
    """The mean loss of a batch of raw images (uint8 or in [0, 1]), augmented and with dropout, and its gradient, which
    `flatten` makes one array (P,) of; and new values of the model's buffers, the mean over the shards, if it has any.
    With a teacher, the loss is the recipe's distillation loss; without labels it is the model's own, of images alone.
    Shard i draws from SeedSequence((*seed, i)), whichever thread it runs on.
    """
    size = len(images) if model.device.whole_batches else config.shard_size

    def run(shard: int) -> tuple[float, np.ndarray, Arrays]:
        part = slice(shard * size, (shard + 1) * size)
        rng = model.device.generator(np.random.SeedSequence((*seed, shard)))
        pixels = random_affine(as_pixels(images[part], model.dtype), rng, config.shift, config.rotation, config.scale)
        if labels is None:
            loss, grads = model.loss_and_grads(model.normalize(pixels), rng)
        elif teacher is None:
            loss, grads = model.loss_and_grads(model.normalize(pixels), labels[part], rng, config.label_smoothing)
        else:
            loss, grads = distillation_loss_and_grads(model, teacher, pixels, labels[part], config, rng)
        weight = len(pixels) / len(images)  # the mean over the batch is the weighted mean over the shards
        new = {name: weight * grads[name] for name in model.buffers if name in grads}
        return weight * loss, weight * flatten(grads), new

    shards = -(-len(images) // size)
    losses, grads, buffers = zip(*_map(model, pool)(run, range(shards)), strict=True)
    return sum(losses), sum(grads), {name: sum(new[name] for new in buffers) for name in buffers[0]}


def evaluate(
    model: Classifier, images: np.ndarray, labels: np.ndarray, workers: int | None = None
) -> tuple[float, float, np.ndarray]:
    """Raw images (n, height, width, C) and labels (n,) -> mean loss, accuracy in [0, 1], probabilities (n, K)."""
    check_dataset(model, images, labels)
    logits = model.on_raw(model, images, workers)
    loss, (probabilities, _) = cross_entropy_forward(logits.astype(np.float64), labels)
    return float(loss), float(np.mean(logits.argmax(axis=1) == labels)), probabilities


def check_dataset(model: Classifier, images: np.ndarray, labels: np.ndarray | None) -> None:
    """Raise, before any work is done, ValueError or TypeError for raw images or labels that the model cannot take."""
    check_pixels(images)
    check_shape(images, model.config)  # all of them, so that the error names the shape that was given
    check_images(model.normalize(images[:1]), model.config, model.dtype)
    check_labels(labels, len(images), model.config)


def _map(model: Classifier, pool: ThreadPoolExecutor) -> Callable:
    """A GPU is fed from the calling thread, whose device and stream CuPy uses; they are each thread's own."""
    return map if model.device.threads == 1 else pool.map
