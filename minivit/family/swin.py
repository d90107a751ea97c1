"""Swin: a pyramid of maps, each block looking within windows (Liu et al., arXiv 2103.14030).

    x = LN(patches E)                                                      embedding
    stage 0, 1, …:  z' = z + W-MSA(LN(z)),  z'' = z' + MLP(LN(z'))         block; every second one shifts its windows
    between stages: four tokens become one of twice the width              merging
    logits = mean(LN(z)) W + b                                             features, head

There is no class token, and no position but the bias on the scores (ops/windows.py has what is new, model/variants.py
the bias). The names are timm's; the numbers are timm's, Microsoft's and Hugging Face's, which part where windows do not
divide a map: see `padding`.
"""

import math
from dataclasses import dataclass

import numpy as np

from .. import ops
from ..layers import Chain, Layer, Op, Parameter, Residual
from ..layers.parts import attention, branch_end, dense, drop, mlp, norm
from ..model import Classifier
from ..model.checks import (
    as_pair,
    check_eyes,
    check_rates,
    check_scores,
    one_of,
    positive_int,
    put,
    put_float,
    stages,
    truth,
)
from ..model.sizes import size_by_name
from ..model.variants import bias_from_table
from ..ops.windows import padded
from .staged import Staged
from .swin_sizes import SIZES

Pair = tuple[int, int]

PADDINGS = ("timm", "huggingface")


@dataclass(frozen=True)
class Stage:
    """What the blocks of one stage have in common. Pairs are (down, across)."""

    grid: Pair  # tokens of its map
    width: int
    heads: int
    depth: int
    window: Pair
    shift: Pair  # of every second block


