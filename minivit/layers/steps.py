"""Layers with several values: those that are left on the way through a chain, and those that each have a layer.

A backbone hands out the maps of several stages, and a decoder what each of its layers says. Several values are a list.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .layer import Arrays, Layer, Rng, add, both
from .table import Shown


class Steps(Shown):
    """One after the other, as a chain, but what they leave on the way is kept: y = [x₁, x₂, …] of x₁ = a(x),
    x₂ = b(x₁), …. So each has two gradients: its own, and what comes back from the next.

    keep: the places of those that are kept, 0 for the first layer's; all if not given. What is after these is not run.
    """

    def __init__(self, *layers: Layer, keep: Sequence[int] | None = None) -> None:
        self.keep = tuple(range(len(layers))) if keep is None else tuple(keep)
        self.parts = layers[: self.keep[-1] + 1]
        self.parameters = tuple(parameter for layer in self.parts for parameter in layer.parameters)

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple[list[np.ndarray], list]:
        kept, caches = [], []
        for place, layer in enumerate(self.parts):
            x, cache = layer.forward(ops, p, x, rng)
            caches.append(cache)
            kept += [x] if place in self.keep else []
        return kept, caches

    def backward(self, ops: Any, dys: list[np.ndarray], caches: list) -> tuple[np.ndarray, Arrays]:
        own, dy, grads = dict(zip(self.keep, dys, strict=True)), None, {}
        for place, layer in reversed(list(enumerate(self.parts))):
            dy, more = layer.backward(ops, both(dy, own.get(place)), caches.pop())
            add(grads, more)
        return dy, grads

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> list[np.ndarray]:
        kept = []
        for place, layer in enumerate(self.parts):
            x = layer(ops, p, x)
            kept += [x] if place in self.keep else []
        return kept


class Each(Shown):
    """A layer for each of several values: y = [a(x₁), b(x₂), …]."""

    def __init__(self, *layers: Layer) -> None:
        self.parts = layers
        self.parameters = tuple(parameter for layer in layers for parameter in layer.parameters)

    def forward(self, ops: Any, p: Arrays, xs: list[np.ndarray], rng: Rng = None) -> tuple[list[np.ndarray], list]:
        pairs = [layer.forward(ops, p, x, rng) for layer, x in zip(self.parts, xs, strict=True)]
        return [y for y, _ in pairs], [cache for _, cache in pairs]

    def backward(self, ops: Any, dys: list[np.ndarray], caches: list) -> tuple[list[np.ndarray], Arrays]:
        dxs, grads = [], {}
        for layer, dy, cache in zip(self.parts, dys, caches, strict=True):
            dx, more = layer.backward(ops, dy, cache)
            dxs.append(dx)
            add(grads, more)
        return dxs, grads

    def __call__(self, ops: Any, p: Arrays, xs: list[np.ndarray]) -> list[np.ndarray]:
        return [layer(ops, p, x) for layer, x in zip(self.parts, xs, strict=True)]
