"""A student learns from a teacher (DeiT, arXiv 2012.12877): the losses are in ops/distillation.py, and here their run.

The teacher is any function from raw images to logits: another minivit model, a PyTorch network, a table of votes. It
sees what the student sees, the augmented image, so its answers cannot be computed beforehand.
"""

import functools
from collections.abc import Callable

import numpy as np

from ..model import Classifier, ViT
from ..model.images import as_pixels
from .config import TrainConfig

Teacher = Callable[[np.ndarray], np.ndarray]
"""Raw images (B, height, width, C), floats in [0, 1], NumPy's -> logits (B, K). Threads call it side by side, a shard
of a batch each. A model of ours is taken too, and is given the images as it needs them, normalised."""


def check_teacher(
    teacher: Teacher | Classifier | None, model: ViT, images: np.ndarray, config: TrainConfig
) -> Teacher | None:
    """The teacher as `distillation_loss_and_grads` takes it; None for a recipe without distillation.

    Raises ValueError where teacher, recipe and student do not go together, or where it cannot answer for an image.
    """
    if (teacher is None) != (config.distillation is None):
        given = "no teacher" if teacher is None else "a teacher"
        raise ValueError(f"{given} was given, and the recipe's distillation is {config.distillation!r}: expected both")
    if teacher is None:
        return None
    if not callable(teacher):
        raise TypeError(f"the teacher is a {type(teacher).__name__}, expected a callable: raw images -> logits (B, K)")
    if not getattr(model.config, "distilled", False):  # only a ViT's configuration knows of it
        raise ValueError("the student has no distillation token: its configuration needs distilled=True")
    teacher = functools.partial(_answer, teacher) if isinstance(teacher, Classifier) else teacher
    _ask(teacher, as_pixels(images[:2], model.dtype), model)
    return teacher


def distillation_loss_and_grads(
    model: ViT,
    teacher: Teacher,
    pixels: np.ndarray,
    labels: np.ndarray,
    config: TrainConfig,
    rng: np.random.Generator | None = None,
) -> tuple[float, dict[str, np.ndarray]]:
    """The recipe's distillation loss of a batch, and its gradient for every parameter of the student.

    pixels (B, height, width, C), raw and augmented, as the teacher gets them; labels (B,); rng switches dropout on.
    """
    ops, answers = model.device.ops, _ask(teacher, pixels, model)
    logits, cache = model.forward_both(model.normalize(pixels), rng)
    arguments = *logits, model.device.asarray(labels), answers, config.distillation_weight
    if config.distillation == "hard":
        loss, loss_cache = ops.hard_distillation_forward(*arguments, config.label_smoothing)
        dlogits = ops.hard_distillation_backward(1.0, loss_cache)
    else:
        loss, loss_cache = ops.soft_distillation_forward(*arguments, config.temperature, config.label_smoothing)
        dlogits = ops.soft_distillation_backward(1.0, loss_cache)
    return float(loss), model.backward_both(dlogits, cache, with_dx=False)[0]


def _answer(teacher: Classifier, pixels: np.ndarray) -> np.ndarray:
    return teacher.device.to_numpy(teacher(teacher.normalize(pixels)))


def _ask(teacher: Teacher, pixels: np.ndarray, model: ViT) -> np.ndarray:
    """The teacher's logits, on the student's device. Raises TypeError or ValueError for what are no logits."""
    answers = np.asarray(teacher(np.array(model.device.to_numpy(pixels))))  # a copy: it may do with it what it likes
    expected = len(pixels), model.config.classes
    if answers.shape != expected:
        raise ValueError(f"the teacher's logits have shape {answers.shape}, expected {expected}")
    real = np.issubdtype(answers.dtype, np.floating) or np.issubdtype(answers.dtype, np.integer)  # votes, say
    if not real or not np.isfinite(answers).all():
        raise ValueError(f"the teacher's logits ({answers.dtype}) are not all finite numbers")
    return model.device.asarray(answers.astype(model.dtype))
