"""PVT, the Pyramid Vision Transformer: a pyramid of maps, each block looking at all of its map, by few keys.

    stage 0, 1, …:  x = LN(patches of the map above E) (+ positions)        embedding
                    z' = z + SRA(LN(z)),  z'' = z' + MLP(LN(z'))            block
                    SRA: queries of all tokens; keys and values of LN(R x R of them, made one)

Version 1 (Wang et al., arXiv 2102.12122) learns positions, and its last stage has a class token, which the head reads.
Version 2 (arXiv 2106.13797) has neither: its patches overlap, and a depthwise convolution in the MLP tells a token
where it is; its stages end in a norm, and the head reads the mean. The names are timm's, which has version 2 alone.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import Chain, Layer, Let, Op, Parameter, Residual
from ..layers.parts import branch_end, dense, drop, norm
from ..model import Classifier, checks
from ..model.sizes import size_by_name
from .pvt_sizes import SIZES
from .resampling import resampled
from .staged import Staged

Pair = tuple[int, int]
KEYS = 7, 7  # a linear attention's, whatever the size of the map


@dataclass(frozen=True)
class Stage:
    """What the blocks of one stage have in common."""

    grid: Pair  # tokens of its map
    width: int
    heads: int
    depth: int
    reduction: int  # R
    hidden: int  # numbers a token inside the MLP


@dataclass(frozen=True)
class PVTConfig(Staged):
    """The architecture of a Pyramid Vision Transformer. What is a tuple has a number for each stage.

    NumPy numbers become Python's. Raises ValueError where values do not fit together, TypeError where a number is none.

    image_size           pixels: an int or a pair (height, width)
    version              1 or 2
    channels             C: of an image, 3 for colour, 1 for grey
    classes              K; 0: no head, the logits are the features
    widths               D: numbers a token
    depths               blocks
    heads                attention heads; they divide the width
    strides              the corners of two patches lie so far apart, in pixels of the map above
    patch_sizes          a patch's side, likewise; in version 1 the stride
    reductions           R: so many tokens down and across give one key and value; in version 1 the last is 1
    linear               True: 7 x 7 keys and values in every stage instead, means of the map (version 2)
    mlp_ratios           numbers a token inside the MLP, by the width
    qkv_bias             True: queries, keys and values have a bias
    norm_eps             ε of the blocks' LayerNorms and of what ends a stage or the last one
    embed_eps            ε of those behind the patches and behind what reduces the keys
    dropout              rate in [0, 1), after every dense layer but those of queries and keys, and after positions
    attention_dropout    rate in [0, 1), of the attention weights
    drop_path            rate in [0, 1) of the last block; it rises linearly from 0 at the first

    How a photograph becomes the input: see ViTConfig.

    resize_filter        "bicubic" or "bilinear"
    squeeze              False: the short side is resized; True: both sides
    crop                 part of each side that is left, in (0, 1]
    image_mean           subtracted from a pixel: one number for all channels, or one a channel
    image_std            what it is then divided by, likewise
    """

    image_size: int | Pair = 224
    version: int = 2
    channels: int = 3
    classes: int = 1000
    widths: tuple[int, ...] = (64, 128, 320, 512)
    depths: tuple[int, ...] = (3, 4, 6, 3)
    heads: tuple[int, ...] = (1, 2, 5, 8)
    strides: tuple[int, ...] = (4, 2, 2, 2)
    patch_sizes: tuple[int, ...] = (7, 3, 3, 3)
    reductions: tuple[int, ...] = (8, 4, 2, 1)
    linear: bool = False
    mlp_ratios: tuple[float, ...] = (8.0, 8.0, 4.0, 4.0)
    qkv_bias: bool = True
    norm_eps: float = 1e-6
    embed_eps: float = 1e-5
    dropout: float = 0.0
    attention_dropout: float = 0.0
    drop_path: float = 0.0
    resize_filter: str = "bicubic"
    squeeze: bool = False
    crop: float = 0.9
    image_mean: float | tuple[float, ...] = 0.5
    image_std: float | tuple[float, ...] = 0.5

    @classmethod
    def from_name(cls, name: str, **changes: Any) -> "PVTConfig":
        """A published model's configuration, with `changes`: PVT-Tiny, -Small, -Medium or -Large; PVTv2-B0 to
        PVTv2-B5, or PVTv2-B2-Li, whose attention is linear."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        checks.check_eyes(self)
        checks.check_rates(self)
        for name in ("qkv_bias", "linear"):
            checks.truth(name, getattr(self, name))
        checks.put(self, checks.positive_int, "version")
        expected = "a number for each stage, such as (8, 4, 2, 1)"
        names = "widths", "depths", "heads", "strides", "patch_sizes", "reductions"
        checks.put(self, lambda name, value: checks.stages(name, value, expected), *names)
        checks.put(self, checks.positive_floats, "mlp_ratios")
        checks.put_float(self, "a positive number", lambda eps: eps > 0, "norm_eps", "embed_eps")
        checks.one_a_stage(self, *names, "mlp_ratios")
        self._check_version()
        self._check_fit()

    def _check_version(self) -> None:
        if self.version not in (1, 2):
            raise ValueError(f"version is {self.version}, expected 1 or 2")
        if self.version == 1 and self.linear:
            raise ValueError("linear attention is version 2's, and this is version 1")
        if self.version == 1 and self.patch_sizes != self.strides:
            raise ValueError(f"patch_sizes are {self.patch_sizes}, expected the strides, {self.strides}, in version 1")
        if self.version == 1 and (R := self.reductions[-1]) != 1:
            raise ValueError(f"reductions end in {R}, expected 1: version 1's class token is no place of a map")

    def _check_fit(self) -> None:
        for s, stage in enumerate(self.stages):
            if stage.width % stage.heads:
                raise ValueError(f"stage {s} is {stage.width} wide, which is not a multiple of its {stage.heads} heads")
            if not 1 <= stage.hidden < 2**63:
                raise ValueError(f"mlp_ratios has {self.mlp_ratios[s]} for stage {s}, expected width · ratio ≥ 1")
            side, (gh, gw) = 1 if self.linear else stage.reduction, stage.grid
            if min(gh, gw) < side:
                raise ValueError(f"stage {s} has a map of {gh} x {gw} tokens, expected at least {side} x {side}")
            checks.check_scores(stage.heads, gh * gw, math.prod(KEYS) if self.linear else (gh // side) * (gw // side))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The pyramid. What is left over at the end of a side, and gives no whole patch, is lost."""
        grid, made = self.image_size, []
        for s, (k, stride, width) in enumerate(zip(self.patch_sizes, self.strides, self.widths, strict=True)):
            margin = 2 * (k // 2) if self.version == 2 else 0
            grid = tuple((side + margin - k) // stride + 1 for side in grid)
            hidden = int(width * self.mlp_ratios[s])
            made.append(Stage(grid, width, self.heads[s], self.depths[s], self.reductions[s], hidden))
        return tuple(made)

    @property
    def summary(self) -> str:
        stages = ", ".join(f"{stage.depth} blocks {stage.width} wide" for stage in self.stages)
        return f"version {self.version}, {stages}"


def pvt(config: PVTConfig) -> Chain:
    """images (B, height, width, C) -> logits (B, K); without classes the features (B, F)."""
    return Chain(encoder(config), features(config), *head(config))


def encoder(config: PVTConfig) -> Chain:
    """images -> the last stage's tokens in reading order (B, N, F); in version 1 the class token before them."""
    layers = []
    for s, stage in enumerate(config.stages):
        layers += embedding(config, s) + [block(config, s, i) for i in range(stage.depth)]
        if config.version == 2:
            layers.append(norm(f"stages.{s}.norm", stage.width, config.norm_eps))
    return Chain(*layers)


def embedding(config: PVTConfig, s: int) -> list[Layer]:
    """The image, or the tokens of the stage above, (B, N, C) -> (B, N', D): patches, and a norm."""
    stage, k, name = config.stages[s], config.patch_sizes[s], f"stages.{s}.downsample" if s else "patch_embed"
    above, channels = config.image_size, config.channels
    layers: list[Layer] = []
    if s:
        above, channels = config.stages[s - 1].grid, config.stages[s - 1].width
        layers.append(Op("to_map", grid=above))
    if config.version == 1:
        layers += patches(above, k)
    else:
        layers.append(Op("overlapping_patches", kernel=k, stride=config.strides[s]))
    layers.append(dense(f"{name}.proj", k * k * channels, stage.width))
    layers.append(norm(f"{name}.norm", stage.width, config.embed_eps))
    return layers + (positions(config, s) if config.version == 1 else [])


def patches(grid: Pair, side: int) -> list[Layer]:
    """A map (B, *grid, C) -> (B, N, side·side·C), patch beside patch; what they leave over is lost."""
    whole = tuple(n // side * side for n in grid)
    crop = [Op("crop", size=whole)] if whole != grid else []
    return [*crop, Op("patchify", patch_size=(side, side))]


def positions(config: PVTConfig, s: int) -> list[Layer]:
    """A learned table for each stage, and in the last one the class token first.   (B, N, D) -> (B, N or 1 + N, D)"""
    D, N, last = config.widths[s], math.prod(config.stages[s].grid), s == len(config.depths) - 1
    cls = [Op("prepend", Parameter("cls_token", (1, 1, D), std=0.02))] if last else []
    table = Parameter(f"stages.{s}.pos_embed", (1, N + last, D), std=0.02)
    return [*cls, Op("add_position", table), *drop(config.dropout)]


def block(config: PVTConfig, s: int, i: int) -> Chain:
    """z' = z + SRA(LN(z)),   z'' = z' + MLP(LN(z')).   (B, N, D)"""
    name, D, eps = f"stages.{s}.blocks.{i}", config.widths[s], config.norm_eps
    end = branch_end(name, D, None, config.dropout, config.drop_path_rate(sum(config.depths[:s]) + i))
    return Chain(
        Residual(norm(f"{name}.norm1", D, eps), reduced_attention(config, config.stages[s], f"{name}.attn"), *end),
        Residual(norm(f"{name}.norm2", D, eps), mlp(config, config.stages[s], f"{name}.mlp"), *end),
    )


def reduced_attention(config: PVTConfig, stage: Stage, name: str) -> Let:
    """Every token looks at a map of fewer, each made of R x R.   (B, N, D)"""
    D, keys = stage.width, f"{name}.keys"
    look = Op("cross_attention", keys, None, heads=stage.heads, dropout=config.attention_dropout, noise=True)
    return Let(
        keys,
        Chain(*reduction(config, stage, name), dense(f"{name}.kv", D, 2 * D, config.qkv_bias)),  # (B, N/R², 2D)
        dense(f"{name}.q", D, D, config.qkv_bias),
        look,
        dense(f"{name}.proj", D, D),
    )


def reduction(config: PVTConfig, stage: Stage, name: str) -> list[Layer]:
    """(B, N, D) -> (B, N/R², D): patches again, and a norm; nothing where R is 1. Linear: the mean of 7 x 7 parts."""
    R, D = stage.reduction, stage.width
    if config.linear:
        mean = [Op("to_map", grid=stage.grid), resampled("pool", stage.grid, KEYS), Op("to_tokens")]
        return [*mean, dense(f"{name}.sr", D, D), norm(f"{name}.norm", D, config.embed_eps), Op("gelu")]
    if R == 1:
        return []
    squares = [Op("to_map", grid=stage.grid), *patches(stage.grid, R)]
    return [*squares, dense(f"{name}.sr", R * R * D, D), norm(f"{name}.norm", D, config.embed_eps)]


def mlp(config: PVTConfig, stage: Stage, name: str) -> Chain:
    """Each token by itself, but that in version 2 a 3 x 3 convolution, channel by channel, sees its neighbours; the
    zeros around the map tell it where it is.   (B, N, D)"""
    M, between = stage.hidden, []
    if config.version == 2:
        weight, bias = Parameter(f"{name}.dwconv.weight", (3, 3, M), std=1 / 3), Parameter(f"{name}.dwconv.bias", (M,))
        filters = Op("depthwise_convolution", weight, bias)
        relu = [Op("relu")] if config.linear else []
        between = [*relu, Op("to_map", grid=stage.grid), filters, Op("to_tokens")]
    between += [Op("gelu"), *drop(config.dropout)]
    return Chain(dense(f"{name}.fc1", stage.width, M), *between, dense(f"{name}.fc2", M, stage.width))


def features(config: PVTConfig) -> Chain:
    """What the head reads (B, F): the class token, normalised, or the mean of tokens, which are."""
    if config.version == 2:
        return Chain(Op("pool", kind="gap"))
    return Chain(Op("pool", kind="cls"), norm("norm", config.widths[-1], config.norm_eps))


def head(config: PVTConfig) -> list[Layer]:
    """The features -> the logits: (B, F) -> (B, K)."""
    return [dense("head", config.widths[-1], config.classes, fan_in=False)] if config.classes else []


class PVT(Classifier[PVTConfig]):
    """A Pyramid Vision Transformer: `logits = model(images)`. Its arguments are a ViT's."""

    Config = PVTConfig
    describe = staticmethod(pvt)

    def attention(self, images: np.ndarray) -> list[np.ndarray]:
        """Where every head looks: images (B, height, width, C), normalised -> an array a block, (B, H, N, keys); rows
        sum to 1. Tokens and keys lie in reading order; in the last stage of version 1 the class token is first."""
        return self.attention_of(encoder(self.config), images)
