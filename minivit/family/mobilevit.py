"""MobileViT: a small convolutional network, in whose last stages tokens far apart look at each other
(Mehta & Rastegari, arXiv 2110.02178).

    conv 3x3/2, then stages of MV2 units; the later ones end in a block of the new kind; conv 1x1, mean, head
    MV2:   1x1 to e·C channels, depthwise 3x3, 1x1 to C';  + x where the shape allows
    block: t = W conv 3x3(x);  unfold t, L transformer blocks, LN, fold;  conv 3x3 [x | conv 1x1(t)]

A conv is a convolution without a bias, BatchNorm and SiLU. Training and evaluation differ by BatchNorm
(ops/batchnorm.py). ops/unfold.py has what is new. The names are timm's.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import Chain, Fork, Layer, Op, Parameter, Residual
from ..layers.maps import batch_norm
from ..layers.parts import attention, branch_end, dense, drop, norm
from ..model import Classifier, checks
from ..model.sizes import size_by_name
from .resampling import resampled
from .staged import Staged

Pair = tuple[int, int]

PIXELS = dict(image_mean=0.0, image_std=1.0)  # as they are, in [0, 1]
SIZES: dict[str, dict] = {
    "MobileViT-XXS": PIXELS
    | dict(widths=(16, 24, 48, 64, 80), token_widths=(0, 0, 64, 80, 96), expansions=(2,) * 5, last_width=320),
    "MobileViT-XS": PIXELS | dict(widths=(32, 48, 64, 80, 96), token_widths=(0, 0, 96, 120, 144), last_width=384),
    "MobileViT-S": PIXELS,
}


@dataclass(frozen=True)
class Stage:
    """What is known of one stage."""

    map: Pair  # the sides of its map
    above: int  # channels of the map above
    width: int  # C: channels of its own
    stride: int  # of its first unit
    units: int
    expansion: float
    d: int  # width of its tokens; 0: it has none
    blocks: int


@dataclass(frozen=True)
class MobileViTConfig(Staged):
    """The architecture of a MobileViT. What is a tuple has a number for each stage.

    NumPy numbers become Python's. Raises ValueError where values do not fit together, TypeError where a number is none.

    image_size           pixels: an int or a pair (height, width)
    channels             C: of an image, 3 for colour, 1 for grey
    classes              K; 0: no head, the logits are the features
    stem_width           channels after the first convolution, which halves the image
    widths               channels
    strides              of the first unit: 2 halves the map, an odd side is rounded up
    units                MV2 units
    expansions           e: channels inside a unit, by those of its input; rounded to a multiple of 8
    token_widths         d: numbers a token in the block that ends a stage; 0: no block
    depths               L: transformer blocks in it; 0 where there is no block
    last_width           channels of the last convolution, which the head reads the mean of
    heads                attention heads; they divide the token_widths
    patch_size           P: tokens at the same place of their P x P patch look at each other; an int or a pair
    mlp_ratio            numbers a token inside the MLP, by its width
    qkv_bias             True: queries, keys and values have a bias
    norm_eps             ε of LayerNorm, added to the variance
    dropout              rate in [0, 1), after every dense layer of tokens but qkv
    attention_dropout    rate in [0, 1), of the attention weights
    drop_path            rate in [0, 1) of the last transformer block; it rises linearly from 0 at the first

    How a photograph becomes the input: see ViTConfig.

    resize_filter        "bicubic" or "bilinear"
    squeeze              False: the short side is resized; True: both sides
    crop                 part of each side that is left, in (0, 1]
    image_mean           subtracted from a pixel: one number for all channels, or one a channel
    image_std            what it is then divided by, likewise
    bgr                  True: `normalize` then turns the channels round, blue first, as Hugging Face's files want them
    """

    image_size: int | Pair = 256
    channels: int = 3
    classes: int = 1000
    stem_width: int = 16
    widths: tuple[int, ...] = (32, 64, 96, 128, 160)
    strides: tuple[int, ...] = (1, 2, 2, 2, 2)
    units: tuple[int, ...] = (1, 3, 1, 1, 1)
    expansions: tuple[float, ...] = (4.0,) * 5
    token_widths: tuple[int, ...] = (0, 0, 144, 192, 240)
    depths: tuple[int, ...] = (0, 0, 2, 4, 3)
    last_width: int = 640
    heads: int = 4
    patch_size: int | Pair = 2
    mlp_ratio: float = 2.0
    qkv_bias: bool = True
    norm_eps: float = 1e-5
    dropout: float = 0.0
    attention_dropout: float = 0.0
    drop_path: float = 0.0
    resize_filter: str = "bicubic"
    squeeze: bool = False
    crop: float = 0.9
    image_mean: float | tuple[float, ...] = 0.0
    image_std: float | tuple[float, ...] = 1.0
    bgr: bool = False

    @classmethod
    def from_name(cls, name: str, **changes: Any) -> "MobileViTConfig":
        """A published model's configuration, with `changes`: MobileViT-XXS, MobileViT-XS or MobileViT-S."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        checks.check_eyes(self)
        checks.check_rates(self)
        for name in ("qkv_bias", "bgr"):
            checks.truth(name, getattr(self, name))
        checks.put(self, checks.positive_int, "stem_width", "last_width", "heads")
        expected = "a number for each stage, such as (1, 2, 2, 2, 2)"
        checks.put(self, lambda name, value: checks.stages(name, value, expected), "widths", "strides", "units")
        checks.put(self, lambda name, value: checks.stages(name, value, expected, least=0), "token_widths", "depths")
        checks.put(self, checks.positive_floats, "expansions")
        checks.put_float(self, "a positive number", lambda eps: eps > 0, "norm_eps")
        checks.put_float(self, "a positive number", lambda ratio: 0 < ratio < 2**31, "mlp_ratio")
        self._check_fit()

    def _check_fit(self) -> None:
        checks.one_a_stage(self, "widths", "strides", "units", "expansions", "token_widths", "depths")
        for s, (d, depth) in enumerate(zip(self.token_widths, self.depths, strict=True)):
            if (d == 0) != (depth == 0):
                raise ValueError(f"stage {s} has {depth} transformer blocks of width {d}, expected both or neither")
            if d % self.heads:
                raise ValueError(f"stage {s} has tokens {d} wide, which is not a multiple of {self.heads} heads")
            if d and int(d * self.mlp_ratio) < 1:
                raise ValueError(f"mlp_ratio is {self.mlp_ratio}, expected width · mlp_ratio ≥ 1")
        for stage in self.stages:
            if stage.d:  # a place looks at those that lie where it does in its patch
                places = math.prod(stage.map)
                checks.check_scores(self.heads, places, -(-places // math.prod(self.patch_size)))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """One after the other, with the sizes of their maps."""
        size, above, made = tuple(-(-side // 2) for side in self.image_size), self.stem_width, []
        of_stages = (self.widths, self.strides, self.units, self.expansions, self.token_widths, self.depths)
        for width, stride, units, expansion, d, depth in zip(*of_stages, strict=True):
            size = tuple(-(-side // stride) for side in size)
            made.append(Stage(size, above, width, stride, units, expansion, d, depth))
            above = width
        return tuple(made)

    @property
    def tokens(self) -> int:
        """Places of the first map, which has most."""
        return math.prod(-(-side // 2) for side in self.image_size)

    @property
    def parts(self) -> int:
        """Units and blocks: each has parameters of its own."""
        return sum(self.units) + sum(self.depths)

    @property
    def summary(self) -> str:
        tokens = [f"{stage.blocks} blocks {stage.d} wide" for stage in self.stages if stage.d]
        return ", ".join([f"{sum(self.units)} units", *tokens])


def mobilevit(config: MobileViTConfig) -> Chain:
    """images (B, height, width, C) -> logits (B, K); without classes the features (B, F)."""
    return Chain(encoder(config), features(config), *head(config))


def encoder(config: MobileViTConfig) -> Chain:
    """images -> the last stage's map (B, h, w, C)."""
    layers = [conv("stem", 3, config.channels, config.stem_width, stride=2)]
    for s, stage in enumerate(config.stages):
        for j in range(stage.units):
            n_in, stride = (stage.width, 1) if j else (stage.above, stage.stride)
            layers.append(unit(f"stages.{s}.{j}", n_in, stage.width, stage.expansion, stride))
        if stage.d:
            layers.append(block(config, s))
    return Chain(*layers)


def conv(name: str, kernel: int, n_in: int, n_out: int, stride: int = 1, silu: bool = True) -> Chain:
    """A convolution without a bias, BatchNorm, SiLU.   (B, h, w, in) -> (B, ⌈h/stride⌉, ⌈w/stride⌉, out)"""
    if kernel == 1:
        filters = dense(f"{name}.conv", n_in, n_out, bias=False)
    else:
        weight = Parameter(f"{name}.conv.weight", (kernel, kernel, n_in, n_out), std=(kernel**2 * n_in) ** -0.5)
        filters = Op("convolution", weight, stride=stride, padding=((kernel // 2,) * 2,) * 2)
    return Chain(filters, batch_norm(f"{name}.bn", n_out), *([Op("silu")] if silu else []))


def unit(name: str, n_in: int, n_out: int, expansion: float, stride: int) -> Layer:
    """MobileNetV2's inverted residual (arXiv 1801.04381): wide inside, where each channel is filtered by itself."""
    inside = expanded(n_in, expansion)
    weight = Parameter(f"{name}.conv2_kxk.conv.weight", (3, 3, inside), std=1 / 3)
    layers = [
        conv(f"{name}.conv1_1x1", 1, n_in, inside),
        Op("depthwise_convolution", weight, None, stride=stride),
        batch_norm(f"{name}.conv2_kxk.bn", inside),
        Op("silu"),
        conv(f"{name}.conv3_1x1", 1, inside, n_out, silu=False),
    ]
    return Residual(*layers) if stride == 1 and n_in == n_out else Chain(*layers)


def expanded(n_in: int, expansion: float) -> int:
    """n_in · e, rounded to a multiple of 8, but never below 90 % of it."""
    wanted = n_in * expansion
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def block(config: MobileViTConfig, s: int) -> Chain:
    """[x | what the tokens say of it], and a convolution of both; there is no residual around it.   (B, h, w, C)"""
    stage, name = config.stages[s], f"stages.{s}.{config.units[s]}"
    C, d = stage.width, stage.d
    say = Chain(
        conv(f"{name}.conv_kxk", 3, C, C),
        dense(f"{name}.conv_1x1", C, d, bias=False),  # (B, h, w, d)
        *unfolded(config, s, name),
        conv(f"{name}.conv_proj", 1, d, C),
    )
    return Chain(Fork(Chain(), say), conv(f"{name}.conv_fusion", 3, 2 * C, C))


def unfolded(config: MobileViTConfig, s: int, name: str) -> list[Layer]:
    """Transformer blocks on the sequences of a map (B, h, w, d), which is as large again afterwards. A side that the
    patches do not divide is resized for them."""
    stage, (ph, pw) = config.stages[s], config.patch_size
    size = tuple(-(-side // p) * p for side, p in zip(stage.map, (ph, pw), strict=True))
    there, back = (
        [resampled("bilinear", *way)] if size != stage.map else [] for way in ((stage.map, size), (size, stage.map))
    )
    return [
        *there,
        Op("unfold", patch=(ph, pw)),  # (B·P·P, N, d)
        *(transformer_block(config, s, i, f"{name}.transformer.{i}") for i in range(stage.blocks)),
        norm(f"{name}.norm", stage.d, config.norm_eps),
        Op("fold", patch=(ph, pw), size=size),
        *back,
    ]


def transformer_block(config: MobileViTConfig, s: int, i: int, name: str) -> Chain:
    """z' = z + MSA(LN(z)),   z'' = z' + MLP(LN(z')), whose MLP has a SiLU.   (B·P·P, N, d)"""
    d, M, eps = config.token_widths[s], int(config.mlp_ratio * config.token_widths[s]), config.norm_eps
    end = branch_end(name, d, None, config.dropout, config.drop_path_rate(sum(config.depths[:s]) + i))
    msa = attention(f"{name}.attn", d, config.heads, config.qkv_bias, config.attention_dropout)
    mlp = [dense(f"{name}.mlp.fc1", d, M), Op("silu"), *drop(config.dropout), dense(f"{name}.mlp.fc2", M, d)]
    return Chain(
        Residual(norm(f"{name}.norm1", d, eps), msa, *end), Residual(norm(f"{name}.norm2", d, eps), *mlp, *end)
    )


def features(config: MobileViTConfig) -> Chain:
    """The last map -> the mean of its last convolution (B, F)."""
    last = conv("final_conv", 1, config.widths[-1], config.last_width)
    return Chain(last, Op("to_tokens"), Op("pool", kind="gap"))


def head(config: MobileViTConfig) -> list[Layer]:
    """The features -> the logits: (B, F) -> (B, K)."""
    return [dense("head.fc", config.last_width, config.classes, fan_in=False)] if config.classes else []


class MobileViT(Classifier[MobileViTConfig]):
    """A MobileViT: `logits = model(images)`, convolutions with transformers between them. Its arguments are a ViT's."""

    Config = MobileViTConfig
    describe = staticmethod(mobilevit)

    def normalize(self, images: np.ndarray) -> np.ndarray:
        """Raw images, uint8 or floats in [0, 1] -> what the model was trained on: (pixel − image_mean) / image_std, and
        with `bgr` the channels in reverse order."""
        pixels = super().normalize(images)
        return pixels[..., ::-1] if self.config.bgr else pixels

    def attention(self, images: np.ndarray) -> list[np.ndarray]:
        """Where every head looks: images (B, height, width, C), normalised -> an array a transformer block,
        (B, P·P, H, N, N), the places of a patch and the patches in reading order; rows sum to 1."""
        maps = self.attention_of(encoder(self.config), images)
        return [weights.reshape(len(images), -1, *weights.shape[1:]) for weights in maps]
