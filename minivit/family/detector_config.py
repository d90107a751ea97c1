"""What the configurations of DETR, Deformable DETR and Sparse R-CNN have in common: what they see with, what a picture
becomes before they see it, and the weights of their losses."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from ..model.checks import as_tuple, check_normalisation, finite_float, positive_int, put, stages, truth
from .criterion import Criterion, Weights
from .resnet import ResNetConfig

TINY = "tiny"
TINY_STAGES = 3
REFERENCE = "(and what is in DetectorConfig)"  # in the docstring of a detector's own


@dataclass(frozen=True)
class DetectorConfig:
    """The fields of every detector. NumPy numbers become Python's. Raises ValueError where values do not fit together,
    TypeError where a number is none.

    classes       K
    channels      C: of an image, 3 for colour, 1 for grey
    backbone      a ResNetConfig or the name of one, such as "ResNet-50"; "tiny"; or None: see backbone.py
    dilation      True: the ResNet's last stage keeps the map's size ("DC5")
    stages        which of the backbone's stages hand out their maps, finest first
    map_widths    without a backbone: numbers a place of each map that is given
    queries       Q: how many boxes it says, whatever there is in an image
    width         D: numbers a token
    heads         attention heads; they divide the width
    mlp_width     numbers a token inside the MLP of a layer
    dropout       rate in [0, 1), in training
    cost_weights  of the class, the L1 and the GIoU, by which queries are matched with objects: three numbers, or whose:
                  "original", "Hugging Face"
    loss_weights  of the three losses, likewise

    How a picture becomes the input of `detect`:

    short_side    pixels to which its short side is resized; None: it stays as it is
    long_side     pixels that its long side then has at most
    image_mean    subtracted from a pixel: one number for all channels, or one a channel
    image_std     what it is then divided by, likewise
    """

    classes: int = 91
    channels: int = 3
    backbone: ResNetConfig | str | None = "ResNet-50"
    dilation: bool = False
    stages: tuple[int, ...] = (4,)
    map_widths: tuple[int, ...] = ()
    queries: int = 100
    width: int = 256
    heads: int = 8
    mlp_width: int = 2048
    dropout: float = 0.1
    cost_weights: Weights | str = "original"
    loss_weights: Weights | str = "original"
    short_side: int | None = None
    long_side: int | None = None
    image_mean: float | tuple[float, ...] = 0.5
    image_std: float | tuple[float, ...] = 0.5

    CRITERION: ClassVar[Criterion]  # the original's
    HUGGING_FACE: ClassVar[Weights]  # its weights, of costs and losses alike

    def __init_subclass__(cls) -> None:
        """Their docstrings explain all fields: these, too, where they refer to them."""
        lines = (DetectorConfig.__doc__ or "").partition("    classes ")
        cls.__doc__ = (cls.__doc__ or "").replace(REFERENCE, lines[1].lstrip() + lines[2].rstrip())

    def __post_init__(self) -> None:
        put(self, positive_int, "classes", "channels", "queries", "width", "heads", "mlp_width")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")
        truth("dilation", self.dilation)
        put(
            self, lambda name, value: stages(name, value, "a number for each map, such as (4,)"), "stages", "map_widths"
        )
        self._put_backbone()
        self._check_stages()
        put(self, lambda name, value: None if value is None else positive_int(name, value), "short_side", "long_side")
        check_normalisation(self)
        rate = "a rate in [0, 1)"
        put(self, lambda name, value: finite_float(name, value, rate, lambda x: 0 <= x < 1), "dropout")
        put(self, self._weights, "cost_weights", "loss_weights")

    @property
    def criterion(self) -> Criterion:
        """What its loss is made of."""
        return dataclasses.replace(self.CRITERION, cost=self.cost_weights, loss=self.loss_weights)

    @property
    def answers(self) -> int:
        """How many detections there are of a picture, at most."""
        return self.queries if self.CRITERION.classify == "softmax" else 100

    @property
    def sees_with(self) -> str:
        """The backbone, for people."""
        if self.backbone is None:
            return "given maps"
        return "five convolutions" if self.backbone == TINY else f"a ResNet of {sum(self.backbone.depths)} units"

    @property
    def backbone_parts(self) -> int:
        """Units of the ResNet, if it has one: each has parameters of its own."""
        return self.backbone.parts if isinstance(self.backbone, ResNetConfig) else 0

    def to_dict(self) -> dict:
        """For JSON; `type(config)(**d)` is the way back."""
        return dataclasses.asdict(self)

    def _put_backbone(self) -> None:
        """A ResNet's name, or what a file has of its configuration, becomes one, with this detector's channels."""
        given: Any = self.backbone
        if given is None or given == TINY:
            if self.dilation:
                raise ValueError(f"dilation is for a ResNet, but backbone is {given!r}")
            return
        if isinstance(given, str):
            given = ResNetConfig.from_name(given)
        elif isinstance(given, dict):
            given = ResNetConfig(**given)
        elif not isinstance(given, ResNetConfig):
            expected = "expected a ResNetConfig, a ResNet's name, 'tiny' or None"
            raise TypeError(f"backbone is a {type(given).__name__}, {expected}")
        fixed = dict(channels=self.channels, classes=0, frozen_norm=True, dilate_last=self.dilation)
        given = dataclasses.replace(given, **fixed, image_mean=0.5, image_std=0.5)  # these are the detector's
        object.__setattr__(self, "backbone", given)

    def _check_stages(self) -> None:
        if self.backbone is None:
            if not self.map_widths or len(self.map_widths) != len(self.stages):
                given = f"stages is {self.stages} and map_widths {self.map_widths}"
                raise ValueError(f"{given}: without a backbone, expected the numbers a place of each map")
            return
        if self.map_widths:
            raise ValueError(f"map_widths {self.map_widths} are those of maps that are given: backbone must be None")
        count = TINY_STAGES if self.backbone == TINY else len(self.backbone.depths)
        if not self.stages or list(self.stages) != sorted(set(self.stages)) or self.stages[-1] > count:
            raise ValueError(f"stages is {self.stages}, expected some of 1 … {count}, in this order")

    def _weights(self, name: str, value: object) -> Weights:
        """Three numbers, or whose they are."""
        if value == "original":
            return self.CRITERION.cost if name == "cost_weights" else self.CRITERION.loss
        if value == "Hugging Face":
            return self.HUGGING_FACE
        three = as_tuple(value)
        if len(three) != 3 or isinstance(value, str):
            raise ValueError(f"{name} is {value!r}, expected three numbers, 'original' or 'Hugging Face'")
        of_class, of_l1, of_giou = (finite_float(name, x, "0 or more", lambda x: x >= 0) for x in three)
        return of_class, of_l1, of_giou
