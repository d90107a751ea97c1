"""ViTConfig: every choice that makes one Vision Transformer differ from another, and the shapes that follow from it."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np

from ..ops import relative_table_size

POOLS = ("cls", "gap")
POSITIONS = ("none", "1d", "2d", "sincos2d", "relative")
GELUS = ("erf", "tanh")


@dataclass(frozen=True)
class ViTConfig:
    """The architecture of a ViT (arXiv 2010.11929). Sizes in pixels may be an int or a pair (height, width).

    NumPy numbers become Python's. Raises ValueError where values do not fit together, TypeError where a number is none.
    """

    image_size: int | tuple[int, int] = 224
    patch_size: int | tuple[int, int] = 16
    channels: int = 3
    classes: int = 1000
    width: int = 192  # D: numbers a token
    depth: int = 12  # L: blocks
    heads: int = 3  # H: attention heads of d = D/H
    mlp_ratio: float = 4.0  # M = D · mlp_ratio: numbers a token inside the MLP
    pool: str = "cls"  # what the head sees: the class token, or the mean of all patches ("gap", no class token)
    position: str = "1d"  # see ops/positions.py
    gelu: str = "erf"
    norm_eps: float = 1e-6
    qkv_bias: bool = True
    layer_scale: float | None = None  # LayerScale's initial value; None for blocks without it
    dropout: float = 0.0  # after every dense layer but qkv, and after the positions
    attention_dropout: float = 0.0
    drop_path: float = 0.0  # the last block's rate; it rises linearly from 0 at the first
    image_mean: float | tuple[float, ...] = 0.5  # `predict` takes pixels in [0, 1] to (pixel − mean) / std,
    image_std: float | tuple[float, ...] = 0.5  # one number for all channels or one a channel

    def __post_init__(self) -> None:
        for name in ("image_size", "patch_size"):
            value = getattr(self, name)
            pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
            if len(pair) != 2:
                raise ValueError(f"{name} is {value!r}, expected an int or a pair (height, width)")
            object.__setattr__(self, name, tuple(positive_int(name, side) for side in pair))
        for name in ("channels", "classes", "width", "depth", "heads"):
            object.__setattr__(self, name, positive_int(name, getattr(self, name)))
        for name, allowed in (("pool", POOLS), ("position", POSITIONS), ("gelu", GELUS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(map(repr, allowed))}")
        if not isinstance(self.qkv_bias, bool):
            raise TypeError(f"qkv_bias is {self.qkv_bias!r}, expected True or False")
        self._check_floats()
        self._check_fit()

    def _check_floats(self) -> None:
        def check(name: str, expected: str, fits: Callable[[float], bool]) -> None:
            object.__setattr__(self, name, finite_float(name, getattr(self, name), expected, fits))

        for name in ("dropout", "attention_dropout", "drop_path"):
            check(name, "a rate in [0, 1)", lambda rate: 0 <= rate < 1)
        check("norm_eps", "a positive number", lambda eps: eps > 0)
        wide_enough = "a positive number (M = width · mlp_ratio ≥ 1)"
        check("mlp_ratio", wide_enough, lambda ratio: 1 <= self.width * ratio < math.inf)
        if self.layer_scale is not None:
            check("layer_scale", "a finite number or None", lambda scale: True)
        for name, expected, fits in (
            ("image_mean", "finite numbers", lambda mean: True),
            ("image_std", "positive numbers", lambda std: std > 0),
        ):
            values = tuple(finite_float(name, value, expected, fits) for value in as_tuple(getattr(self, name)))
            if len(values) not in (1, self.channels):
                raise ValueError(f"{name} has {len(values)} numbers, expected one, or one a channel ({self.channels})")
            object.__setattr__(self, name, values if len(values) > 1 else values[0])

    def _check_fit(self) -> None:
        for side, patch, axis in zip(self.image_size, self.patch_size, ("height", "width"), strict=True):
            if side % patch:
                raise ValueError(
                    f"patches do not divide the image: {axis} {side} is not a multiple of {patch} "
                    f"(image_size {self.image_size}, patch_size {self.patch_size})"
                )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        multiple = {"2d": 2, "sincos2d": 4}.get(self.position, 1)
        if self.width % multiple:
            raise ValueError(
                f'position "{self.position}" needs a width that is a multiple of {multiple}, not {self.width}'
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.image_size[0] // self.patch_size[0], self.image_size[1] // self.patch_size[1]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, C) of one image."""
        return (*self.image_size, self.channels)

    @property
    def has_class_token(self) -> bool:
        return self.pool == "cls"

    @property
    def tokens(self) -> int:
        """N: patches, and one more with a class token."""
        return math.prod(self.grid) + self.has_class_token

    @property
    def mlp_width(self) -> int:
        return int(self.width * self.mlp_ratio)

    def drop_path_rate(self, block: int) -> float:
        """timm's linear rule: 0 at the first block, `drop_path` at the last (arXiv 1603.09382: a step above 0)."""
        return self.drop_path * block / max(1, self.depth - 1)

    def to_dict(self) -> dict:
        """For JSON; `ViTConfig(**d)` is the way back."""
        return dataclasses.asdict(self)


