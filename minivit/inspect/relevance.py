"""Which patches speak for a class: attention, weighted by how much the class's logit depends on it.

Chefer, Gur and Wolf, "Generic attention-model explainability", arXiv 2103.15679, equations 5 and 6. The gradient of an
attention weight is the dP that attention's backward makes on its way to the queries and keys (ops/attention.py): here
the model runs with operations that note it down.
"""

from types import SimpleNamespace

import numpy as np

from .. import ops
from ..device import Cpu
from ..model import ViT
from .attention import seen_by_head


def class_relevance(model: ViT, images: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """How much each patch speaks for a class: raw images (B, height, width, C) -> (B, gh, gw), 0 or more.

    classes (B,): the class to ask about in each image, if not given the one that the model says. That each token is
    relevant to itself (the sum starts from I) is left out: in the mean over all patches it would hide the rest.
    Raises ValueError for a model without classes.
    """
    R = relevance_rollout(*attention_gradients(model, images, classes))
    return seen_by_head(R - np.eye(model.config.tokens, dtype=R.dtype), model.config)


def relevance_rollout(weights: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """R ← R + Ā R, block by block, from R = I;  Ā = the heads' mean of (∂logit/∂A ⊙ A)⁺.  (L, B, H, N, N) -> (B, N, N).

    An attention weight counts by how much the logit would fall without it; what speaks against the class is left out.
    """
    B, N = weights.shape[1], weights.shape[-1]
    R = np.broadcast_to(np.eye(N, dtype=weights.dtype), (B, N, N))
    for A, dA in zip(weights, gradients, strict=True):
        R = R + np.maximum(dA * A, 0).mean(axis=1) @ R
    return R


def attention_gradients(
    model: ViT, images: np.ndarray, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The attention weights A and ∂logit/∂A of a class: raw images (B, …) -> two arrays (L, B, H, N, N).

    One forward and one backward, in NumPy wherever the model computes. classes as in `class_relevance`. Axial blocks
    attend twice, so there are 2L of both: along rows and along columns in turn, 0 off the line.
    """
    config = model.config
    if not config.classes:
        raise ValueError("the model has no classes (classes=0), expected one with a head: relevance asks about a class")
    noting = ViT(config, params=model.numpy_params())
    noting.device = recorder = Recorder()
    logits, cache = noting.forward(noting.normalize(images))
    classes = logits.argmax(axis=1) if classes is None else np.asarray(classes)
    if classes.shape != (len(logits),) or not ((classes >= 0) & (classes < config.classes)).all():
        raise ValueError(f"classes are {classes}, expected {len(logits)} integers in 0 … {config.classes - 1}")
    dlogits = np.zeros_like(logits)
    dlogits[np.arange(len(logits)), classes] = 1
    noting.backward(dlogits, cache)  # images do not mix, so each gets the gradient of its own logit
    weights, gradients = zip(*reversed(recorder.steps), strict=True)
    return np.stack(weights), np.stack(gradients)


class Recorder(Cpu):
    """A device that computes as the CPU does, and keeps A and dA of each attention that it runs backward."""

    def __init__(self) -> None:
        self.steps: list[tuple[np.ndarray, np.ndarray]] = []  # the last block first
        self.ops = SimpleNamespace(**vars(ops))
        self.ops.multihead_attention_backward = self._backward
        self.ops.axial_attention_backward = self._axial_backward

    def _backward(self, dy: np.ndarray, cache: tuple) -> tuple:
        self.steps.append(attention_weights_backward(dy, cache))
        return ops.multihead_attention_backward(dy, cache)

    def _axial_backward(self, dy: np.ndarray, cache: tuple) -> tuple:
        lines, grid, along = cache
        self.steps.append(
            tuple(off_lines(A, grid, along) for A in attention_weights_backward(ops.to_lines(dy, grid, along), lines))
        )
        return ops.axial_attention_backward(dy, cache)


def attention_weights_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """`multihead_attention_backward`, only as far as the weights P of `y = [P_1 V_1 … P_H V_H] W_proj + b_proj`:

    dout = dy W_projᵀ, by heads;   dP = dout Vᵀ.      dy (B, N, D) -> P and dP, both (B, H, N, N).
    """
    _, (_, _, v, _, weights, *_), (_, proj_weight, _), heads = cache
    B, N, D = dy.shape
    dout = (dy @ proj_weight.T).reshape(B, N, heads, D // heads).swapaxes(1, 2)
    return weights, dout @ v.swapaxes(-1, -2)


def off_lines(weights: np.ndarray, grid: tuple[int, int], along: str) -> np.ndarray:
    """Attention within the rows or columns of a grid, (B·lines, H, n, n) -> (B, H, N, N) with 0 off the line."""
    gh, gw = grid
    lines, H = (gh if along == "row" else gw), weights.shape[1]
    by_line = weights.reshape(-1, lines, *weights.shape[1:])
    full = np.zeros_like(weights, shape=(len(by_line), H, gh, gw, gh, gw))
    for i in range(lines):
        line = (i, slice(None), i, slice(None)) if along == "row" else (slice(None), i, slice(None), i)
        full[(slice(None), slice(None), *line)] = by_line[:, i]
    return full.reshape(len(by_line), H, gh * gw, gh * gw)
