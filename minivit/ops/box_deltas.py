"""How a detector moves a box: by parts of its size, and by factors (R-CNN, Girshick et al., arXiv 1311.2524, C)."""

import math

import numpy as np

WEIGHTS = (2.0, 2.0, 1.0, 1.0)  # what the deltas are divided by: dx, dy, dw, dh, as in Sparse R-CNN
LARGEST = math.log(100_000 / 16)  # of dw and dh, after that


def box_deltas_forward(
    deltas: np.ndarray,
    boxes: np.ndarray,
    weights: tuple[float, ...] = WEIGHTS,
    largest: float = LARGEST,
) -> tuple[np.ndarray, tuple]:
    """The middle c moves by a part of the size, and the size grows:  c' = c + δ_xy s,   s' = s exp(min(δ_wh, largest)).

    deltas (..., 4): (dx, dy, dw, dh), which are divided by the weights; boxes (..., 4), corners -> corners like boxes.
    Cached: δ_xy, s, s', and where the growth was not cut.
    """
    x, y, w, h = weights
    low, high = boxes[..., :2], boxes[..., 2:]
    size = high - low
    shift = np.stack((deltas[..., 0] / x, deltas[..., 1] / y), axis=-1)
    growth = np.stack((deltas[..., 2] / w, deltas[..., 3] / h), axis=-1)
    free = growth <= largest
    new = size * np.exp(np.minimum(growth, largest))
    centre = low + size / 2 + shift * size
    return np.concatenate((centre - new / 2, centre + new / 2), axis=-1), (shift, size, new, free, weights)


def box_deltas_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The backward of `centre ± new / 2`, of which the middle gets dc = dlow + dhigh, the size ds' = (dhigh − dlow)/2:

    dδ_xy = dc s,   dδ_wh = ds' s' where it was not cut,   ds = dc δ_xy + ds' s'/s;   s = high − low, c is their mean.

    dy (..., 4). Returns ddeltas and dboxes, like both.
    """
    shift, size, new, free, (x, y, w, h) = cache
    dcentre, dnew = dy[..., :2] + dy[..., 2:], (dy[..., 2:] - dy[..., :2]) / 2
    dshift, dgrowth = dcentre * size, dnew * new * free
    ddeltas = np.stack((dshift[..., 0] / x, dshift[..., 1] / y, dgrowth[..., 0] / w, dgrowth[..., 1] / h), axis=-1)
    dsize = dcentre * shift + dnew * (new / size)
    return ddeltas, np.concatenate((dcentre / 2 - dsize, dcentre / 2 + dsize), axis=-1)
