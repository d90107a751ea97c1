"""Softmax cross-entropy in which classes count by a weight: DETR's, where nearly all queries see "no object"."""

import numpy as np


def weighted_cross_entropy_forward(
    logits: np.ndarray, labels: np.ndarray, weight: np.ndarray, divisor: float | None = None
) -> tuple[np.floating, tuple]:
    """loss = −Σ w[label] log p[label] / divisor.

    logits (..., K), labels (...), weight (K,); divisor: the sum of all labels' weights in a whole batch, of which these
    are a part; of these labels alone if not given, as in PyTorch. Cached: p − y and the weights.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=-1, keepdims=True)
    target = labels[..., None] == np.arange(logits.shape[-1], like=labels)
    weights = weight[labels]
    losses = np.log(total[..., 0]) - (shifted * target).sum(axis=-1)
    divisor = weights.sum() if divisor is None else divisor
    return (weights * losses).sum() / divisor, (exp / total - target, weights, divisor)


def weighted_cross_entropy_backward(dloss: float, cache: tuple) -> np.ndarray:
    """dlogits = dloss w[label] (p − y) / divisor.   Returns (..., K)."""
    difference, weights, divisor = cache
    return difference * (weights * (dloss / divisor))[..., None]
