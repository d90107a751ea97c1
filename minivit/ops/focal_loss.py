"""The focal loss: cross-entropy that all but forgets what is easy, since nearly every place has no object in it.

Lin et al., arXiv 1708.02002, equation 5, with a sigmoid for every class by itself: there is no class "no object".
"""

import numpy as np


def focal_loss_forward(
    logits: np.ndarray, targets: np.ndarray, divisor: float = 1.0, alpha: float = 0.25, gamma: float = 2.0
) -> tuple[np.floating, tuple]:
    """loss = Σ α_t (1 − p_t)^γ (−log p_t) / divisor,   p_t = p and α_t = α where the target is 1, else 1 − p and 1 − α.

    logits (...), targets of their shape, 0 or 1; p = sigmoid(logits); divisor: the objects of a whole batch.
    Cached: p, the targets, the cross-entropy.
    """
    exp = np.exp(-abs(logits))  # at most 1, whatever the logit
    cross_entropy = np.maximum(logits, 0) - logits * targets + np.log1p(exp)
    p = np.where(logits >= 0, 1, exp) / (1 + exp)
    loss = _weight(targets, alpha) * abs(p - targets) ** gamma * cross_entropy  # |p − t| is 1 − p_t
    return loss.sum() / divisor, (p, targets, cross_entropy, divisor, alpha, gamma)


def focal_loss_backward(dloss: float, cache: tuple) -> np.ndarray:
    """With d(−log p_t) = p − t and d(1 − p_t) = −(2t − 1) p (1 − p), for z the logit:

    dz = α_t [(1 − p_t)^γ (p − t) − γ (1 − p_t)^(γ−1) (2t − 1) p (1 − p) (−log p_t)] dloss / divisor.   Like logits.
    """
    p, targets, cross_entropy, divisor, alpha, gamma = cache
    missing = abs(p - targets)
    slope = gamma * missing ** (gamma - 1) * (2 * targets - 1) * p * (1 - p)
    dlogits = _weight(targets, alpha) * (missing**gamma * (p - targets) - slope * cross_entropy)
    return dlogits * (dloss / divisor)


def _weight(targets: np.ndarray, alpha: float) -> np.ndarray:
    return alpha * targets + (1 - alpha) * (1 - targets)