@dataclass(frozen=True)
class SwinConfig(Staged):
    """The architecture of a Swin Transformer. Sizes may be an int or a pair (height, width).

    NumPy numbers become Python's. Raises ValueError where values do not fit together, TypeError where a number is none.

    image_size           pixels
    patch_size           pixels
    channels             C: of an image, 3 for colour, 1 for grey
    classes              K; 0: no head, the logits are the features
    width                D of the first stage: numbers a token; each further stage doubles it
    depths               blocks of each stage
    heads                attention heads of each stage; they divide its width
    window               a window's side in tokens; where a map is not larger, one window takes all of it
    padding              where windows do not divide a map: "timm" shifts it, then adds zeros, and for each axis by
                         itself makes a window no larger than the map, which is then not shifted; "huggingface" adds
                         zeros, then shifts, and where either side is no larger than the (square) window, the smaller
                         one is the window's side both ways, and nothing is shifted
    absolute_position    True: a learned position for each token of the first map, besides the bias
    mlp_ratio            numbers a token inside the MLP, by its width
    qkv_bias             True: queries, keys and values have a bias
    norm_eps             ε of LayerNorm, added to the variance
    embed_eps            the same of the norms in the embedding and in merging; None: norm_eps. (Hugging Face's
                         layer_norm_eps does not reach these, which have 1e-5)
    dropout              rate in [0, 1), after every dense layer but qkv, and after the embedding
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
    patch_size: int | Pair = 4
    channels: int = 3
    classes: int = 1000
    width: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    window: int | Pair = 7
    padding: str = "timm"
    absolute_position: bool = False
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    norm_eps: float = 1e-5
    embed_eps: float | None = None
    dropout: float = 0.0
    attention_dropout: float = 0.0
    drop_path: float = 0.0
    resize_filter: str = "bicubic"
    squeeze: bool = False
    crop: float = 0.9
    image_mean: float | tuple[float, ...] = 0.5
    image_std: float | tuple[float, ...] = 0.5

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "SwinConfig":
        """A published model's configuration, with `changes`: Swin-T, -S, -B or -L, for 384 pixels "Swin-B-384" and
        "Swin-L-384", and each of ImageNet-22k's 21,841 classes, "Swin-T-22k"."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        check_eyes(self)
        check_rates(self)
        truth("qkv_bias", self.qkv_bias)
        truth("absolute_position", self.absolute_position)
        one_of("padding", self.padding, PADDINGS)
        put(self, positive_int, "width")
        put(self, as_pair, "window")
        put(self, lambda name, value: stages(name, value, "a number for each stage, such as (2, 2, 6, 2)"), "depths")
        put(self, lambda name, value: stages(name, value, "a number for each stage, such as (3, 6, 12, 24)"), "heads")
        put_float(self, "a positive number", lambda eps: eps > 0, "norm_eps")
        if self.embed_eps is not None:
            put_float(self, "a positive number, or None", lambda eps: eps > 0, "embed_eps")
        wide_enough = "a positive number (width · mlp_ratio ≥ 1)"
        put_float(self, wide_enough, lambda ratio: 1 <= self.width * ratio < 2**63, "mlp_ratio")
        self._check_fit()

    def _check_fit(self) -> None:
        if self.padding == "huggingface" and self.window[0] != self.window[1]:
            raise ValueError(f"window is {self.window}, expected a square one for padding 'huggingface'")
        for side, patch, axis in zip(self.image_size, self.patch_size, ("height", "width"), strict=True):
            if side % patch:
                raise ValueError(f"patches do not divide the image: {axis} {side} is not a multiple of {patch}")
        if not self.depths or len(self.heads) != len(self.depths):
            raise ValueError(f"depths {self.depths} and heads {self.heads}: expected one number of each a stage")
        for stage, heads in enumerate(self.heads):
            if (width := self.width * 2**stage) % heads:
                raise ValueError(f"stage {stage} is {width} wide, which is not a multiple of its {heads} heads")
        for stage in self.stages:
            of_window = math.prod(stage.window)
            windows = math.prod(-(-side // m) for side, m in zip(stage.grid, stage.window, strict=True))
            check_scores(stage.heads, windows * of_window, of_window)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The pyramid. A merging halves the map, and an odd side is rounded up."""
        patches, made = [side // patch for side, patch in zip(self.image_size, self.patch_size, strict=True)], []
        for s, (depth, heads) in enumerate(zip(self.depths, self.heads, strict=True)):
            grid = tuple(-(-side // 2**s) for side in patches)
            # timm chooses windows and shifts by the side rounded down.
            sides = grid if self.padding == "huggingface" else tuple(max(1, side // 2**s) for side in patches)
            made.append(Stage(grid, self.width * 2**s, heads, depth, *self._window_and_shift(sides)))
        return tuple(made)

    def _window_and_shift(self, sides: Pair) -> tuple[Pair, Pair]:
        """Those of a map with these sides."""
        if self.padding == "huggingface" and min(sides) <= self.window[0]:
            return (min(sides),) * 2, (0, 0)
        shift = tuple(0 if side <= m else m // 2 for side, m in zip(sides, self.window, strict=True))
        return tuple(map(min, sides, self.window)), shift

    @property
    def summary(self) -> str:
        widths = ", ".join(f"{stage.depth} blocks {stage.width} wide" for stage in self.stages)
        return f"{widths}, windows of {self.window[0]} x {self.window[1]}"


def swin(config: SwinConfig) -> Chain:
    """images (B, height, width, C) -> logits (B, K); without classes the features (B, F)."""
    return Chain(encoder(config), features(config), *head(config))


def encoder(config: SwinConfig) -> Chain:
    """images -> the last stage's map (B, N, F), in reading order."""
    layers, above = embedding(config), None
    for s, stage in enumerate(config.stages):
        if above:
            layers.append(merging(config, f"layers.{s}.downsample", above))
        layers += [block(config, stage, s, i) for i in range(stage.depth)]
        above = stage
    return Chain(*layers)


def embedding(config: SwinConfig) -> list[Layer]:
    """images (B, height, width, C) -> (B, N, D)."""
    D, (ph, pw) = config.width, config.patch_size
    positions = Parameter("absolute_pos_embed", (1, config.tokens, D), std=0.02)
    return [
        Op("patchify", patch_size=config.patch_size),  # (B, N, P·P·C)
        dense("patch_embed.proj", ph * pw * config.channels, D),  # (B, N, D)
        norm("patch_embed.norm", D, embed_eps(config)),
        *([Op("add_position", positions)] if config.absolute_position else []),
        *drop(config.dropout),
    ]


def block(config: SwinConfig, stage: Stage, s: int, i: int) -> Chain:
    """z' = z + W-MSA(LN(z)),   z'' = z' + MLP(LN(z')): a ViT's, but that tokens see their window alone.   (B, N, D)"""
    name, D, eps = f"layers.{s}.blocks.{i}", stage.width, config.norm_eps
    end = branch_end(name, D, None, config.dropout, config.drop_path_rate(sum(config.depths[:s]) + i))
    shift = stage.shift if i % 2 else (0, 0)
    place = dict(grid=stage.grid, window=stage.window, shift=shift)
    place |= dict(pad_first=True) if config.padding == "huggingface" else {}
    bias = window_bias(f"{name}.attn", stage, shift)
    return Chain(
        Residual(
            norm(f"{name}.norm1", D, eps),
            Op("windows", **place),  # (B, windows, n, D)
            attention(f"{name}.attn", D, stage.heads, config.qkv_bias, config.attention_dropout, bias),
            Op("unwindows", **place),  # (B, N, D)
            *end,
        ),
        Residual(
            norm(f"{name}.norm2", D, eps),
            mlp(f"{name}.mlp", D, int(config.mlp_ratio * D), dropout=config.dropout),
            *end,
        ),
    )


def window_bias(name: str, stage: Stage, shift: Pair) -> Chain:
    """A number for each offset within a window (H, n, n); where windows are shifted, also far less than any other for
    tokens that only the roll made neighbours (windows, H, n, n)."""
    bias = bias_from_table(name, stage.window, stage.heads, std=0.02)
    if not any(shift):
        return bias
    sizes = stage.grid, stage.window, shift
    (rows, columns), n = padded(*sizes[:2]), math.prod(stage.window)
    mask = Parameter(
        "window_mask." + ".".join(f"{a}x{b}" for a, b in sizes),
        (rows * columns // n, 1, n, n),
        fixed=lambda: ops.window_mask(*sizes),
    )
    return Chain(bias, Op("add_mask", mask))


def merging(config: SwinConfig, name: str, above: Stage) -> Chain:
    """Two by two tokens become one: (B, N, D) -> (B, N/4, 2D)."""
    D = above.width
    return Chain(
        Op("merge_patches", grid=above.grid),  # (B, N/4, 4D)
        norm(f"{name}.norm", 4 * D, embed_eps(config)),
        dense(f"{name}.reduction", 4 * D, 2 * D, bias=False),
    )


def embed_eps(config: SwinConfig) -> float:
    """ε of the norms that stand outside the blocks, but for the last."""
    return config.norm_eps if config.embed_eps is None else config.embed_eps


def features(config: SwinConfig) -> Chain:
    """The last map (B, N, F) -> the mean of its tokens, normalised before (B, F)."""
    return Chain(norm("norm", config.stages[-1].width, config.norm_eps), Op("pool", kind="gap"))


def head(config: SwinConfig) -> list[Layer]:
    """The features -> the logits: (B, F) -> (B, K)."""
    return [dense("head.fc", config.stages[-1].width, config.classes, fan_in=False)] if config.classes else []


class Swin(Classifier[SwinConfig]):
    """A Swin Transformer: `logits = model(images)`.

    config: the architecture; seed, init, dtype, device, or the parameters themselves, as for a ViT: see
    help(minivit.ViT). A model with published weights is had by minivit.load_pretrained.
    """

    Config = SwinConfig
    describe = staticmethod(swin)

    def attention(self, images: np.ndarray) -> list[np.ndarray]:
        """Where every head looks: images (B, height, width, C), normalised -> an array a block, (B, windows, H, n, n);
        rows sum to 1. The n tokens of a window, zeros that continue the map among them, lie as ops.windows_forward puts
        them."""
        return self.attention_of(encoder(self.config), images)
