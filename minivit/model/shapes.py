"""From a configuration to its parameters: every name and shape, and how many numbers that is; none is allocated."""

import math
from collections.abc import Iterator

from ..ops import relative_table_size
from .config import ViTConfig

Shapes = dict[str, tuple[int, ...]]


def parameter_shapes(config: ViTConfig) -> Shapes:
    """Every parameter's name and shape, in the order of the forward. A dense weight is (in, out).

    The names are timm's, where it has one: "cls_token", "blocks.0.attn.qkv.weight", …; the stem's are Google's.
    """
    D, (gh, gw) = config.width, config.grid
    shapes = _stem(config)
    ph, pw = config.patch_size
    shapes |= _dense("patch_embed.proj", ph * pw * config.map_shape[2], D)
    if config.has_class_token:
        shapes["cls_token"] = (1, 1, D)
    if config.distilled:
        shapes["dist_token"] = (1, 1, D)
    if config.registers:
        shapes["reg_token"] = (1, config.registers, D)
    if config.position == "1d":
        shapes["pos_embed"] = (1, config.position_prefix + gh * gw, D)
    elif config.position == "2d":
        shapes["pos_embed.row"] = (gh, D // 2)
        shapes["pos_embed.column"] = (gw, D // 2)
    block = _block(config)
    for i in range(config.depth):
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    shapes |= _norm(final_norm_name(config), D)
    if config.representation_size is not None:
        shapes |= _dense("pre_logits.fc", config.pooled_width, config.representation_size)
    for name in head_names(config):
        shapes |= _dense(name, config.feature_width, config.classes)
    return shapes


def count_parameters(config: ViTConfig) -> int:
    """The number of parameters, without allocating the model."""
    return sum(math.prod(shape) for shape in parameter_shapes(config).values())


def final_norm_name(config: ViTConfig) -> str:
    """ "norm", or "fc_norm" where it comes after mean pooling, as timm calls it."""
    return "fc_norm" if config.pool == "gap" else "norm"


def head_names(config: ViTConfig) -> tuple[str, ...]:
    """The dense layers that give logits: one, two with distillation, none without classes."""
    return ("head", "head_dist")[: 1 + config.distilled] if config.classes else ()


def stem_units(config: ViTConfig) -> Iterator[tuple[str, int, int, int]]:
    """The stem's residual units in order: name, channels that come in, inner channels, stride.

    A unit gives four times its inner channels. Each stage doubles them, and all but the first halve the map.
    """
    channels = config.stem_width
    for s, units in enumerate(config.stem or ()):
        inner = config.stem_width * 2**s
        for u in range(units):
            yield f"block{s + 1}.unit{u + 1}", channels, inner, 2 if s and not u else 1
            channels = 4 * inner


def _stem(config: ViTConfig) -> Shapes:
    """Convolutions (kernel height, kernel width, in, out), each followed by a group norm; none has a bias."""
    shapes: Shapes = {}

    def convolution(unit: str, which: str, kernel: int, n_in: int, n_out: int) -> None:
        shapes[f"{unit}.conv{which}.weight"] = (kernel, kernel, n_in, n_out)
        shapes.update(_norm(f"{unit}.gn{which}", n_out))

    if config.stem is not None:
        convolution("stem", "_root", 7, config.channels, config.stem_width)
    for name, n_in, inner, stride in stem_units(config):
        if n_in != 4 * inner or stride != 1:  # the shortcut cannot hand its input through as it is
            convolution(f"stem.{name}", "_proj", 1, n_in, 4 * inner)
        convolution(f"stem.{name}", "1", 1, n_in, inner)
        convolution(f"stem.{name}", "2", 3, inner, inner)
        convolution(f"stem.{name}", "3", 1, inner, 4 * inner)
    return shapes


def _block(config: ViTConfig) -> Shapes:
    D, M = config.width, config.mlp_width
    scale = {} if config.layer_scale is None else {"gamma": (D,)}

    def attention(norm: str, attn: str, layer_scale: str) -> Shapes:
        shapes = _norm(norm, D) | _dense(f"{attn}.qkv", D, 3 * D, config.qkv_bias)
        if config.position == "relative":
            entries = relative_table_size(config.grid, config.has_class_token)
            shapes[f"{attn}.relative_position_bias_table"] = (entries, config.heads)
        return shapes | _dense(f"{attn}.proj", D, D) | {f"{layer_scale}.{name}": shape for name, shape in scale.items()}

    shapes = attention("norm1", "attn", "ls1")
    if config.attention == "axial":
        shapes |= attention("norm_column", "attn_column", "ls_column")
    shapes |= _norm("norm2", D) | _dense("mlp.fc1", D, 2 * M if config.mlp == "swiglu" else M)
    return shapes | _dense("mlp.fc2", M, D) | {f"ls2.{name}": shape for name, shape in scale.items()}


def _dense(name: str, n_in: int, n_out: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (n_in, n_out)} | ({f"{name}.bias": (n_out,)} if bias else {})


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
