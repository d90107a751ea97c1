"""Boxes that are made better round after round: each round looks where the one before has said that there is something.

    x_r = round_r(x_(r−1), boxes_(r−1)),     logits_r, boxes_r = heads_r(x_r, boxes_(r−1))

What a round says of its boxes gets a gradient, and so do those that it starts from, if nobody has said them; but none
goes back through the boxes into the round before, which is held to its own answer (Sparse R-CNN, arXiv 2011.12450,
section 3.2, and Cascade R-CNN before it).
"""

from typing import Any

import numpy as np

from ..layers import Arrays, Layer
from ..layers.layer import Rng, add, both
from ..layers.table import Shown

BOXES = "boxes"  # (B, N, 4), what a round and its heads read, and what the first one starts from


class Iterated(Shown):
    """y = ([logits₁, logits₂, …], [boxes₁, boxes₂, …]) of pairs (round, heads), and a gradient for each of them.

    The first round reads what is let as BOXES; heads answer logits and new boxes.
    """

    def __init__(self, *rounds: tuple[Layer, Layer]) -> None:
        self.rounds = rounds
        self.parts = tuple(layer for pair in rounds for layer in pair)
        self.parameters = tuple(parameter for layer in self.parts for parameter in layer.parameters)

    def forward(self, ops: Any, p: Arrays, x: np.ndarray, rng: Rng = None) -> tuple[tuple[list, list], list]:
        answers, caches = [], []
        for step, heads in self.rounds:
            x, step_cache = step.forward(ops, p, x, rng)
            answer, heads_cache = heads.forward(ops, p, x, rng)
            p = p | {BOXES: ops.detached(answer[1])}
            answers.append(answer)
            caches.append((step_cache, heads_cache))
        return _by_kind(answers), caches

    def backward(self, ops: Any, dy: tuple[list, list], caches: list) -> tuple[np.ndarray, Arrays]:
        dx, grads = None, {}
        for (step, heads), *danswer in reversed(list(zip(self.rounds, *dy, strict=True))):
            grads.pop(BOXES, None)  # of the round after this one: it took the boxes as they were
            step_cache, heads_cache = caches.pop()
            dheads, more = heads.backward(ops, tuple(danswer), heads_cache)
            add(grads, more)
            dx, more = step.backward(ops, both(dx, dheads), step_cache)
            add(grads, more)
        return dx, grads

    def __call__(self, ops: Any, p: Arrays, x: np.ndarray) -> tuple[list, list]:
        answers = []
        for step, heads in self.rounds:
            x = step(ops, p, x)
            answers.append(heads(ops, p, x))
            p = p | {BOXES: ops.detached(answers[-1][1])}
        return _by_kind(answers)


def _by_kind(answers: list[tuple]) -> tuple[list, list]:
    """Of each round logits and boxes -> the logits of all, the boxes of all."""
    return [logits for logits, _ in answers], [boxes for _, boxes in answers]


class Detached:
    """y = p[name], whatever x is: the boxes that somebody looks into, to which that gives no gradient."""

    parameters, parts = (), ()

    def __init__(self, name: str) -> None:
        self.reads = (name,)

    def forward(self, ops: Any, p: Arrays, x: Any, rng: Rng = None) -> tuple[np.ndarray, None]:
        return self(ops, p, x), None

    def backward(self, ops: Any, dy: np.ndarray, cache: None) -> tuple[None, Arrays]:
        return None, {}

    def __call__(self, ops: Any, p: Arrays, x: Any) -> np.ndarray:
        return ops.detached(p[self.reads[0]])

    def __repr__(self) -> str:
        return f"Detached({self.reads[0]})"
