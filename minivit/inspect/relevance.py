"""Which patches speak for a class: attention, weighted by how much the class's logit depends on it.

Chefer, Gur and Wolf, "Generic attention-model explainability", arXiv 2103.15679, equations 5 and 6. The gradient of an
attention weight is the dP that attention's backward makes on its way to the queries and keys (ops/attention.py):
observation.py notes it down.
"""

from collections.abc import Sequence

import numpy as np

from ..model import ViT, ViTConfig
from .attention import seen_by_head
from .observation import Observation, observe


def class_relevance(model: ViT, images: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """How much each patch speaks for a class: raw images (B, height, width, C) -> (B, gh, gw), 0 or more.

    classes (B,): the class to ask about in each image, if not given the one that the model says. That each token is
    relevant to itself (the sum starts from I) is left out: in the mean over all patches it would hide the rest.
    Raises ValueError for a model without classes.
    """
    return observed_relevance(_with_gradients(model, images, classes), model.config)


def observed_relevance(seen: Observation, config: ViTConfig) -> np.ndarray:
    """`class_relevance` from an observation with gradients: (B, gh, gw)."""
    R = relevance_rollout(seen.weights, seen.gradients)
    return seen_by_head(R - np.eye(config.tokens, dtype=R.dtype), config)


def relevance_rollout(
    weights: np.ndarray | Sequence[np.ndarray], gradients: np.ndarray | Sequence[np.ndarray]
) -> np.ndarray:
    """R ← R + Ā R, block by block, from R = I;  Ā = the heads' mean of (∂logit/∂A ⊙ A)⁺.  (L, B, H, N, N) -> (B, N, N).

    An attention weight counts by how much the logit would fall without it; what speaks against the class is left out.
    """
    B, _, N, _ = weights[0].shape
    R = np.broadcast_to(np.eye(N, dtype=weights[0].dtype), (B, N, N))
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
    seen = _with_gradients(model, images, classes)
    return np.stack(seen.weights), np.stack(seen.gradients)


def _with_gradients(model: ViT, images: np.ndarray, classes: np.ndarray | None) -> Observation:
    if not model.config.classes:
        raise ValueError("the model has no classes (classes=0), expected one with a head: relevance asks about a class")
    return observe(model, images, classes, gradients=True)
