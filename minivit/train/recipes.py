"""The recipes for handwritten digits that are known to work: a small model, and how it is trained.

PRESETS are those of the ViT. Every other architecture has one, a row of RECIPES, which `train_mnist(architecture=…)`
and `python -m minivit train --architecture …` find by its name. All have about as many parameters as the ViT.
"""

import dataclasses
from typing import Any, NamedTuple

from .. import family
from ..data import MNIST_MEAN, MNIST_STD
from ..messages import choices, short
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


_SMALL_STEM = dict(stem_width=16, stem_kernel=3, stem_pool=False)

RECIPES: dict[str, Recipe] = {
    # Basic units on maps of 14 x 14, 7 x 7 and 4 x 4.
    "resnet": Recipe(
        "ResNet",
        _SMALL_STEM | dict(depths=(1, 1, 1), widths=(16, 32, 52), inner=None),
        TrainConfig(epochs=20, learning_rate=8e-3),
    ),
    # The same maps, bottleneck units.
    "bit": Recipe(
        "BiT",
        _SMALL_STEM | dict(depths=(1, 2, 1), widths=(32, 64, 128), inner=(16, 28, 40), groups=4),
        TrainConfig(epochs=16, learning_rate=8e-3),
    ),
    # A ResNet of one stage before the patches, which leaves a map of 7 x 7.
    "hybrid": Recipe(
        "ViT",
        dict(stem=(1,), stem_width=16, patch_size=1, width=48, depth=2, heads=4, mlp_ratio=3),
        TrainConfig(epochs=20, learning_rate=5e-3),
    ),
    # Maps of 7 x 7 and 4 x 4 tokens in windows of 4 x 4: zeros continue the first to 8 x 8, and it is shifted by 2.
    "swin": Recipe(
        "Swin",
        dict(patch_size=4, width=24, depths=(2, 2), heads=(3, 6), window=4, mlp_ratio=2.5),
        TrainConfig(epochs=40, learning_rate=8e-3),
    ),
    # Version 2: patches of 7 x 7 that overlap, 4 apart, whose tokens look at a map of half the side; then 4 x 4 tokens.
    "pvt": Recipe(
        "PVT",
        dict(version=2, widths=(24, 48), depths=(1, 2), heads=(1, 2), strides=(4, 2), patch_sizes=(7, 3))
        | dict(reductions=(2, 1), mlp_ratios=(2, 2)),
        TrainConfig(epochs=40, learning_rate=5e-3),
    ),
    # Inverted residuals on 14 x 14 places, then on 7 x 7, whose tokens are resized to 8 x 8 for their patches of 2 x 2.
    "mobilevit": Recipe(
        "MobileViT",
        dict(stem_width=16, widths=(16, 24), strides=(1, 2), units=(1, 1), expansions=(2, 2), last_width=64)
        | dict(token_widths=(0, 48), depths=(0, 2)),
        TrainConfig(epochs=20, learning_rate=5e-3),
    ),
}
ARCHITECTURES = ("vit", *RECIPES)


def recipe(architecture: str, preset: str | None, data: str) -> tuple[Any, TrainConfig]:
    """The configuration of an architecture's model for digits, and how it is trained. preset: of the ViT's recipes.

    Raises ValueError for unknown names, and for a preset of another architecture than the ViT.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {short(architecture)}, {choices(architecture, ARCHITECTURES)}")
    if architecture == "vit":
        preset = preset or ("default" if data == "digits" else "full")
        if preset not in PRESETS:
            raise ValueError(f"preset is {short(preset)}, {choices(preset, PRESETS)}")
        return PRESETS[preset]
    if preset is not None:
        raise ValueError(f"preset is {preset!r}, which is a recipe of the ViT: leave it out for {architecture!r}")
    model, options, train = RECIPES[architecture]
    return family.kind(model).Config(**_EYES | options), train
