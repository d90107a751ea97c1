"""ResNet: convolutions that learn what to add to their input (He et al., arXiv 1512.03385), with BatchNorm.

    x = max pool(relu(BN(W * image)))                                       stem: a quarter of each side
    stage 1, 2, …:  y = relu(x + BN(W2 * relu(BN(W1 * x))))                 basic unit; a bottleneck has three
    logits = mean(x) W + b                                                  features, head

Each stage but the first halves the map, in its first unit, whose shortcut is then a convolution, too. In evaluation
BatchNorm reads running statistics (ops/batchnorm.py). The numbers and the names are torchvision's.
"""

from dataclasses import dataclass
from typing import Any

from ..layers import Chain, Op
from ..layers.maps import batch_norm, convolution, frozen_batch_norm, residual_unit
from ..model.checks import put_float, truth
from ..model.sizes import IMAGENET, size_by_name
from .convolutional import Convolutional, ConvolutionalConfig, head

BASIC = IMAGENET | dict(widths=(64, 128, 256, 512), inner=None)
SIZES = {
    "ResNet-18": BASIC | dict(depths=(2, 2, 2, 2)),
    "ResNet-34": BASIC | dict(depths=(3, 4, 6, 3)),
    "ResNet-50": IMAGENET | dict(depths=(3, 4, 6, 3)),
    "ResNet-101": IMAGENET | dict(depths=(3, 4, 23, 3)),
    "ResNet-152": IMAGENET | dict(depths=(3, 8, 36, 3)),
}


