"""BiT: a ResNet made for transfer (Kolesnikov et al., arXiv 1912.11370): norms first, and none of a batch.

    x = max pool(Ŵ * image)                                                 stem; Ŵ is W standardised
    stage 0, 1, …:  a = relu(GN(x)),  y = x + Ŵ3 * relu(GN(Ŵ2 * relu(GN(Ŵ1 * a))))        unit, "pre-activation"
    logits = mean(relu(GN(x))) W + b                                        features, head

GroupNorm and standardised weights (ops/groupnorm.py, ops/weight_standardisation.py) do what BatchNorm does in a ResNet,
image by image. A hybrid's stem (model/resnet.py) has the same parts in the older order. The names are timm's.
"""

from dataclasses import dataclass

from ..layers import Chain, Layer, Let, Op, Residual
from ..layers.maps import group_norm, standardised
from ..model.checks import positive_int, put, put_float
from ..model.sizes import size_by_name
from .convolutional import Convolutional, ConvolutionalConfig, head

DEPTHS = {"R50": (3, 4, 6, 3), "R101": (3, 4, 23, 3), "R152": (3, 8, 36, 3)}
SIZES = {
    f"BiT-{depth}x{factor}": dict(
        depths=DEPTHS[depth],
        stem_width=64 * factor,
        widths=tuple(width * factor for width in (256, 512, 1024, 2048)),
        inner=tuple(width * factor for width in (64, 128, 256, 512)),
    )
    for depth, factor in (("R50", 1), ("R50", 3), ("R101", 1), ("R101", 3), ("R152", 2), ("R152", 4))
}


@dataclass(frozen=True)
class BiTConfig(ConvolutionalConfig):
    """The architecture of a BiT. image_size may be an int or a pair (height, width).

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
    inner                numbers a place within a unit, for each stage
    halve_first          True: the first stage halves its map, too, as all others do
    norm_eps             ε of GroupNorm, added to the variance
    groups               of GroupNorm; they divide all of these numbers a place
    weight_eps           ε of a standardised weight, added to its variance

    How a photograph becomes the input: see ViTConfig.

    resize_filter        "bicubic" or "bilinear"
    squeeze              False: the short side is resized; True: both sides
    crop                 part of each side that is left, in (0, 1]
    image_mean           subtracted from a pixel: one number for all channels, or one a channel
    image_std            what it is then divided by, likewise
    """

    groups: int = 32
    weight_eps: float = 1e-8
    resize_filter: str = "bilinear"
    squeeze: bool = False
    crop: float = 0.875
    image_mean: float | tuple[float, ...] = 0.5
    image_std: float | tuple[float, ...] = 0.5

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "BiTConfig":
        """A published model's configuration, with `changes`: BiT-R50x1, BiT-R50x3, BiT-R101x1, BiT-R101x3, BiT-R152x2
        or BiT-R152x4."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        super().__post_init__()
        put(self, positive_int, "groups")
        put_float(self, "a positive number", lambda eps: eps > 0, "weight_eps")
        if self.inner is None:
            raise TypeError("inner is None, expected a number for each stage: a BiT has no basic units")
        for width in (self.stem_width, *self.inner, *self.widths):
            if width % self.groups:
                raise ValueError(f"{width} numbers a place are no multiple of the {self.groups} groups of GroupNorm")


def bit(config: BiTConfig) -> Chain:
    """images (B, height, width, C) -> logits (B, K); without classes the features (B, F)."""
    return Chain(encoder(config), features(config), *head("head.fc", config))


def encoder(config: BiTConfig) -> Chain:
    """images -> the last stage's map (B, height', width', F), a part for the stem and one for each stage."""
    stages = (
        Chain(*(unit(config, f"stages.{s}.blocks.{u}", u == 0, **sizes) for u, sizes in enumerate(units)))
        for s, units in enumerate(config.units())
    )
    return Chain(stem(config), *stages)


def stem(config: BiTConfig) -> Chain:
    """images (B, height, width, C) -> (B, ⌈height/4⌉, ⌈width/4⌉, D) of published models. No ReLU comes before the pool:
    where a margin is zeros and all else is negative, the zero is the largest."""
    size = config.stem_kernel, config.channels, config.stem_width, config.stem_stride
    pool = [Op("max_pool", padding=1, fill=0.0)] if config.stem_pool else []
    return Chain(weighted(config, "stem.conv", *size), *pool)


def unit(config: BiTConfig, name: str, first: bool, n_in: int, inner: int, n_out: int, stride: int) -> Layer:
    """(B, height, width, in) -> (B, ⌈height/stride⌉, ⌈width/stride⌉, out). A stage's first has a convolution in its
    shortcut, which sees what the branch sees: the normalised."""
    branch = (
        weighted(config, f"{name}.conv1", 1, n_in, inner),
        *activated(config, f"{name}.norm2", inner),
        weighted(config, f"{name}.conv2", 3, inner, inner, stride),
        *activated(config, f"{name}.norm3", inner),
        weighted(config, f"{name}.conv3", 1, inner, n_out),
    )
    before = activated(config, f"{name}.norm1", n_in)
    if not first:
        return Residual(*before, *branch)
    shortcut = weighted(config, f"{name}.downsample.conv", 1, n_in, n_out, stride)
    return Chain(*before, Residual(*branch, shortcut=shortcut))


def features(config: BiTConfig) -> Chain:
    """The last map (B, height, width, F) -> the mean of its places, normalised before (B, F)."""
    return Chain(*activated(config, "norm", config.widths[-1]), Op("global_average"))


def weighted(config: BiTConfig, name: str, kernel: int, n_in: int, n_out: int, stride: int = 1) -> Let:
    """A standardised convolution with as many zeros on every side."""
    return standardised(name, kernel, n_in, n_out, config.weight_eps, stride=stride, padding=kernel // 2)


def activated(config: BiTConfig, name: str, width: int) -> list[Layer]:
    """relu(GN(x))."""
    return [group_norm(name, width, config.groups, config.norm_eps), Op("relu")]


class BiT(Convolutional[BiTConfig]):
    """A BiT: `logits = model(images)`. Its arguments are a ViT's. `maps(images)` is what each stage leaves."""

    Config = BiTConfig
    describe = staticmethod(bit)
