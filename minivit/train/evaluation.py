"""How good a model is: its loss and accuracy on images that it has not seen."""

import numpy as np

from ..model import Classifier
from ..model.images import check_images, check_labels, check_pixels, check_shape
from ..ops import cross_entropy_forward


def evaluate(
    model: Classifier, images: np.ndarray, labels: np.ndarray, workers: int | None = None
) -> tuple[float, float, np.ndarray]:
    """Raw images (n, height, width, C) and labels (n,) -> mean loss, accuracy in [0, 1], probabilities (n, K)."""
    check_dataset(model, images, labels)
    logits = model.on_raw(model, images, workers)
    loss, (probabilities, _) = cross_entropy_forward(logits.astype(np.float64), labels)
    return float(loss), float(np.mean(logits.argmax(axis=1) == labels)), probabilities


def check_dataset(model: Classifier, images: np.ndarray, labels: np.ndarray) -> None:
    """Raise, before any work is done, ValueError or TypeError for raw images or labels that the model cannot take."""
    check_pixels(images)
    check_shape(images, model.config)  # all of them, so that the error names the shape that was given
    check_images(model.normalize(images[:1]), model.config, model.dtype)
    check_labels(labels, len(images), model.config)
