"""Values with names, for layers with several inputs: a bias from its table, an encoder's memory for a decoder.

A layer reads parameters by name from one dict; so whatever else it needs gets a name there, too. A ViT's last block
names its keys and values so (`first_attention` in parts.py); the plain ViT of the README needs no Let.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .layer import Arrays, Chain, Layer, Parameter, Rng, add, both
from .table import Shown


class Let(Shown):
    """let name = value(x) in body(x). What the body's layers read by this name has a gradient, which goes back through
    value: the sum over all who read it, as for any parameter that is read twice. What no gradient goes to (a mask) has
    none to hand back."""

    def __init__(self, name: str, value: Layer, *body: Layer) -> None:
        self.name, self.value, self.body = name, value, Chain(*body)
        self.parts = (self.value, self.body)
        self.parameters = self.value.parameters + self.body.parameters

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple:
        value, value_cache = self.value.forward(ops, p, x, rng)
        y, body_cache = self.body.forward(ops, p | {self.name: value}, x, rng)
        return y, (value_cache, body_cache)

    def backward(self, ops: Any, dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, Arrays]:
        value_cache, body_cache = cache
        dx, grads = self.body.backward(ops, dy, body_cache)
        if self.name not in grads:
            return dx, grads
        dmore, more = self.value.backward(ops, grads.pop(self.name), value_cache)
        return both(dx, dmore), add(grads, more)

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> np.ndarray:
        return self.body(ops, p | {self.name: self.value(ops, p, x)}, x)

    def __repr__(self) -> str:
        return f"Let({self.name} = {self.value!r}, {self.body!r})"


class Value:
    """A parameter, or what Let has named, where a layer's input is wanted: y = p[name], whatever x is. Its dx is None:
    it has looked at nothing. Joints know that; what stands before it in a chain does not.
    held: no gradient goes to it, either; it is given, as a mask is."""

    def __init__(self, what: Parameter | str, held: bool = False) -> None:
        self.held = held
        self.reads = (what if isinstance(what, str) else what.name,)
        self.parameters = () if isinstance(what, str) else (what,)
        self.parts = ()

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple:
        return p[self.reads[0]], None

    def backward(self, ops: Any, dy: np.ndarray, cache: None) -> tuple[None, Arrays]:
        return None, {} if self.held else {self.reads[0]: dy}

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> np.ndarray:
        return p[self.reads[0]]

    def __repr__(self) -> str:
        return f"Value({self.reads[0]})"


class Fork(Shown):
    """y = [a(x) | b(x) | …], side by side along an axis: dx is the sum of what the branches give back."""

    def __init__(self, *branches: Layer, axis: int = -1) -> None:
        self.parts, self.axis = branches, axis
        self.parameters = tuple(parameter for branch in branches for parameter in branch.parameters)

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple:
        ys, caches = zip(*(branch.forward(ops, p, x, rng) for branch in self.parts), strict=True)
        ends = np.cumsum([y.shape[self.axis] for y in ys])[:-1].tolist()
        return np.concatenate(ys, axis=self.axis), (caches, ends)

    def backward(self, ops: Any, dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, Arrays]:
        caches, ends = cache
        return _together(self.parts, ops, np.split(dy, ends, axis=self.axis), caches)

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> np.ndarray:
        return np.concatenate([branch(ops, p, x) for branch in self.parts], axis=self.axis)


class Together(Shown):
    """Several answers, whatever their shapes: y = (a(x), b(x), …), and dy as many; dx is the sum of what comes back."""

    def __init__(self, *branches: Layer) -> None:
        self.parts = branches
        self.parameters = tuple(parameter for branch in branches for parameter in branch.parameters)

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple[tuple, tuple]:
        ys, caches = zip(*(branch.forward(ops, p, x, rng) for branch in self.parts), strict=True)
        return ys, caches

    def backward(self, ops: Any, dy: tuple, caches: tuple) -> tuple[np.ndarray, Arrays]:
        return _together(self.parts, ops, dy, caches)

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> tuple:
        return tuple(branch(ops, p, x) for branch in self.parts)


def _together(
    parts: Sequence[Layer], ops: Any, dys: Sequence[np.ndarray], caches: Sequence
) -> tuple[np.ndarray, Arrays]:
    """The backward of layers that read the same x: dx is the sum of what they give back."""
    dx, grads = None, {}
    for part, dy, cache in zip(parts, dys, caches, strict=True):
        more, part_grads = part.backward(ops, dy, cache)
        dx, grads = both(dx, more), add(grads, part_grads)
    return dx, grads
