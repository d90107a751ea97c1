"""Softmax cross-entropy: the loss, and the most beautiful gradient of all, p − y."""

import numpy as np


def cross_entropy_forward(
    logits: np.ndarray, labels: np.ndarray, label_smoothing: float = 0.0
) -> tuple[np.floating, tuple]:
    """loss = −(1/B) Σ_b Σ_k y_bk log p_bk,   log p = logits − log Σ exp(logits).

    logits (B, K); labels (B,) class indices, or (B, K) probabilities; with label smoothing ε the target becomes
    (1 − ε) y + ε/K (Szegedy et al., arXiv 1512.00567, section 7). The loss, in nats, has the dtype of the logits.
    Cached: p and y. Labels are data: no gradient is returned for them.
    """
    B, K = logits.shape
    target = np.zeros_like(logits)
    if labels.ndim == 1:
        target[np.arange(B), labels] = 1
    else:
        target += labels
    target = (1 - label_smoothing) * target + label_smoothing / K
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -(target * log_p).sum() / B
    return loss, (np.exp(log_p), target)


def cross_entropy_backward(dloss: float, cache: tuple) -> np.ndarray:
    """dlogits = dloss (p Σ_k y_k − y) / B, where Σ_k y_k = 1 for any proper target.   Returns (B, K)."""
    p, target = cache
    return (p * target.sum(axis=1, keepdims=True) - target) * (dloss / len(p))