def parameter_shapes(config: ViTConfig) -> dict[str, tuple[int, ...]]:
    """Every parameter's name (timm's) and shape, in the order of the forward. A dense weight is (in, out)."""
    D, M = config.width, config.mlp_width
    (ph, pw), (gh, gw) = config.patch_size, config.grid
    shapes: dict[str, tuple[int, ...]] = {}

    def dense(name: str, n_in: int, n_out: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (n_in, n_out)
        if bias:
            shapes[f"{name}.bias"] = (n_out,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (D,)

    dense("patch_embed.proj", ph * pw * config.channels, D)
    if config.has_class_token:
        shapes["cls_token"] = (1, 1, D)
    if config.position == "1d":
        shapes["pos_embed"] = (1, config.tokens, D)
    elif config.position == "2d":
        shapes["pos_embed.row"] = (gh, D // 2)
        shapes["pos_embed.column"] = (gw, D // 2)
    for i in range(config.depth):
        norm(f"blocks.{i}.norm1")
        dense(f"blocks.{i}.attn.qkv", D, 3 * D, config.qkv_bias)
        if config.position == "relative":
            entries = relative_table_size(config.grid, config.has_class_token)
            shapes[f"blocks.{i}.attn.relative_position_bias_table"] = (entries, config.heads)
        dense(f"blocks.{i}.attn.proj", D, D)
        if config.layer_scale is not None:
            shapes[f"blocks.{i}.ls1.gamma"] = (D,)
        norm(f"blocks.{i}.norm2")
        dense(f"blocks.{i}.mlp.fc1", D, M)
        dense(f"blocks.{i}.mlp.fc2", M, D)
        if config.layer_scale is not None:
            shapes[f"blocks.{i}.ls2.gamma"] = (D,)
    norm(final_norm_name(config))
    dense("head", D, config.classes)
    return shapes


def final_norm_name(config: ViTConfig) -> str:
    """timm calls the norm before the head "norm" after the class token and "fc_norm" after mean pooling."""
    return "norm" if config.pool == "cls" else "fc_norm"


def count_parameters(config: ViTConfig) -> int:
    """The number of parameters, without allocating the model."""
    return sum(math.prod(shape) for shape in parameter_shapes(config).values())


def positive_int(name: str, value: object) -> int:
    """`value` as a Python int of at least 1. `name` is what the error calls it."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {value!r}, expected a whole number")
    if value.__index__() < 1:
        raise ValueError(f"{name} is {value!r}, expected at least 1")
    return value.__index__()


def finite_float(name: str, value: object, expected: str, fits: Callable[[float], bool]) -> float:
    """`value` as a Python float that is finite and `fits`. A NumPy float64 would make float64 of float32 arrays."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}, expected a number")
    if not (math.isfinite(value) and fits(float(value))):
        raise ValueError(f"{name} is {value!r}, expected {expected}")
    return float(value)


def as_tuple(value: object) -> tuple:
    """One value, or several in a tuple, a list or an array, as a tuple."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    return tuple(value) if isinstance(value, tuple | list) else (value,)
