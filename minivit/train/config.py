"""TrainConfig: the recipe of a training run, without the data and the model."""

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The defaults suit a small ViT on digits; see mnist.py for the presets."""

    epochs: int = 10
    batch_size: int = 128
    shard_size: int = 64  # images a thread takes at a time
    learning_rate: float = 3e-3  # at the end of the warm-up
    warmup: float = 0.1  # part of all steps
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    shift: float = 2.0  # augmentation, see augment.py: ± pixels,
    rotation: float = 10.0  # ± degrees,
    scale: float = 0.1  # 1 ± this factor

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in ("epochs", "batch_size", "shard_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}, expected a whole number of at least 1")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected a positive number")
        for name in ("weight_decay", "shift", "rotation"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected 0 or more")
        for name in ("warmup", "label_smoothing", "scale"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected a part in [0, 1)")

    def to_dict(self) -> dict:
        """For JSON; `TrainConfig(**d)` is the way back."""
        return dataclasses.asdict(self)
