"""ViTConfig: every choice that makes one Vision Transformer differ from another, and the sizes that follow from it.

vit.py has the layers that follow, sizes.py the published models by name.
"""

import dataclasses
import math
from dataclasses import dataclass

from ..ops.resize import METHODS
from .checks import (
    check_eyes,
    check_rates,
    check_scores,
    one_of,
    positive_int,
    put,
    put_float,
    stages,
    truth,
    whole_number,
)
from .sizes import SIZES, size_by_name

POOLS = ("cls", "gap", "norm_gap", "cls_norm_gap")
POSITIONS = ("none", "1d", "2d", "sincos2d", "relative")
GELUS = ("erf", "tanh")
MLPS = ("gelu", "swiglu")
ATTENTIONS = ("full", "axial")
STEM_EPS = ("google", "timm")


@dataclass(frozen=True)
class ViTConfig:
    """The architecture of a ViT (arXiv 2010.11929). Sizes in pixels may be an int or a pair (height, width).

    NumPy numbers become Python's. Raises ValueError where values do not fit together, TypeError where a number is none.

    image_size           pixels
    patch_size           pixels of the image, or places of the stem's map
    channels             C: of an image, 3 for colour, 1 for grey
    classes              K; 0: no head, the logits are the features
    width                D: numbers a token
    depth                L: blocks
    heads                H: attention heads of d = D/H numbers; they divide the width
    mlp_ratio            M = D · mlp_ratio: numbers a token inside the MLP
    pool                 what the head sees: "cls", the class token, normalised; "gap", the mean of the patches, then
                         normalised (timm's fc_norm); "norm_gap", the mean of normalised patches (Google);
                         "cls_norm_gap", the first and the last side by side, 2D numbers (Dinov2's classifier)
    class_token          True or False; None: exactly when the head sees it, so not with a mean alone
    distilled            True: a distillation token after the class token, with a head of its own (DeiT)
    registers            learned tokens after those two, without positions (arXiv 2309.16588)
    representation_size  numbers of a dense layer with a tanh before the head; None: no such layer
    position             "none", "1d", "2d", "sincos2d" or "relative": see ops/positions.py
    attention            "full", or "axial": along rows, then along columns (see ops/axial.py)
    mlp                  "gelu", or "swiglu" (see ops/swiglu.py)
    gelu                 "erf", exact, or "tanh", the approximation
    norm_eps             ε of LayerNorm, added to the variance
    qkv_bias             True: queries, keys and values have a bias
    layer_scale          LayerScale's initial value; None: blocks without it
    stem                 a hybrid: residual units a stage of the ResNet before the patches, ()
                         its root alone; None: no ResNet
    stem_width           channels of the root; stage s = 0, 1, … gives 4 · 2ˢ times as many
    stem_eps             whose ε the stem has, "google" or "timm" (see model/resnet.py)
    dropout              rate in [0, 1), after every dense layer but qkv, and after the positions
    attention_dropout    rate in [0, 1), of the attention weights
    drop_path            rate in [0, 1) of the last block; it rises linearly from 0 at the first

    How a photograph becomes the input: resized to image_size / crop, the middle cut out, pixels in [0, 1] normalised.

    resize_filter        "bicubic" or "bilinear", as Pillow has them
    squeeze              False: the short side is resized, the proportions stay; True: both sides, whatever they were
    crop                 part of each side that is left, in (0, 1]
    image_mean           subtracted from a pixel: one number for all channels, or one a channel
    image_std            what it is then divided by, likewise
    position_resize      the rule by which positions go to another image_size: see ops/resize.py
    """

    image_size: int | tuple[int, int] = 224
    patch_size: int | tuple[int, int] = 16
    channels: int = 3
    classes: int = 1000
    width: int = 192
    depth: int = 12
    heads: int = 3
    mlp_ratio: float = 4.0
    pool: str = "cls"
    class_token: bool | None = None
    distilled: bool = False
    registers: int = 0
    representation_size: int | None = None
    position: str = "1d"
    attention: str = "full"
    mlp: str = "gelu"
    gelu: str = "erf"
    norm_eps: float = 1e-6
    qkv_bias: bool = True
    layer_scale: float | None = None
    stem: tuple[int, ...] | None = None
    stem_width: int = 64
    stem_eps: str = "google"
    dropout: float = 0.0
    attention_dropout: float = 0.0
    drop_path: float = 0.0
    resize_filter: str = "bicubic"
    squeeze: bool = False
    crop: float = 0.9
    image_mean: float | tuple[float, ...] = 0.5
    image_std: float | tuple[float, ...] = 0.5
    position_resize: str = "bicubic_antialias"

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "ViTConfig":
        """A published model's configuration, with `changes`: ViTConfig.from_name("ViT-B/16", image_size=384).

        Names as in sizes.py: ViT-, R50+ViT-, DeiT- and DINOv2-. Raises ValueError for an unknown one.
        """
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        check_eyes(self)
        self._check_whole_numbers()
        for name, allowed in (
            ("pool", POOLS),
            ("position", POSITIONS),
            ("attention", ATTENTIONS),
            ("mlp", MLPS),
            ("gelu", GELUS),
            ("stem_eps", STEM_EPS),
            ("position_resize", METHODS),
        ):
            one_of(name, getattr(self, name), allowed)
        for name in ("qkv_bias", "distilled"):
            truth(name, getattr(self, name))
        if self.class_token is not None:
            truth("class_token", self.class_token)
        self._check_floats()
        self._check_fit()
        self._check_tokens()

    def _check_whole_numbers(self) -> None:
        put(self, positive_int, "width", "depth", "heads", "stem_width")
        put(self, lambda name, value: whole_number(name, value, least=0), "registers")
        if self.representation_size is not None:
            put(self, positive_int, "representation_size")
        if self.stem is not None:
            units = "the units of each stage, such as (3, 4, 9), or None"
            put(self, lambda name, value: stages(name, value, units), "stem")

    def _check_floats(self) -> None:
        check_rates(self)
        put_float(self, "a positive number", lambda eps: eps > 0, "norm_eps")
        wide_enough = "a positive number (M = width · mlp_ratio ≥ 1)"
        put_float(self, wide_enough, lambda ratio: 1 <= self.width * ratio < math.inf, "mlp_ratio")
        if self.layer_scale is not None:
            put_float(self, "a finite number or None", lambda scale: True, "layer_scale")

    def _check_fit(self) -> None:
        of = "image" if self.stem is None else "stem's map"
        for side, patch, axis in zip(self.map_shape, self.patch_size, ("height", "width"), strict=False):
            if side % patch:
                raise ValueError(
                    f"patches do not divide the {of}: {axis} {side} is not a multiple of {patch} "
                    f"(image_size {self.image_size}, patch_size {self.patch_size})"
                )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        multiple = {"2d": 2, "sincos2d": 4}.get(self.position, 1)
        if self.width % multiple:
            raise ValueError(
                f'position "{self.position}" needs a width that is a multiple of {multiple}, not {self.width}'
            )

    def _check_tokens(self) -> None:
        """Which tokens there are must fit who looks at them."""
        if self.pool.startswith("cls") and self.class_token is False:
            raise ValueError(f'pool is "{self.pool}", which needs the class token, and class_token is False')
        if self.distilled and self.pool != "cls":
            raise ValueError(f'distilled needs pool "cls", the two tokens that its heads see, not {self.pool!r}')
        if self.distilled and self.representation_size is not None:
            raise ValueError("distilled has two heads and no representation_size, which stands before one")
        if self.attention == "full":
            check_scores(self.heads, self.tokens)
        if self.position == "relative" and (self.distilled or self.registers):
            raise ValueError('position "relative" knows patches and a class token, no distillation token or registers')
        if self.attention == "axial" and self.prefix_tokens:
            raise ValueError(
                f"axial attention needs tokens that are a grid, and here {self.prefix_tokens} stand before it: "
                'use pool "gap" without class_token and registers'
            )
        if self.attention == "axial" and self.position == "relative":
            raise ValueError('axial attention has no bias on its scores: choose another position than "relative"')

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of what is cut into patches: the image, or the stem's map of it.

        The root halves an image twice, each stage but the first once more; an odd side is rounded up.
        """
        if self.stem is None:
            return self.image_shape
        halvings = 2 + max(0, len(self.stem) - 1)
        height, width = (-(-side // 2**halvings) for side in self.image_size)
        return height, width, self.stem_width * (4 * 2 ** (len(self.stem) - 1) if self.stem else 1)

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.map_shape[0] // self.patch_size[0], self.map_shape[1] // self.patch_size[1]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, C) of one image."""
        return (*self.image_size, self.channels)

    @property
    def has_class_token(self) -> bool:
        return self.pool.startswith("cls") if self.class_token is None else self.class_token

    @property
    def position_prefix(self) -> int:
        """How many tokens before the patches have a position: the class token and the distillation token."""
        return self.has_class_token + self.distilled

    @property
    def prefix_tokens(self) -> int:
        """How many tokens stand before the patches: [cls | dist | registers | patches]."""
        return self.position_prefix + self.registers

    @property
    def tokens(self) -> int:
        """N: patches, and what stands before them."""
        return math.prod(self.grid) + self.prefix_tokens

    @property
    def parts(self) -> int:
        """Blocks, and units of the stem: each has parameters of its own."""
        return self.depth + sum(self.stem or ())

    @property
    def mlp_width(self) -> int:
        """M: numbers a token inside the MLP. SwiGLU's three weights instead of two take 2/3 of it, and DINOv2 rounds
        that up to a multiple of 8."""
        width = int(self.width * self.mlp_ratio)
        return width if self.mlp == "gelu" else (int(width * 2 / 3) + 7) // 8 * 8

    @property
    def pooled_width(self) -> int:
        """Numbers an image that the tokens leave."""
        return 2 * self.width if self.pool == "cls_norm_gap" else self.width

    @property
    def feature_width(self) -> int:
        """F: numbers an image that the head sees."""
        return self.pooled_width if self.representation_size is None else self.representation_size

    def drop_path_rate(self, block: int) -> float:
        """timm's linear rule: 0 at the first block, `drop_path` at the last (arXiv 1603.09382: a step above 0)."""
        return self.drop_path * block / max(1, self.depth - 1)

    @property
    def summary(self) -> str:
        return f"{self.width} wide, {self.depth} blocks, {self.heads} heads"

    def to_dict(self) -> dict:
        """For JSON; `ViTConfig(**d)` is the way back."""
        return dataclasses.asdict(self)
