"""AdamW (Loshchilov & Hutter, arXiv 1711.05101) over one flat buffer: a few array expressions for all of it."""

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

SLOW = 0.1  # of the learning rate, for parameters that a recipe calls slow
CHUNK = 2**15  # parameters that an update takes at a time: their dozen arrays then stay in the cache


class FlatParameters:
    """All parameters of a model in one buffer, and the model's dict made of views into it.

    `buffer` (P,) is the one array that training changes in place; `decay` (P,) is 1 where weight decay applies: on the
    dense weights and convolutions, not on biases, norms, LayerScale, positions, relative tables and the class token.
    `groups`: parts of the buffer, and the learning rate's factor there: SLOW where one of `slow` is in a name, or 1.
    """

    def __init__(self, params: dict[str, np.ndarray], slow: Sequence[str] = ()) -> None:
        def is_slow(name: str) -> bool:
            return any(part in name for part in slow)

        # The odd sizes last: then all others begin at a multiple of 16 bytes, which a GPU's 16-byte loads need.
        self.names = sorted(params, key=lambda name: (params[name].size % 4 != 0, is_slow(name)))
        self.shapes = [params[name].shape for name in self.names]
        self.groups: list[tuple[slice, float]] = []
        start = 0
        for slowly, names in groupby(self.names, is_slow):
            end = start + sum(int(np.prod(params[name].shape)) for name in names)
            self.groups.append((slice(start, end), SLOW if slowly else 1.0))
            start = end
        self.buffer = self.flatten(params)
        params.update(self.views(self.buffer))
        self.decay = self.flatten({name: np.full_like(params[name], decays(name, params[name])) for name in self.names})

    def flatten(self, arrays: dict[str, np.ndarray], out: np.ndarray | None = None) -> np.ndarray:
        """A dict with the parameters' names and shapes -> one array (P,), `out` if given."""
        return np.concatenate([arrays[name].ravel() for name in self.names], out=out)

    def views(self, buffer: np.ndarray) -> dict[str, np.ndarray]:
        """The way back: (P,) -> a dict of views."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        parts = np.split(buffer, ends[:-1].tolist())
        return {name: part.reshape(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}


def decays(name: str, param: np.ndarray) -> bool:
    """Does weight decay apply? To dense weights and convolutions: what multiplies, and is no norm."""
    return name.endswith(".weight") and param.ndim >= 2


def adamw_update(
    theta: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    grads: np.ndarray,
    decays: np.ndarray,
    learning_rate: float,
    betas: tuple[float, float],
    eps: float,
    decay: float,
    step: int,
) -> None:
    """One update of theta, mean and square (P,), in place, from grads (P,); step counts from 1:

    m ← β₁ m + (1−β₁) g,   v ← β₂ v + (1−β₂) g²,   θ ← θ − lr · decay · θ   where `decays` (P,) is 1,
    θ ← θ − lr · m̂ / (√v̂ + ε),   where m̂ = m / (1−β₁ᵗ) and v̂ = v / (1−β₂ᵗ) undo the start at zero.
    """
    beta1, beta2 = betas
    for start in range(0, len(theta), CHUNK):
        part = slice(start, start + CHUNK)
        t, m, v, g = theta[part], mean[part], square[part], grads[part]
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        t -= (learning_rate * decay) * decays[part] * t
        root = np.sqrt(v / (1 - beta2**step))
        t -= (learning_rate / (1 - beta1**step)) * m / (root + eps)


class AdamW:
    """Adam with decoupled weight decay. `mean` and `square` (P,) are the running averages, `steps` counts from 0.

    state: what a checkpoint keeps, beside `steps`.

    update: `adamw_update`, or a GPU's kernel with its signature.
    """

    def __init__(
        self,
        params: FlatParameters,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        decay: float = 0.0,
        update: Callable[..., None] = adamw_update,
    ) -> None:
        self.state = ("mean", "square")
        self.params, self.betas, self.eps, self.decay, self.update = params, betas, eps, decay, update
        self.mean = np.zeros_like(params.buffer)
        self.square = np.zeros_like(params.buffer)
        self.steps = 0

    def step(self, grads: np.ndarray, learning_rate: float) -> None:
        """One update of the parameters' buffer from grads (P,)."""
        self.steps += 1
        buffers = self.params.buffer, self.mean, self.square, grads, self.params.decay
        for part, factor in self.params.groups:
            own = (buffer[part] for buffer in buffers)
            self.update(*own, learning_rate * factor, self.betas, self.eps, self.decay, self.steps)


def clip_by_norm(grads: np.ndarray, largest: float) -> float:
    """Scale grads (P,), in place, to a length of at most `largest`, unless that is infinite; returns the length."""
    norm = float(np.linalg.norm(grads))
    if largest < norm < np.inf:
        grads *= largest / norm
    return norm
