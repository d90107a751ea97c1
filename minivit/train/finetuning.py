"""A trained model learns another task, or larger images: fine-tuning as the ViT paper does it (3.2 and B.1.1)."""

import dataclasses
import os

import numpy as np

from ..model import Classifier, ViT
from ..model.parameters import declared
from ..model.resolution import at_resolution
from ..model.vit import head_names
from .config import TrainConfig
from .distillation import Teacher
from .loop import fit
from .probe import PROBE, fit_head
from .trainer import Trainer

# The paper's: SGD with momentum, a cosine, no weight decay, batches of 512. It looks for the rate in .001 … .06.
FINETUNE = TrainConfig(
    epochs=10, batch_size=512, optimizer="sgd", momentum=0.9, learning_rate=0.03, warmup=0.05, weight_decay=0.0,
    clip_norm=1.0, shift=0.0, rotation=0.0, scale=0.0,
)  # fmt: skip
SHARD_TOKENS = 4096  # what a thread takes at a time: 64 images of 50 tokens, 20 of 197, 7 of 577


def finetune(
    model: ViT,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    image_size: int | tuple[int, int] | None = None,
    classes: int | None = None,
    freeze: str | None = None,
    recipe: TrainConfig | None = None,
    position_resize: str | None = None,
    teacher: Teacher | None = None,
    seed: int = 0,
    workers: int | None = None,
    parallel: str | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> tuple[ViT, list[dict[str, float]]]:
    """Train a copy of `model` on raw images (n, height, width, C) and labels (n,). Returns it, and its history.

    image_size       of the images, which you resize; the model's own if not given; its positions are resized to it
    classes          of the new task, the model's own if not given; another number replaces the head, and a pre_logits
                     layer with it, by a single layer of zeros: at first every class is as likely
    freeze           None trains everything; "backbone" the head alone, on features that are computed once (probe.py)
    recipe           FINETUNE if not given, with smaller batches and shards where images are few or large; PROBE with
                     freeze="backbone". To change one: dataclasses.replace(minivit.train.PROBE, epochs=5)
    position_resize  a rule of ops/resize.py instead of the model's
    teacher          for a recipe with distillation: see distillation.py
    seed, workers, parallel, checkpoint, progress   as for Trainer and fit; a frozen backbone needs no checkpoint, and
                     its head is trained in threads, by each rank for itself

    Raises ValueError or TypeError for what does not fit together; the errors of Trainer and fit.
    """
    if not isinstance(model, ViT):
        hint = "other models are trained by a Trainer" if isinstance(model, Classifier) else "load it first"
        raise TypeError(f"model is a {type(model).__name__}, expected a ViT: {hint}")
    if recipe is not None and not isinstance(recipe, TrainConfig):
        raise TypeError(f"recipe is a {type(recipe).__name__}, expected a TrainConfig")
    if freeze not in (None, "backbone"):
        raise ValueError(f"freeze is {freeze!r}, expected None or 'backbone'")
    model = for_task(model, image_size, classes, position_resize)
    train, test = (train_images, train_labels), (test_images, test_labels)
    if freeze:
        if teacher is not None or checkpoint is not None:
            raise ValueError("a frozen backbone takes no teacher and no checkpoint: its head is trained in one go")
        return fit_head(model, *train, *test, recipe or PROBE, seed=seed, workers=workers, progress=progress)
    recipe = recipe or dataclasses.replace(
        FINETUNE,
        batch_size=max(1, min(FINETUNE.batch_size, len(train_images))),
        shard_size=max(1, min(FINETUNE.shard_size, SHARD_TOKENS // model.config.tokens)),
    )
    trainer = Trainer(model, *train, recipe, seed, teacher=teacher)
    return model, fit(trainer, *test, workers=workers, parallel=parallel, checkpoint=checkpoint, progress=progress)


def for_task(
    model: ViT,
    image_size: int | tuple[int, int] | None = None,
    classes: int | None = None,
    position_resize: str | None = None,
) -> ViT:
    """A copy of the model for images of another size, or with a new head of zeros; arguments as in `finetune`."""
    size = model.config.image_size if image_size is None else image_size
    config, params = at_resolution(model.config, model.params | model.buffers, size, position_resize)
    if classes is not None and classes != config.classes:
        config = dataclasses.replace(config, classes=classes, representation_size=None)
    old, params, like = params, {}, next(iter(params.values()))
    heads = head_names(config) if config.classes != model.config.classes else ()
    for name, parameter in declared(model.describe(config)).items():
        new = name.rpartition(".")[0] in heads
        params[name] = np.zeros_like(like, shape=parameter.shape) if new else old[name].copy()
    return type(model)(config, params=params, device=model.device.name)
