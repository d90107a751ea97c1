"""Files of MobileViTs: timm's, whose names are ours, and Hugging Face's; both in PyTorch's layouts.

What no tensor tells (strides, heads, the patch's side, ε) stands in the metadata of a file that `export`
wrote, or in the config.json beside it, or is what published models have.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..family.mobilevit import MobileViT, MobileViTConfig, expanded, mobilevit
from ..model.parameters import declared_shapes
from .exporting import read_exported, write_exported
from .layout import check_layout, fill, ratio, shape_of
from .mobilevit_names import Names, layout, whose
from .opened import check_options, naming, open_weights
from .tensor import Tensor
from .told import check_told, read_hugging_face, read_json, read_timm

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
    opened = open_weights(path, "MobileViT")
    check_options(config, MobileViTConfig, dtype)
    tensors, names = opened.tensors, whose(opened.tensors)
    with naming(opened.file):
        options = _options(names, tensors)
        options |= read_exported(opened.beside) or _told(names, opened.file.parent)
        stored = MobileViTConfig(**options | {name: value for name, value in config.items() if name != "classes"})
        places = layout(stored, names)
        check_layout(places, tensors, lambda name: name.endswith(COUNTER))
        target = dataclasses.replace(stored, classes=config.get("classes", stored.classes))
    if target.classes != stored.classes:
        places = {name: pieces for name, pieces in places.items() if not name.startswith("head.")}
    params = fill(places, declared_shapes(mobilevit(target)), tensors, dtype)
    return MobileViT(target, params=params, device=device)


def export(model: MobileViT, path: str | os.PathLike, source: str) -> None:
    """Write a MobileViT as one of SOURCES has it: see minivit.export.

    BatchNorm's counters (num_batches_tracked) are left out: PyTorch makes them anew. Raises ValueError for names that
    there are none of: Hugging Face's of several units before a stage's tokens.
    """
    write_exported(path, layout(model.config, Names(source)), model)


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
        return read_timm(folder)
    config, told = read_hugging_face(folder)
    flips = read_json(folder / "preprocessor_config.json").get("do_flip_channel_order")
    told |= {} if flips is None else {"bgr": flips}
    check_told(config, {"hidden_act": "silu", "output_stride": 32})
    renamed = {"num_attention_heads": "heads", "layer_norm_eps": "norm_eps", "patch_size": "patch_size"}
    return told | {ours: config[theirs] for theirs, ours in renamed.items() if theirs in config}
