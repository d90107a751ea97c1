"""Where the model is wrong."""

import numpy as np


def worst_mistakes(probabilities: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """What the model got wrong, where it was surest first: probabilities (n, K), labels (n,) -> ≤ count indices."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    sureness = probabilities[wrong].max(axis=1)
    return wrong[np.argsort(-sureness, kind="stable")][:count]


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, K: int) -> np.ndarray:
    """How many images of each class (row) the model took for each class (column): (K, K) integers."""
    counts = np.zeros((K, K), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts
