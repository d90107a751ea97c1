"""What a detector's matching and its loss are made of: matching.py and set_loss.py compute them."""

from dataclasses import dataclass
from typing import NamedTuple

Weights = tuple[float, float, float]  # of the class, the L1 and the GIoU


@dataclass(frozen=True)
class Criterion:
    """What a set loss is made of.

    classify   "softmax" over K + 1 classes, of which the last is "no object", or "focal", K classes by themselves
    corners    True: the L1 is that of corners (x0, y0, x1, y1), else of (cx, cy, w, h)
    cost       weights of the three costs by which queries are matched
    loss       weights of the three losses
    no_object  softmax: the weight of the class "no object"
    alpha      focal: the weight of finding a class; 1 − α is that of not finding it
    gamma      focal: how fast what is easy counts less
    """

    classify: str
    corners: bool = False
    cost: Weights = (1.0, 5.0, 2.0)
    loss: Weights = (1.0, 5.0, 2.0)
    no_object: float = 0.1
    alpha: float = 0.25
    gamma: float = 2.0


class Divisor(NamedTuple):
    """What the losses of a whole batch are divided by."""

    objects: float  # all of them, at least 1
    weights: float  # softmax: the sum of the class weights of all queries; matched ones count 1
