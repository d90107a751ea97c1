"""Layers as values: a model is described once, and its forward, its backward, its parameters and shapes follow.

    y, cache = layer.forward(ops, p, x, rng)          dx, grads = layer.backward(ops, dy, cache)

A layer holds no numbers: it knows the names of what it reads in the dict p. ops is minivit.ops, or a device's
operations of the same names (see devices/). Here are an operation as a layer, and the two joints of a ViT: one after
the other, and the sum with a shortcut. Every gradient is derived by hand, here and in ops/. Next: parts.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .table import Shown

Arrays = dict[str, np.ndarray]
Rng = np.random.Generator | None  # the source of dropout in training; None: nothing is dropped (evaluation)
STILL: Any = object()  # in a generator's place: training (by_batch) in which nothing is dropped; None is evaluation


@dataclass(frozen=True)
class Parameter:
    """What a layer declares: a name, a shape, and how it starts, N(mean, std²). None is allocated by a description."""

    name: str
    shape: tuple[int, ...]
    std: float = 0.0
    mean: float = 0.0
    dense: bool = False  # with init="fan_in" the standard deviation is 1/√in
    fixed: Callable[[], np.ndarray] | None = None  # makes a constant, which no training changes; a buffer starts so
    start: Callable[[], np.ndarray] | None = None  # makes its first values, where they are not drawn
    buffer: bool = False  # in files, but no gradient changes it: where one would come back stands its new value, if any


class Op:
    """An operation: y = op(x, *reads, **options). A read is a Parameter of its own, another's name, or None.

    "linear" is ops.linear_forward and ops.linear_backward. noise: it takes the rng. by_batch: it takes `training`.
    alone: a dict of further options for the forward alone, which no backward follows.
    """

    def __init__(
        self, op: str, *reads: Parameter | str | None, noise: bool = False, by_batch: bool = False, **options: Any
    ) -> None:
        self.alone = options.pop("alone", {})
        self.op, self.noise, self.by_batch, self.options = op, noise, by_batch, options
        self._forward, self._backward = f"{op}_forward", f"{op}_backward"
        self.parameters = tuple(read for read in reads if isinstance(read, Parameter))
        self.reads = tuple(read.name if isinstance(read, Parameter) else read for read in reads)
        self.parts = ()

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None, **told: Any) -> tuple:  # told: as alone
        told |= {"rng": None if rng is STILL else rng} if self.noise else {}
        told |= {"training": rng is not None} if self.by_batch else {}
        try:
            values = [name and p[name] for name in self.reads]  # None stays None
            return getattr(ops, self._forward)(x, *values, **self.options, **told)
        except Exception as error:
            error.add_note(f"in {self!r}, whose input is {_shape(x)}")
            raise

    def backward(self, ops: Any, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Arrays]:
        try:
            gradients = getattr(ops, self._backward)(dy, cache)
        except Exception as error:
            error.add_note(f"in the backward of {self!r}, whose dy is {_shape(dy)}")
            raise
        dx, *more = gradients if isinstance(gradients, tuple) else (gradients,)
        grads: Arrays = {}
        for name, grad in zip(self.reads, more, strict=False):  # a constant has no gradient; a bias left out has None
            if name is not None and grad is not None:
                add(grads, {name: grad})
        return dx, grads

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> np.ndarray:
        return self.forward(ops, p, x, **self.alone)[0]

    def __repr__(self) -> str:
        return f"{self.op}({', '.join([*filter(None, self.reads), *(f'{k}={v}' for k, v in self.options.items())])})"


class Chain(Shown):
    """One after the other: the backward of f(g(x)) goes through f first, then through g."""

    def __init__(self, *layers: "Layer") -> None:
        self.parts = layers
        self.parameters = tuple(parameter for layer in layers for parameter in layer.parameters)

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple:
        caches = []
        for layer in self.parts:
            x, cache = layer.forward(ops, p, x, rng)
            caches.append(cache)
        return x, caches

    def backward(self, ops: Any, dy: np.ndarray, caches: list) -> tuple[np.ndarray, Arrays]:
        if len(caches) != len(self.parts):
            raise ValueError("the cache was used up: it serves one backward, so run the forward again")
        grads: Arrays = {}
        for layer in reversed(self.parts):
            dy, more = layer.backward(ops, dy, caches.pop())  # let go at once: memory falls on the way back
            add(grads, more)
        return dy, grads

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> np.ndarray:
        """The forward alone: each cache is let go at once, so a deep model needs no more memory than one layer."""
        for layer in self.parts:
            x = layer(ops, p, x)
        return x


class Residual(Shown):
    """y = x + branch(x), so dx = dy + what the branch gives back. Where shapes differ, y = shortcut(x) + branch(x)."""

    def __init__(self, *branch: "Layer", shortcut: "Layer | None" = None) -> None:
        self.branch, self.shortcut = Chain(*branch), shortcut or Chain()  # an empty chain hands x through
        self.parts = (self.branch, self.shortcut) if shortcut else self.branch.parts
        self.parameters = self.shortcut.parameters + self.branch.parameters

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple:
        h, branch = self.branch.forward(ops, p, x, rng)
        x, shortcut = self.shortcut.forward(ops, p, x, rng)
        return x + h, (branch, shortcut)

    def backward(self, ops: Any, dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, Arrays]:
        branch, shortcut = cache
        dh, grads = self.branch.backward(ops, dy, branch)
        dx, more = self.shortcut.backward(ops, dy, shortcut)
        return both(dx, dh), add(grads, more)

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> np.ndarray:
        return self.shortcut(ops, p, x) + self.branch(ops, p, x)


Layer = Any  # Op, Chain, Residual, or anything else with forward, backward, a call, parameters and parts


def add(grads: Arrays, more: Arrays) -> Arrays:
    """What is read in two places has the sum of two gradients."""
    for name, grad in more.items():
        grads[name] = grads[name] + grad if name in grads else grad
    return grads


def both(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    """The sum of two gradients, None where there is none: what starts from a value (let.py) has looked at no x."""
    return b if a is None else a if b is None else a + b


def _shape(x: Any) -> Any:
    return getattr(x, "shape", type(x).__name__)
