"""Cross-entropy of the places that are asked for alone: masked words, of which a sentence has a few."""

import numpy as np

NOT_ASKED = -100  # PyTorch's label of a place that is passed over


def asked_cross_entropy_forward(
    logits: np.ndarray, labels: np.ndarray, divisor: int | None = None
) -> tuple[np.floating, tuple]:
    """loss = −Σ log p[label] / divisor over the places whose label is not −100.

    logits (..., K), labels (...); divisor: the places asked in the whole batch, where these are a part of it; their own
    number if not given. Cached: p − y of those places alone.
    """
    rows, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    places = np.flatnonzero(labels != NOT_ASKED)
    asked = rows[places]
    shifted = asked - asked.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)
    target = labels[places][:, None] == np.arange(rows.shape[1], like=labels)
    losses = np.log(total[:, 0]) - (shifted * target).sum(axis=1)
    divisor = len(places) if divisor is None else divisor
    return losses.sum() / divisor, (exp / total - target, places, logits.shape, divisor)


def asked_cross_entropy_backward(dloss: float, cache: tuple) -> np.ndarray:
    """dlogits = dloss (p − y) / divisor, 0 where nothing was asked.   Returns (..., K)."""
    difference, places, shape, divisor = cache
    dlogits = np.zeros_like(difference, shape=(int(np.prod(shape[:-1])), shape[-1]))
    dlogits[places] = difference * (dloss / divisor)
    return dlogits.reshape(shape)
