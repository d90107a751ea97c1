"""TrainConfig: the recipe of a training run, without the data and the model."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from ..model.checks import as_tuple, finite_float, one_of, positive_int

OPTIMIZERS = ("adamw", "sgd")
DISTILLATIONS = ("hard", "soft")


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The defaults suit a small ViT on digits; see mnist.py for the presets.

    NumPy numbers become Python's. Raises TypeError for what is no such number, ValueError for what makes no sense.

    epochs               times that all images are seen, or that the model is looked at
    steps_per_epoch      where the data has no end, as canvases have none; of arrays an epoch sees all, whole batches
    batch_size           images a step
    shard_size           images that a thread takes at a time
    learning_rate        the largest, at the end of the warm-up; from there a cosine falls to 0
    warmup               part of all steps, in [0, 1), in which the rate rises linearly
    weight_decay         part of a weight that is taken away a step, times the rate; 0 or more
    betas                AdamW's two averages, of the gradient and of its square: what is kept of them a step, in [0, 1)
    slow                 what learns at a tenth of the rate: parameters in whose name one of these is found
    clip_norm            the gradient's largest length; a longer one is shortened to it
    optimizer            "adamw", or "sgd" with momentum
    momentum             SGD's: part of the last step that is kept, in [0, 1)
    label_smoothing      part of each label that is spread over all classes, in [0, 1)
    shift                augmentation, see augment.py: pixels, ± this
    rotation             degrees, ± this
    scale                factor, 1 ± this
    elastic              pixels by which each place is displaced, as its neighbours are: the standard deviation
    distillation         "hard" or "soft", with a teacher (see ops/distillation.py); None: learn from the labels alone
    distillation_weight  α: the teacher's part of the loss, in [0, 1]
    temperature          T, for "soft": the larger, the more the teacher's unlikely classes count
    """

    epochs: int = 10
    steps_per_epoch: int | None = None
    batch_size: int = 128
    shard_size: int = 64
    learning_rate: float = 3e-3
    warmup: float = 0.1
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    slow: tuple[str, ...] = ()
    clip_norm: float = 1.0
    optimizer: str = "adamw"
    momentum: float = 0.9
    label_smoothing: float = 0.0
    shift: float = 2.0
    rotation: float = 10.0
    scale: float = 0.1
    elastic: float = 0.0
    distillation: str | None = None
    distillation_weight: float = 0.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        def check(names: tuple[str, ...], expected: str, fits: Callable[[float], bool]) -> None:
            for name in names:
                object.__setattr__(self, name, finite_float(name, getattr(self, name), expected, fits))

        one_of("optimizer", self.optimizer, OPTIMIZERS)
        if self.distillation is not None:
            one_of("distillation", self.distillation, DISTILLATIONS)
        for name in ("epochs", "batch_size", "shard_size"):
            object.__setattr__(self, name, positive_int(name, getattr(self, name)))
        if self.steps_per_epoch is not None:
            object.__setattr__(self, "steps_per_epoch", positive_int("steps_per_epoch", self.steps_per_epoch))
        check(("learning_rate", "clip_norm", "temperature"), "a positive number", lambda value: value > 0)
        check(("weight_decay", "shift", "rotation", "elastic"), "0 or more", lambda value: value >= 0)
        check(("warmup", "label_smoothing", "scale", "momentum"), "a part in [0, 1)", lambda value: 0 <= value < 1)
        check(("distillation_weight",), "a part in [0, 1]", lambda value: 0 <= value <= 1)
        slow = as_tuple(self.slow)
        if not all(isinstance(name, str) and name for name in slow):
            raise TypeError(f"slow is {self.slow!r}, expected names of parameters, or parts of them")
        object.__setattr__(self, "slow", slow)
        betas = as_tuple(self.betas)
        if len(betas) != 2:
            raise ValueError(f"betas is {self.betas!r}, expected two numbers")
        betas = tuple(
            finite_float("betas", beta, "two numbers in [0, 1)", lambda value: 0 <= value < 1) for beta in betas
        )
        object.__setattr__(self, "betas", betas)

    @property
    def moves(self) -> dict[str, float]:
        """What augment.random_affine is told."""
        return {name: getattr(self, name) for name in ("shift", "rotation", "scale", "elastic")}

    def to_dict(self) -> dict:
        """For JSON; `TrainConfig(**d)` is the way back."""
        return dataclasses.asdict(self)
