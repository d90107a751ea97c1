"""Files of Pyramid Vision Transformers: the authors' (both versions), Hugging Face's (both), timm's (version 2).

pvt_names.py has their names. What no tensor tells (heads, ε, strides) stands in the metadata of a file that
`export` wrote, or in the config.json beside it, or is what the source and published models have.
"""

import dataclasses
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..family.pvt import PVT, PVTConfig, pvt
from ..family.pvt_resolution import at_resolution
from ..model.parameters import declared_shapes
from .exporting import read_exported, write_exported
from .layout import check_layout, fill, ratio, shape_of
from .opened import check_options, naming, open_weights
from .pvt_names import NAMES, Names, layout, whose
from .tensor import Tensor
from .told import EXACT, check_told, read_gelu, read_hugging_face, read_timm
from .torch_names import IMAGENET, normalisation

SOURCES = ("authors", "Hugging Face", "timm")
PUBLISHED_HEADS = {(64, 128, 320, 512): (1, 2, 5, 8), (32, 64, 160, 256): (1, 2, 5, 8)}
# How a source makes a photograph its input.
INPUT = {
    "timm": dict(resize_filter="bicubic", squeeze=False, crop=0.9),
    "authors": dict(resize_filter="bicubic", squeeze=False, crop=0.875),
    "Hugging Face": dict(resize_filter="bilinear", squeeze=True, crop=1.0),
}


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's."""
    names = whose(tensors)
    return names and names.source


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> PVT:
    """A Pyramid Vision Transformer with the weights of a .safetensors file, or of the one in a folder, which may have a
    config.json.

    config: PVTConfig's options, in place of what the file tells. heads: must be given where nothing tells them, and the
    widths are not those of a published model. image_size: version 1's positions are resized, bilinearly; version 2 has
    none, and takes 224 unless told. Another number of classes replaces the head by zeros (0: no head).
    Raises FileNotFoundError, TypeError for an option that PVTConfig has not, and ValueError that names what is wrong.
    """
    opened = open_weights(path, "PVT")
    check_options(config, PVTConfig, dtype)
    tensors, names = opened.tensors, whose(opened.tensors)
    with naming(opened.file):
        options = _options(names, tensors)
        options |= read_exported(opened.beside) or _told(names, opened.file.parent, options)
        options |= {name: value for name, value in config.items() if name not in ("classes", "image_size")}
        stored = _stored(names, options, config.get("image_size"), tensors)
        places = layout(stored, names)
        check_layout(places, tensors, lambda name: False)
        wanted = {name: config[name] for name in ("classes", "image_size") if name in config}
        target = dataclasses.replace(stored, **wanted)
    if target.classes != stored.classes:
        places = {name: pieces for name, pieces in places.items() if not name.startswith("head.")}
    shapes = declared_shapes(pvt(dataclasses.replace(stored, classes=target.classes)))
    params = fill(places, shapes, tensors, dtype)
    params = at_resolution(params, stored, target, as_is=names.source == "Hugging Face")
    return PVT(target, params=params, device=device)


def export(model: PVT, path: str | os.PathLike, source: str) -> None:
    """Write a PVT as one of SOURCES has it: see minivit.export.

    Hugging Face's models have one ε, which they take from their config.json: where norm_eps and embed_eps differ, they
    compute a little else. Raises ValueError for version 1 in timm's names: there are none.
    """
    version = model.config.version
    known = [name for name in SOURCES if (name, version) in NAMES]
    if source not in known:
        raise ValueError(f"source is {source!r}, expected one of {', '.join(map(repr, known))} for version {version}")
    write_exported(path, layout(model.config, Names(source, version)), model)


def _options(names: Names, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What names and shapes tell, and the source's conventions; neither heads nor the image's size."""

    def shape(ours: str, axes: int) -> tuple[int, ...]:
        return shape_of(tensors, names.of(ours)[0], axes)

    def has(ours: str) -> bool:
        return names.of(ours)[0] in tensors

    def count(ours: str) -> int:
        n = 0
        while has(ours.format(n)):
            n += 1
        return n

    numbers = range(max(1, count("stages.{}.blocks.0.norm1.weight")))
    embeds = [shape(f"stages.{s}.downsample.proj.weight" if s else "patch_embed.proj.weight", 4) for s in numbers]
    first = [shape(f"stages.{s}.blocks.0.mlp.fc1.weight", 2)[0] for s in numbers]
    reduced = [f"stages.{s}.blocks.0.attn.sr.weight" for s in numbers]
    sides = [shape(name, 4)[2] if has(name) else None for name in reduced]
    patch_sizes = tuple(embed[2] for embed in embeds)
    eps = 1e-6 if names.source == "Hugging Face" else 1e-5
    return dict(
        version=names.version,
        channels=embeds[0][1],
        classes=shape("head.weight", 2)[0] if has("head.weight") else 0,
        widths=tuple(embed[0] for embed in embeds),
        depths=tuple(count(f"stages.{s}.blocks.{{}}.norm1.weight") for s in numbers),
        strides=patch_sizes if names.version == 1 else tuple(2 if s else 4 for s in numbers),
        patch_sizes=patch_sizes,
        reductions=tuple(side or 1 for side in sides),
        linear=names.version == 2 and 1 in sides,
        mlp_ratios=tuple(ratio(embed[0], hidden) for embed, hidden in zip(embeds, first, strict=True)),
        qkv_bias=has("stages.0.blocks.0.attn.q.bias"),
        norm_eps=1e-6,
        embed_eps=eps,
        **INPUT[names.source],
        **normalisation(IMAGENET, embeds[0][1]),
    )


def _told(names: Names, folder: Any, options: dict[str, Any]) -> dict[str, Any]:
    """What a config.json beside the file says."""
    if names.source == "timm":
        return read_timm(folder)
    if names.source != "Hugging Face":
        return {}
    config, told = read_hugging_face(folder)
    check_told(config, {"hidden_sizes": options["widths"]}, "the tensors have")
    read_gelu(config, EXACT)
    if "num_attention_heads" in config:
        told["heads"] = tuple(config["num_attention_heads"])
    if "layer_norm_eps" in config:
        told |= {"norm_eps": config["layer_norm_eps"], "embed_eps": config["layer_norm_eps"]}
    # Version 1 calls the side of its convolutions "strides", and their stride "patch_sizes".
    stride = config.get("patch_sizes" if names.version == 1 else "strides")
    if stride:
        told["strides"] = tuple(stride)
    return told


def _stored(names: Names, options: dict[str, Any], wanted: Any, tensors: Mapping[str, Tensor]) -> PVTConfig:
    """The model's configuration as it is stored. Version 1's positions are those of the size that is told, else of a
    square; where there is none, of the size that is wanted."""
    if "heads" not in options:
        if options["widths"] not in PUBLISHED_HEADS:
            raise ValueError(f"nothing tells the heads of stages {options['widths']} wide: give heads=(…)")
        options = options | {"heads": PUBLISHED_HEADS[options["widths"]]}
    if "image_size" not in options:
        size = wanted
        if names.version == 1:
            rows = shape_of(tensors, names.of("stages.0.pos_embed")[0], 3)[1] - (len(options["depths"]) == 1)
            side = math.isqrt(rows)
            if side * side == rows:
                size = side * options["strides"][0]
            elif wanted is None:
                raise ValueError(f"its {rows} positions are no square grid: give image_size=(height, width)")
        options = options | {"image_size": 224 if size is None else size}
    return PVTConfig(**options)
