"""What the configurations of models in stages have in common: ResNet, BiT, Swin, PVT, MobileViT."""

import dataclasses
import math
from typing import Any


class Staged:
    """A configuration with a number for each stage. The fields are its own, and so is `stages`, where it has a grid."""

    image_size: Any
    channels: int
    depths: tuple[int, ...]
    drop_path: float
    stages: Any

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, C) of one image."""
        return (*self.image_size, self.channels)

    @property
    def tokens(self) -> int:
        """N of the first stage, which has most."""
        return math.prod(self.stages[0].grid)

    @property
    def parts(self) -> int:
        """Blocks, or units: each has parameters of its own."""
        return sum(self.depths)

    def drop_path_rate(self, block: int) -> float:
        """0 at the first of all stages' blocks, `drop_path` at the last."""
        return self.drop_path * block / max(1, sum(self.depths) - 1)

    def to_dict(self) -> dict:
        """For JSON; `type(config)(**d)` is the way back."""
        return dataclasses.asdict(self)
