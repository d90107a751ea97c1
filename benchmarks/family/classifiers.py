"""The classifiers that are compared: those of train/recipes.py, with 60,000 parameters, 5 % more or less.

Two ViTs, since the recipe's looks at 16 large patches and so has a seventh of the others' work: the second one cuts the
same image into 49, and has as many parameters to the last one.
"""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np

from minivit import family
from minivit.devices.memory import keep_freed_memory
from minivit.model.attention_maps import noting
from minivit.train import TrainConfig, Trainer
from minivit.train.recipes import recipe

NAMES = {
    "resnet": "CNN (ResNet)",
    "vit": "ViT, 16 patches",
    "vit49": "ViT, 49 patches",
    "hybrid": "hybrid",
    "swin": "Swin",
    "pvt": "PVT",
    "mobilevit": "MobileViT",
}
PLAIN = dict(shift=0.0, rotation=0.0, scale=0.0)  # no augmentation


def configuration(name: str) -> Any:
    """A classifier's configuration by its name above, or by another one that has a recipe."""
    if name == "vit49":
        return dataclasses.replace(recipe("vit", None, "digits")[0], patch_size=4)
    return recipe(name, None, "digits")[0]


def build(config: Any, seed: int) -> Any:
    """The model of any configuration, started as the recipes' are."""
    return family.kind_of(config)(config, seed=seed, init="fan_in")


def multiplications(model: Any, layers: Any, x: np.ndarray) -> Counter[str]:
    """What it costs to run any layers of a model on x: multiply-adds by operation, counted while they are computed.
    Products alone: what is done number by number (norms, activations, softmax) is a few per cent."""
    count: Counter[str] = Counter()

    def linear(x: np.ndarray, weight: np.ndarray, *_: object, columns: Any = None, **__: object) -> None:
        wide = weight.shape[1] if columns is None else columns[1] - columns[0]
        count["linear"] += x.size * wide

    def convolution(x: np.ndarray, weight: np.ndarray, stride: int = 1, **_: object) -> None:
        count["convolution"] += _places(x, stride) * weight.size

    def depthwise(x: np.ndarray, weight: np.ndarray, *_: object, stride: int = 1, **__: object) -> None:
        count["depthwise"] += _places(x, stride) * weight.size

    def attention(qkv: np.ndarray, *_: object, **__: object) -> None:
        count["attention"] += 2 * (qkv.size // 3) * qkv.shape[-2]

    def cross_attention(q: np.ndarray, kv: np.ndarray, *_: object, **__: object) -> None:
        count["attention"] += 2 * q.size * kv.shape[-2]

    def resample(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
        B, _, width, C = x.shape
        count["resample"] += B * C * (rows.size * width + rows.shape[0] * columns.size)

    notes = dict(linear=linear, linear_columns=linear, convolution=convolution, depthwise_convolution=depthwise)
    notes |= dict(self_attention=attention, cross_attention=cross_attention, resample=resample)
    ops = noting(model.device.ops, **{f"{name}_forward": note for name, note in notes.items()})
    layers(ops, model.arrays(model.layers), x)
    return count


def _places(x: np.ndarray, stride: int) -> int:
    """Of the map that a padded convolution leaves of x (B, height, width, C), all images together."""
    return len(x) * -(-x.shape[1] // stride) * -(-x.shape[2] // stride)


def flops(model: Any) -> int:
    """Of an image's logits: two for each multiply-add."""
    image = np.zeros((1, *model.config.image_shape), model.dtype)
    return 2 * sum(multiplications(model, model.layers, image).values())


class Alone:
    """Who takes a batch's shards: nobody but this thread, so that CPU seconds are the work's and no waiting."""

    map = staticmethod(map)


def train(model: Any, images: np.ndarray, labels: np.ndarray | None, recipe: TrainConfig, seed: int) -> float:
    """To the end of the recipe, with no evaluation on the way. Returns the mean loss of the last epoch."""
    keep_freed_memory()
    trainer = Trainer(model, images, labels, recipe, seed)
    losses = [trainer.step(Alone()) for _ in range(trainer.steps)]
    return float(np.mean(losses[-trainer.steps_per_epoch :]))
