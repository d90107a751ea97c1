"""Files of MobileViTs: timm's, whose names are ours, and Hugging Face's; both in PyTorch's layouts.

What no tensor tells (strides, heads, the patch's side, ε) stands in the metadata of a file that `export`
wrote, or in the config.json beside it, or is what published models have.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..family.mobilevit import MobileViT, MobileViTConfig, expanded, mobilevit
from ..model.parameters import declared
from .layout import check_layout, shape_of
from .load import find_weights, read_weights
from .mobilevit_names import Names, layout, whose
from .moved import exported_options, parameters, ratio, write_exported
from .tensor import Tensor
from .told import flips_channels, read_hugging_face, read_timm

SOURCES = ("timm", "Hugging Face")
COUNTER = "num_batches_tracked"
# How a source makes a photograph its input: its pixels as they are, in [0, 1].
INPUT = {
    "timm": dict(resize_filter="bicubic", squeeze=False, crop=0.9, bgr=False),
    "Hugging Face": dict(resize_filter="bilinear", squeeze=False, crop=256 / 288, bgr=True),
}


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's."""
    names = whose(tensors)
    return names and names.source


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> MobileViT:
    """A MobileViT with the weights and running statistics of a .safetensors file, or of the one in a folder, which may
    have a config.json. BatchNorm's counters (num_batches_tracked) are left out: nothing is computed from them.

    config: MobileViTConfig's options, in place of what the file tells; image_size is 256 unless told. Another number of
    classes replaces the head by zeros (0: no head).
    Raises FileNotFoundError, TypeError for an option that MobileViTConfig has not, and ValueError that names what is
    wrong.
    """
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is {np.dtype(dtype)}, expected float32 or float64")
    file = find_weights(path)
    tensors = read_weights(file)
    try:
        names = whose(tensors)
        if names is None:
            raise ValueError(f"its names are those of no MobileViT: it has {', '.join(list(tensors)[:5])} …")
        options = _options(names, tensors)
        options |= exported_options(file) or _told(names, file.parent)
        stored = MobileViTConfig(**options | {name: value for name, value in config.items() if name != "classes"})
        moves = layout(stored, names)
        check_layout(moves, tensors, lambda name: name.endswith(COUNTER))
        target = MobileViTConfig(**stored.to_dict() | {"classes": config.get("classes", stored.classes)})
    except TypeError as error:
        raise TypeError(f"{file}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    layers = mobilevit(target)
    fresh = [name for name in declared(layers) if name.startswith("head.") and target.classes != stored.classes]
    return MobileViT(target, params=parameters(moves, layers, tensors, dtype, fresh), device=device)


def export(model: MobileViT, path: str | os.PathLike, source: str) -> None:
    """Write the model to `path` (.safetensors) in a source's names, "timm" or "Hugging Face". `load` gives
    back the same bits of every parameter and running statistic, and the configuration, which lies in the metadata.

    BatchNorm's counters (num_batches_tracked) are left out: PyTorch makes them anew. Raises TypeError for another
    model, ValueError for names that there are none of: Hugging Face's of several units before a stage's tokens.
    """
    if not isinstance(model, MobileViT):
        raise TypeError(f"model is a {type(model).__name__}, expected a MobileViT")
    if source not in SOURCES:
        raise ValueError(f"source is {source!r}, expected one of {', '.join(map(repr, SOURCES))}")
    moves = layout(model.config, Names(source))
    write_exported(path, moves, model.numpy_arrays(), model.config.to_dict())


def _options(names: Names, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What names and shapes tell, and published models' conventions."""
    has_blocks = names.blocks(tensors)
    numbers, units = range(len(has_blocks)), names.units(tensors, has_blocks)

    def shape(ours: str, axes: int, s: int = 0) -> tuple[int, ...]:
        return shape_of(tensors, names.of(ours, bool(has_blocks[s]))[0], axes)

    stem, channels = shape("stem.conv.weight", 4)[:2]
    depths = tuple(names.depth(tensors, s, units[s]) if has_blocks[s] else 0 for s in numbers)
    token_widths, widths, expansions, hidden, qkv_bias = [], [], [], [], True
    for s in numbers:
        unit, block = [f"stages.{s}.{j}" for j in range(units[s])], f"stages.{s}.{units[s]}"
        widths.append(shape(f"{unit[-1]}.conv3_1x1.conv.weight", 4, s)[0])
        sides = [shape(f"{name}.conv1_1x1.conv.weight", 4, s)[:2] for name in unit]
        expansions.append(_expansion([(n_in, inside) for inside, n_in in sides]))
        token_widths.append(shape(f"{block}.conv_1x1.weight", 4, s)[0] if depths[s] else 0)
        if depths[s]:
            hidden.append((token_widths[s], shape(f"{block}.transformer.0.mlp.fc1.weight", 2, s)[0]))
            qkv_bias = names.of(f"{block}.transformer.0.attn.qkv.bias", True)[0] in tensors
    head = names.of("head.fc.weight")[0]
    return dict(
        channels=channels,
        classes=shape("head.fc.weight", 2)[0] if head in tensors else 0,
        stem_width=stem,
        widths=tuple(widths),
        strides=tuple(2 if s else 1 for s in numbers),
        units=tuple(units),
        expansions=tuple(expansions),
        token_widths=tuple(token_widths),
        depths=depths,
        last_width=shape("final_conv.conv.weight", 4)[0],
        mlp_ratio=ratio(*hidden[0]) if hidden else 2.0,
        qkv_bias=qkv_bias,
        **INPUT[names.source],
    )


def _expansion(units: list[tuple[int, int]]) -> float:
    """The ratio that makes of each unit's input its inner channels: that of one of them where it fits all, for they are
    rounded; else a half or a whole number."""
    for candidate in (*(inside / n_in for n_in, inside in units), *(k / 2 for k in range(1, 33))):
        if all(expanded(n_in, candidate) == inside for n_in, inside in units):
            return candidate
    n_in, inside = units[0]
    raise ValueError(f"no ratio makes {n_in} channels to {inside}, rounded to a multiple of 8")


def _told(names: Names, folder: Path) -> dict[str, Any]:
    """What a config.json beside the file says."""
    if names.source == "timm":
        told, size = read_timm(folder)
        return told | ({"image_size": size} if size else {})
    config, told, size = read_hugging_face(folder)
    flips = flips_channels(folder)
    told |= ({} if flips is None else {"bgr": flips}) | ({"image_size": size} if size else {})
    for theirs, expected in (("hidden_act", "silu"), ("output_stride", 32)):
        if config.get(theirs, expected) != expected:
            raise ValueError(f"config.json has {theirs} {config[theirs]!r}, expected {expected!r}")
    renamed = {"num_attention_heads": "heads", "layer_norm_eps": "norm_eps", "patch_size": "patch_size"}
    return told | {ours: config[theirs] for theirs, ours in renamed.items() if theirs in config}
