"""The backward down to the data. Training asks for no gradient of the images, so nothing is computed that only that
would need: what stands before the first parameters, and the product of the first dense layer that gives its dx.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from .layer import Arrays, Chain, Layer, Op, add


def backward(layers: Layer, ops: Any, dy: np.ndarray, cache: Any, with_dx: bool = True) -> tuple[Any, Arrays]:
    """layers.backward(ops, dy, cache). with_dx=False: the same gradients, and None in the place of dx."""
    if with_dx:
        return layers.backward(ops, dy, cache)
    return None, _gradients(layers, ops, dy, cache)


def _gradients(layer: Layer, ops: Any, dy: np.ndarray, cache: Any) -> Arrays:
    if isinstance(layer, Op) and layer.op == "linear":
        without = SimpleNamespace(linear_backward=partial(ops.linear_backward, with_dx=False))
        return layer.backward(without, dy, cache)[1]
    if not isinstance(layer, Chain) or len(cache) != len(layer.parts):  # the latter is an error, which it explains
        return layer.backward(ops, dy, cache)[1]
    reading = (place for place, part in enumerate(layer.parts) if not isinstance(part, Op) or part.reads)
    first, grads = next(reading, len(layer.parts)), {}
    for part in reversed(layer.parts[first + 1 :]):
        dy, more = part.backward(ops, dy, cache.pop())
        add(grads, more)
    if first < len(layer.parts):
        add(grads, _gradients(layer.parts[first], ops, dy, cache.pop()))
    cache.clear()
    return grads
