"""How good a model is on images that it has not learned from."""

from collections.abc import Callable

import numpy as np

from ..devices.workers import in_shards
from ..model import Classifier
from ..model.images import check_images, check_labels, check_pixels, check_shape
from ..ops import cross_entropy_forward
from .detection import check_detection_set, evaluate_detector, is_detector

SHARD = 64  # images that a thread takes at a time, where a model has a loss of its own


def evaluate(
    model: Classifier,
    images: np.ndarray,
    labels: np.ndarray,
    workers: int | None = None,
    looked: Callable[[int], None] | None = None,
) -> tuple[float, float, np.ndarray]:
    """Raw images (n, height, width, C) and labels (n,) -> mean loss, accuracy in [0, 1], probabilities (n, K).

    looked: called, by any thread, with the number of images that were looked at since.
    """
    check_dataset(model, images, labels)

    def run(images: np.ndarray) -> np.ndarray:
        logits = model(images)
        if looked:
            looked(len(images))
        return logits

    logits = model.on_raw(run, images, workers)
    loss, (probabilities, _) = cross_entropy_forward(logits.astype(np.float64), labels)
    return float(loss), float(np.mean(logits.argmax(axis=1) == labels)), probabilities


def measure(
    model: Classifier,
    images: np.ndarray,
    labels: np.ndarray | None,
    workers: int | None = None,
    looked: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Raw images (n, height, width, C) and labels (n,) -> test_loss and test_accuracy. Without labels the loss of a
    model that needs none (a masked autoencoder), with the same random numbers whenever it is asked. Of a detector its
    average precision: test_ap, test_ap50, test_ap75."""
    if is_detector(model):
        found = evaluate_detector(model, images, labels, workers)
        return {"test_ap": found.ap, "test_ap50": found.ap50, "test_ap75": found.ap75}
    if labels is not None:
        loss, accuracy, _ = evaluate(model, images, labels, workers, looked)
        return {"test_loss": loss, "test_accuracy": accuracy}
    check_dataset(model, images, None)

    def run(rows: np.ndarray) -> np.ndarray:
        rng = model.device.generator(np.random.SeedSequence((0, int(rows[0]))))
        losses = np.full(len(rows), model.loss(model.normalize(images[rows]), rng))
        if looked:
            looked(len(rows))
        return losses

    losses = in_shards(model.device, run, np.arange(len(images)), SHARD, workers)
    return {"test_loss": float(losses.mean())}


def is_silent(measured: dict[str, float], labels: np.ndarray | None) -> bool:
    """Does a model read images no better than one that says the same of each? measured: what `measure` gives of them.

    Who gives the same probabilities to all has at best the entropy of the labels (n,) as the loss (Gibbs' inequality),
    and is right as often as the most frequent one occurs. False without labels of classes, and where all are the same.
    """
    if "test_accuracy" not in measured or labels is None or len(np.unique(labels)) == 1:
        return False
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    entropy = -np.sum(shares * np.log(shares))
    return bool(measured["test_loss"] >= entropy and measured["test_accuracy"] <= shares.max())


def check_dataset(model: Classifier, images: np.ndarray, labels: np.ndarray | None) -> None:
    """Raise, before any work is done, ValueError or TypeError for raw images or labels that the model cannot take."""
    if is_detector(model):
        check_detection_set(model, images, labels)
        return
    check_pixels(images)
    check_shape(images, model.config)  # all of them, so that the error names the shape that was given
    check_images(model.normalize(images[:1]), model.config, model.dtype)
    check_labels(labels, len(images), model.config)
