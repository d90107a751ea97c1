"""Distillation (DeiT, arXiv 2012.12877, section 4): a student with two heads learns from the labels and from a teacher.

The class token's head is held to the labels, the distillation token's to the teacher: to its one best guess ("hard"),
or to all its probabilities ("soft"; Hinton et al., arXiv 1503.02531). Read cross_entropy.py first.
"""

import numpy as np

from .cross_entropy import cross_entropy_backward, cross_entropy_forward


def hard_distillation_forward(
    logits: np.ndarray,
    dist_logits: np.ndarray,
    labels: np.ndarray,
    teacher_logits: np.ndarray,
    alpha: float = 0.5,
    label_smoothing: float = 0.0,
) -> tuple[np.floating, tuple]:
    """loss = (1 − α) CE(logits, labels) + α CE(dist_logits, argmax of the teacher)   (equation 3, where α is ½).

    logits, dist_logits: the two heads' (B, K); labels (B,) or (B, K); teacher_logits (B, K) are data: no gradient is
    returned for them. The label smoothing is for the labels alone, as in DeiT's code.
    """
    loss, cls = cross_entropy_forward(logits, labels, label_smoothing)
    dist_loss, dist = cross_entropy_forward(dist_logits, teacher_logits.argmax(axis=1))
    return (1 - alpha) * loss + alpha * dist_loss, (cls, dist, alpha)


def hard_distillation_backward(dloss: float, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Each head has the gradient of its own term, times its weight. Returns dlogits and ddist_logits (B, K)."""
    cls, dist, alpha = cache
    return cross_entropy_backward(dloss * (1 - alpha), cls), cross_entropy_backward(dloss * alpha, dist)


def soft_distillation_forward(
    logits: np.ndarray,
    dist_logits: np.ndarray,
    labels: np.ndarray,
    teacher_logits: np.ndarray,
    alpha: float = 0.5,
    temperature: float = 1.0,
    label_smoothing: float = 0.0,
) -> tuple[np.floating, tuple]:
    """loss = (1 − α) CE(logits, labels) + α T²/(BK) Σ_bk q_bk (log q_bk − log p_bk),

    q = softmax(teacher_logits / T), p = softmax(dist_logits / T)   (equation 2; arguments as above).
    The divergence is divided by the number of its elements, B·K, as DeiT's code does; the paper's formula is a mean
    over the batch, K times as much. T² makes up for the gradient's 1/T² at high temperatures.
    Cached: p − q, which is all that the gradient needs.
    """
    loss, cls = cross_entropy_forward(logits, labels, label_smoothing)
    log_p = _log_softmax(dist_logits / temperature)
    log_q = _log_softmax(teacher_logits.astype(log_p.dtype) / temperature)
    q = np.exp(log_q)
    dist_loss = temperature**2 * (q * (log_q - log_p)).mean()
    return (1 - alpha) * loss + alpha * dist_loss, (cls, np.exp(log_p) - q, alpha, temperature)


def soft_distillation_backward(dloss: float, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The divergence's gradient is again p − q, once more over T for z / T:  ddist_logits = dloss α T/(BK) (p − q).

    Returns dlogits and ddist_logits (B, K).
    """
    cls, difference, alpha, temperature = cache
    ddist_logits = difference * (dloss * alpha * temperature / difference.size)
    return cross_entropy_backward(dloss * (1 - alpha), cls), ddist_logits


def _log_softmax(x: np.ndarray) -> np.ndarray:
    """log softmax over the last axis, (B, K)."""
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
