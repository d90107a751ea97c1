"""The sum of absolute errors, of boxes that a detector has said: DETR's first loss (arXiv 2005.12872, equation 9)."""

import numpy as np


def l1_loss_forward(x: np.ndarray, target: np.ndarray, divisor: float = 1.0) -> tuple[np.floating, tuple]:
    """loss = Σ |x − t| / divisor.   x, target of one shape; divisor: a batch's objects. Cached: the signs."""
    difference = x - target
    return abs(difference).sum() / divisor, (np.sign(difference), divisor)


def l1_loss_backward(dloss: float, cache: tuple) -> np.ndarray:
    """dx = dloss sign(x − t) / divisor, 0 where they are equal. Targets are data: no gradient is returned for them."""
    sign, divisor = cache
    return sign * (dloss / divisor)
