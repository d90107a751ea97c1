"""Peek: what flows through a chain at one place, forward and back, without changing it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .layer import Arrays, Rng


class Peek:
    """Chain(norm, Peek("after the norm"), attention): y = x, and what passes is shown.

    show(text, array) is called with "after the norm: y" on the way there and "after the norm: dy" on the way back; if
    it is not given, a line is printed: shape, mean, standard deviation, largest magnitude.
    """

    parameters, parts = (), ()

    def __init__(self, name: str, show: Callable[[str, np.ndarray], object] | None = None) -> None:
        self.name, self.show = name, show or _print

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple:
        return self(ops, p, x), None

    def backward(self, ops: Any, dy: np.ndarray, cache: None) -> tuple[np.ndarray, Arrays]:
        self.show(f"{self.name}: dy", dy)
        return dy, {}

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> np.ndarray:
        self.show(f"{self.name}: y", x)
        return x

    def __repr__(self) -> str:
        return f"Peek({self.name!r})"


def _print(text: str, x: np.ndarray) -> None:
    mean, std, largest = float(x.mean()), float(x.std()), float(abs(x).max())
    print(f"{text} {x.shape}  mean {mean:+.3g}  std {std:.3g}  max|.| {largest:.3g}")
