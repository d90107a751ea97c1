"""What is timed: a model, a batch, its shards, and what a piece of work is. A case travels as JSON to each side."""

import dataclasses
import json
from dataclasses import dataclass

import numpy as np

from minivit import TrainConfig, ViTConfig
from minivit.devices.workers import cores


@dataclass(frozen=True)
class Case:
    """A model and a piece of work with it:

    "step"     forward, cross-entropy, backward, clipping by norm, AdamW; no augmentation
    "epoch"    such steps, with augmentation, over `images`, and an evaluation of a quarter as many
    "forward"  the logits of `batch` images, with all cores
    """

    model: ViTConfig
    batch: int
    shard: int
    work: str = "step"
    images: int = 0
    workers: int = 0  # threads or processes of each rival; 0: one a core

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Case":
        options = json.loads(text)
        return cls(**options | {"model": ViTConfig(**options["model"])})

    @property
    def recipe(self) -> TrainConfig:
        moved = {} if self.work == "epoch" else {"shift": 0, "rotation": 0, "scale": 0}
        return TrainConfig(batch_size=self.batch, shard_size=self.shard, **moved)

    def data(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Random images (count, height, width, C), uint8, as they lie in data sets, and labels."""
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (count, *self.model.image_shape), dtype=np.uint8)
        return images, rng.integers(0, self.model.classes, count)


_DIGITS = ViTConfig(image_size=28, patch_size=7, channels=1, classes=10, width=48, depth=3, heads=4, mlp_ratio=2)
_WIDER = dataclasses.replace(_DIGITS, width=64, depth=4)
STEPS = {
    "default": Case(_DIGITS, 128, 64),
    "full": Case(_WIDER, 128, 64),
    "28² in 4²": Case(dataclasses.replace(_WIDER, patch_size=4), 128, 32),
    "ViT-Ti/16": Case(ViTConfig(image_size=224, patch_size=16, width=192, depth=12, heads=3), 16, 4),
}
OTHERS = {
    "epoch of 8,000": Case(_DIGITS, 128, 64, "epoch", images=8000),
    "2,000 forward": Case(_DIGITS, 2000, 64, "forward"),
}
# From "full", one size at a time.
SCALING = {
    "batch": {2 * n: Case(_WIDER, 2 * n, n) for n in (8, 16, 32, 64, 128)},
    "tokens": {
        1 + (28 // p) ** 2: Case(dataclasses.replace(_WIDER, patch_size=p), 128, n)
        for p, n in ((14, 64), (7, 64), (4, 32), (2, 8))
    },
    "width": {
        D: Case(dataclasses.replace(_WIDER, width=D), 128, n) for D, n in ((32, 64), (64, 64), (128, 32), (256, 16))
    },
    "workers": {n: Case(_WIDER, 128, 128 // max(n, 2), workers=n) for n in sorted({1, 2, cores()})},
}
