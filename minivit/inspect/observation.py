"""One forward of a model, and one backward where gradients are wanted, with what is looked at noted on the way.

The maps of a page (attention, rollout, relevance, tokens) all come from the same numbers, so these are computed once;
in NumPy, wherever the model computes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import ops
from ..devices import Cpu
from ..model import ViT
from ..model.attention_maps import off_lines
from ..model.vit import final_norm, vit


@dataclass
class Observation:
    """What a model did with raw images (B, height, width, C)."""

    logits: np.ndarray  # (B, K), without a head the features
    tokens: np.ndarray  # (B, N, D), at the end, as ViT.tokens
    weights: Sequence[np.ndarray]  # (B, H, N, N) each: of L blocks, or of axial ones 2L, along rows, columns in turn
    gradients: Sequence[np.ndarray] = field(default_factory=list)  # ∂logit/∂weights, where they were asked for

    def by_block(self, axial: bool) -> Sequence[np.ndarray]:
        """L times (B, H, N, N), as ViT.attention: a token of an axial block takes from its column, which has taken from
        the rows."""
        if not axial:
            return self.weights
        return [columns @ rows for rows, columns in zip(self.weights[::2], self.weights[1::2], strict=True)]


def observe(model: ViT, images: np.ndarray, classes: np.ndarray | None = None, gradients: bool = False) -> Observation:
    """Run the model forward and, with `gradients`, backward from the logit of a class: `classes` (B,), if not given the
    one that the model says of each image.

    Raises ValueError where a class is asked about that the model has not.
    """
    config = model.config
    watched = ViT(config, params=model.numpy_params())
    watched.layers = vit(config, every_token=True)
    watched.device = recorder = Recorder()
    logits, cache = watched.forward(watched.normalize(images))
    tokens = recorder.pooled
    if config.pool == "cls":  # the others' norm comes before, or is for the mean alone
        tokens = watched.run(final_norm(config), tokens)
    if gradients:
        watched.backward(_one_hot(logits, classes), cache)  # images do not mix: each gets its own logit's gradient
    return Observation(logits, tokens, recorder.weights, recorder.gradients[::-1])


def _one_hot(logits: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    B, K = logits.shape
    classes = logits.argmax(axis=1) if classes is None else np.asarray(classes)
    if classes.shape != (B,) or not ((classes >= 0) & (classes < K)).all():
        raise ValueError(f"classes are {classes}, expected {B} integers in 0 … {K - 1}")
    return np.eye(K, dtype=logits.dtype)[classes]


class Recorder(Cpu):
    """A device that computes as the CPU does, and keeps the weights A of each attention, its backward's dA, and the
    tokens that are pooled."""

    def __init__(self) -> None:
        self.weights: list[np.ndarray] = []
        self.gradients: list[np.ndarray] = []  # the last block's first
        self.pooled: np.ndarray | None = None
        self._lines: dict[str, Any] = {}  # axial attention's grid, and which way its lines run now
        self.ops = SimpleNamespace(**vars(ops))
        for name in set(dir(self)) & set(ops.__all__):  # the methods below stand in for the operations of their names
            setattr(self.ops, name, getattr(self, name))

    def self_attention_forward(self, *args: Any, **options: Any) -> tuple[np.ndarray, tuple]:
        y, cache = ops.self_attention_forward(*args, **options)
        self.weights.append(self._off_lines(attention_weights(cache)))
        return y, cache

    def self_attention_backward(self, dy: np.ndarray, cache: tuple) -> tuple:
        self.gradients.append(self._off_lines(attention_weights_backward(dy, cache)))
        return ops.self_attention_backward(dy, cache)

    def lines_forward(self, x: np.ndarray, **lines: Any) -> tuple[np.ndarray, tuple]:
        self._lines = lines
        return ops.lines_forward(x, **lines)

    def unlines_backward(self, dy: np.ndarray, cache: tuple) -> np.ndarray:
        self._lines = dict(zip(("grid", "along"), cache, strict=True))
        return ops.unlines_backward(dy, cache)

    def pool_forward(self, x: np.ndarray, **options: Any) -> tuple[np.ndarray, tuple]:
        self.pooled = x
        return ops.pool_forward(x, **options)

    def _off_lines(self, weights: np.ndarray) -> np.ndarray:
        return off_lines(weights, **self._lines) if self._lines else weights


def attention_weights(cache: tuple) -> np.ndarray:
    """The weights P (B, H, N, N) that `self_attention_forward` cached."""
    return cache[0][4]


def attention_weights_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """`self_attention_backward`, only as far as the weights P of `y = [P_1 V_1 … P_H V_H]`:

    dP = dout Vᵀ, by heads.      dy (B, N, D) -> dP (B, H, N, N).
    """
    (_, _, v, *_), heads = cache
    (dout,) = ops.split_heads(dy, 1, heads)
    return dout @ v.swapaxes(-1, -2)