@dataclass(frozen=True)
class ResNetConfig(ConvolutionalConfig):
    """The architecture of a ResNet. image_size may be an int or a pair (height, width).

    NumPy numbers become Python's. Raises ValueError where values do not fit together, TypeError where a number is none.

    image_size           pixels
    channels             C: of an image, 3 for colour, 1 for grey
    classes              K; 0: no head, the logits are the features
    stem_width           numbers a place after the first convolution
    stem_kernel          that convolution's side, an odd number of pixels
    stem_stride          and its stride
    stem_pool            True: a max pool halves its map once more
    depths               units of each stage
    widths               numbers a place, of each stage
    inner                numbers a place within a bottleneck's unit, for each stage; None: basic units
    halve_first          True: the first stage halves its map, too, as all others do
    norm_eps             ε of BatchNorm, added to the variance
    momentum             part of the running statistics that a batch replaces, in (0, 1]
    stride_first         True: a bottleneck's stride is its first convolution's (the paper's), not its second's (v1.5)
    shortcuts            False: a plain network, in which nothing goes past a unit
    zero_init            True: each unit starts as its shortcut alone, since its last BatchNorm's scale starts at 0
    frozen_norm          True: BatchNorm is a constant that nothing trains, as detectors have it
    dilate_last          True: the last stage keeps the map's size, and its 3x3 convolutions after the first reach twice
                         as far instead (DETR's "DC5")

    How a photograph becomes the input: see ViTConfig.

    resize_filter        "bicubic" or "bilinear"
    squeeze              False: the short side is resized; True: both sides
    crop                 part of each side that is left, in (0, 1]
    image_mean           subtracted from a pixel: one number for all channels, or one a channel
    image_std            what it is then divided by, likewise
    """

    momentum: float = 0.1
    stride_first: bool = False
    shortcuts: bool = True
    zero_init: bool = False
    frozen_norm: bool = False
    dilate_last: bool = False
    resize_filter: str = "bilinear"
    squeeze: bool = False
    crop: float = 0.875
    image_mean: float | tuple[float, ...] = 0.5
    image_std: float | tuple[float, ...] = 0.5

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "ResNetConfig":
        """A published model's configuration, with `changes`: ResNet-18, -34, -50, -101 or -152."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        super().__post_init__()
        put_float(self, "a part in (0, 1]", lambda momentum: 0 < momentum <= 1, "momentum")
        for name in ("stride_first", "shortcuts", "zero_init", "frozen_norm", "dilate_last"):
            truth(name, getattr(self, name))

    def units(self) -> list[list[dict[str, Any]]]:
        made = super().units()
        if self.dilate_last:
            for u, unit in enumerate(made[-1]):
                unit |= dict(stride=1, dilation=2 if u else 1)
        return made

    units.__doc__ = ConvolutionalConfig.units.__doc__


def resnet(config: ResNetConfig) -> Chain:
    """images (B, height, width, C) -> logits (B, K); without classes the features (B, F)."""
    return Chain(encoder(config), Op("global_average"), *head("fc", config))


def encoder(config: ResNetConfig, prefix: str = "") -> Chain:
    """images -> the last stage's map (B, height', width', F), a part for the stem and one for each stage. prefix: what
    the names of all parameters begin with, where this is a part of another model."""
    stages = (
        Chain(*(unit(config, f"{prefix}layer{s}.{u}", **sizes) for u, sizes in enumerate(units)))
        for s, units in enumerate(config.units(), start=1)
    )
    return Chain(stem(config, prefix), *stages)


def stem(config: ResNetConfig, prefix: str = "") -> Chain:
    """images (B, height, width, C) -> (B, ⌈height/4⌉, ⌈width/4⌉, D) of published models."""
    conv, norm = f"{prefix}conv1", f"{prefix}bn1"
    first = normed(config, conv, norm, config.stem_kernel, config.channels, config.stem_width, config.stem_stride)
    return Chain(first, Op("relu"), *([Op("max_pool", padding=1)] if config.stem_pool else []))


def unit(
    config: ResNetConfig, name: str, n_in: int, inner: int | None, n_out: int, stride: int, dilation: int = 1
) -> Chain:
    """(B, height, width, in) -> (B, ⌈height/stride⌉, ⌈width/stride⌉, out): two convolutions 3x3, or 1x1, 3x3, 1x1."""
    if inner is None:
        sizes = [(3, n_in, n_out, stride), (3, n_out, n_out, 1)]
    else:
        first, second = (stride, 1) if config.stride_first else (1, stride)
        sizes = [(1, n_in, inner, first), (3, inner, inner, second), (1, inner, n_out, 1)]
    convolutions = [
        normed(
            config,
            f"{name}.conv{i}",
            f"{name}.bn{i}",
            *size,
            dilation if size[0] == 3 else 1,
            start=1.0 - (config.zero_init and i == len(sizes)),
        )
        for i, size in enumerate(sizes, start=1)
    ]
    if not config.shortcuts:
        return Chain(*(layer for convolution in convolutions for layer in (convolution, Op("relu"))))
    shortcut = None
    if n_in != n_out or stride != 1:
        shortcut = normed(config, f"{name}.downsample.0", f"{name}.downsample.1", 1, n_in, n_out, stride)
    return residual_unit(*convolutions, shortcut=shortcut)


def normed(
    config: ResNetConfig,
    name: str,
    norm: str,
    kernel: int,
    n_in: int,
    n_out: int,
    stride: int,
    dilation: int = 1,
    start: float = 1.0,
) -> Chain:
    """A convolution and its BatchNorm, which makes a bias of the convolution vain."""
    first = convolution(name, kernel, n_in, n_out, stride, dilation)
    if config.frozen_norm:
        return Chain(first, frozen_batch_norm(norm, n_out, config.norm_eps))
    return Chain(first, batch_norm(norm, n_out, config.norm_eps, config.momentum, start))


class ResNet(Convolutional[ResNetConfig]):
    """A ResNet: `logits = model(images)`. Its arguments are a ViT's.

    `loss_and_grads` normalises by the statistics of the images it is given, and hands the new running statistics back
    beside the gradients; all else reads `model.buffers`. `maps(images)` is what each stage leaves.
    """

    Config = ResNetConfig
    describe = staticmethod(resnet)
