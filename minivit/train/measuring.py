"""How well does the model do on images that it has not learned from? What the history keeps of that, after an epoch."""

import numpy as np

from ..devices.workers import in_shards
from ..model import Classifier
from .shards import check_dataset, evaluate

SHARD = 64  # images that a thread takes at a time, where a model has a loss of its own


def measure(
    model: Classifier, images: np.ndarray, labels: np.ndarray | None, workers: int | None = None
) -> dict[str, float]:
    """Raw images (n, height, width, C) and labels (n,) -> test_loss and test_accuracy. Without labels the loss of a
    model that needs none (a masked autoencoder), with the same random numbers whenever it is asked."""
    if labels is not None:
        loss, accuracy, _ = evaluate(model, images, labels, workers)
        return {"test_loss": loss, "test_accuracy": accuracy}
    check_dataset(model, images, None)

    def run(rows: np.ndarray) -> np.ndarray:
        rng = model.device.generator(np.random.SeedSequence((0, int(rows[0]))))
        return np.full(len(rows), model.loss(model.normalize(images[rows]), rng))

    losses = in_shards(model.device, run, np.arange(len(images)), SHARD, workers)
    return {"test_loss": float(losses.mean())}
