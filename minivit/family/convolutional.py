"""What ResNet and BiT have in common: a stem, stages of residual units, and what their configurations say of these."""

import math
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from ..layers import Layer
from ..layers.parts import dense
from ..model import Classifier
from ..model.checks import check_eyes, positive_int, put, put_float, stages, truth
from .staged import Staged

Pair = tuple[int, int]


@dataclass(frozen=True)
class ConvolutionalConfig(Staged):
    """The sizes of a convolutional model. ResNetConfig and BiTConfig explain them, and how a photograph comes in."""

    image_size: int | Pair = 224
    channels: int = 3
    classes: int = 1000
    stem_width: int = 64
    stem_kernel: int = 7
    stem_stride: int = 2
    stem_pool: bool = True
    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    inner: tuple[int, ...] | None = (64, 128, 256, 512)
    halve_first: bool = False
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        check_eyes(self)
        put(self, positive_int, "stem_width", "stem_kernel", "stem_stride")
        truth("stem_pool", self.stem_pool)
        truth("halve_first", self.halve_first)
        names = ("depths", "widths", "inner") if self.inner is not None else ("depths", "widths")
        put(self, lambda name, value: stages(name, value, "a number for each stage, such as (3, 4, 6, 3)"), *names)
        if not self.depths or any(len(getattr(self, name)) != len(self.depths) for name in names):
            given = ", ".join(f"{name} {getattr(self, name)}" for name in names)
            raise ValueError(f"{given}: expected one number of each a stage")
        if self.stem_kernel % 2 == 0:
            raise ValueError(f"stem_kernel is {self.stem_kernel}, expected an odd number: it has a middle")
        put_float(self, "a positive number", lambda eps: eps > 0, "norm_eps")

    @property
    def stem_shape(self) -> Pair:
        """(height, width) of the map that the stem leaves."""
        factor = self.stem_stride * (1 + self.stem_pool)
        return tuple(-(-side // factor) for side in self.image_size)

    @property
    def tokens(self) -> int:
        """Places of the first stage's map, which has most of them."""
        return math.prod(self.stem_shape)

    @property
    def summary(self) -> str:
        kind = "basic" if self.inner is None else "bottleneck"
        return f"{', '.join(f'{n} {kind} units {w} wide' for n, w in zip(self.depths, self.widths, strict=True))}"

    def units(self) -> list[list[dict[str, Any]]]:
        """The units of each stage: numbers a place that go in and come out, numbers within (None: a basic unit), and
        the stride. A stage halves the map in its first unit, the first stage where it is told to."""
        n_in, made = self.stem_width, []
        for s, (depth, n_out) in enumerate(zip(self.depths, self.widths, strict=True)):
            inner = self.inner and self.inner[s]
            made.append([])
            for u in range(depth):
                stride = 2 if u == 0 and (s or self.halve_first) else 1
                made[s].append(dict(n_in=n_in, inner=inner, n_out=n_out, stride=stride))
                n_in = n_out
        return made


def head(name: str, config: ConvolutionalConfig) -> list[Layer]:
    """The features -> the logits: (B, F) -> (B, K)."""
    return [dense(name, config.widths[-1], config.classes, fan_in=False)] if config.classes else []


C = TypeVar("C", bound=ConvolutionalConfig)


class Convolutional(Classifier[C], Generic[C]):
    """A classifier whose first part is a stem and then a stage after the other."""

    def maps(self, images: np.ndarray) -> list[np.ndarray]:
        """What the stem and each stage leave, in evaluation, for other tasks such as detection: images (B, height,
        width, C), normalised -> a map (B, height', width', D) each, as NumPy arrays."""
        x, maps = self.checked(images), []
        for part in self.layers.parts[0].parts:
            x = self.run(part, x)
            maps.append(self.device.to_numpy(x))
        return maps
