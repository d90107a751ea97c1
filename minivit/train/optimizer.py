"""AdamW (Loshchilov & Hutter, arXiv 1711.05101) over one flat buffer: a few array expressions for all of it."""

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

SLOW = 0.1  # of the learning rate, for parameters that a recipe calls slow
CHUNK = 2**15  # parameters that an update takes at a time: their dozen arrays then stay in the cache


class FlatParameters:
    """All parameters of a model in one buffer, and the model's dict made of views into it.

    `buffer` (P,) is the one array that training changes in place; `places` has each name's part of it, and its shape.
    `groups`: parts of the buffer, each with its learning rate's factor (SLOW where one of `slow` is in a name, else 1)
    and how many of its numbers decay, the first: dense weights and convolutions, no biases, norms, positions, tokens.
    """

    def __init__(self, params: dict[str, np.ndarray], slow: Sequence[str] = ()) -> None:
        def order(name: str) -> tuple[bool, bool, bool]:
            # The odd sizes last: then all others begin at a multiple of 16 bytes, which a GPU's 16-byte loads need.
            return params[name].size % 4 != 0, any(part in name for part in slow), not decays(name, params[name])

        self.places: dict[str, tuple[slice, tuple[int, ...]]] = {}
        self.groups: list[tuple[slice, float, int]] = []
        end = 0
        for (_, is_slow), names in groupby(sorted(params, key=order), lambda name: order(name)[:2]):
            start, decayed = end, 0
            for name in names:
                self.places[name] = slice(end, end := end + params[name].size), params[name].shape
                decayed = end - start if decays(name, params[name]) else decayed
            self.groups.append((slice(start, end), SLOW if is_slow else 1.0, decayed))
        self.buffer = self.flatten(params)
        params.update(self.views(self.buffer))

    def flatten(self, arrays: dict[str, np.ndarray], out: np.ndarray | None = None, factor: float = 1.0) -> np.ndarray:
        """A dict with the parameters' names and shapes, times a factor -> one array (P,), `out` if given."""
        if factor == 1:
            return np.concatenate([arrays[name].ravel() for name in self.places], out=out)
        out = np.empty_like(self.buffer) if out is None else out
        for name, part in self.views(out).items():  # times the factor on the way: the whole would not stay in a cache
            np.multiply(arrays[name], factor, out=part)
        return out

    def views(self, buffer: np.ndarray) -> dict[str, np.ndarray]:
        """The way back: (P,) -> a dict of views."""
        return {name: buffer[place].reshape(shape) for name, (place, shape) in self.places.items()}


def decays(name: str, param: np.ndarray) -> bool:
    """Does weight decay apply? To dense weights and convolutions: what multiplies, and is no norm."""
    return name.endswith(".weight") and param.ndim >= 2


def adamw_update(
    theta: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    grads: np.ndarray,
    decayed: int,
    learning_rate: float,
    betas: tuple[float, float],
    eps: float,
    decay: float,
    step: int,
) -> None:
    """One update of theta, mean and square (P,), in place, from grads (P,); step counts from 1:

    m ← β₁ m + (1−β₁) g,   v ← β₂ v + (1−β₂) g²,   θ ← θ − lr · decay · θ   for the first `decayed`,
    θ ← θ − lr · m̂ / (√v̂ + ε),   where m̂ = m / (1−β₁ᵗ) and v̂ = v / (1−β₂ᵗ) undo the start at zero.
    """
    beta1, beta2 = betas
    for start in range(0, len(theta), CHUNK):
        part = slice(start, start + CHUNK)
        t, m, v, g = theta[part], mean[part], square[part], grads[part]
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        t[: max(0, decayed - start)] *= 1 - learning_rate * decay
        root = np.sqrt(v / (1 - beta2**step))
        t -= (learning_rate / (1 - beta1**step)) * m / (root + eps)


class AdamW:
    """Adam with decoupled weight decay. `mean` and `square` (P,) are the running averages, `steps` counts from 0.

    state: what a checkpoint keeps, beside `steps`. update: `adamw_update`, or a GPU's kernel with its signature.
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
        for part, factor, decayed in self.params.groups:
            own = (buffer[part] for buffer in (self.params.buffer, self.mean, self.square, grads))
            self.update(*own, decayed, learning_rate * factor, self.betas, self.eps, self.decay, self.steps)


def clip_by_norm(grads: np.ndarray, largest: float) -> float:
    """Scale grads (P,), in place, to a length of at most `largest`, unless that is infinite; returns the length."""
    norm = float(np.linalg.norm(grads))
    if largest < norm < np.inf:
        grads *= largest / norm
    return norm
