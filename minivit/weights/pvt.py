"""Files of Pyramid Vision Transformers: the authors' (both versions), Hugging Face's (both), timm's (version 2).

pvt_names.py has their names. What no tensor tells (heads, ε, strides) stands in the metadata of a file that
`export` wrote, or in the config.json beside it, or is what the source and published models have.
"""

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..family.pvt import PVT, PVTConfig, pvt
from ..family.pvt_resolution import at_resolution
from ..layers import Arrays
from .layout import check_layout, shape_of
from .load import find_weights, read_weights
from .moved import exported_options, parameters, ratio, write_exported
from .pvt_names import NAMES, Names, layout, whose
from .tensor import Tensor
from .told import read_hugging_face, read_timm
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
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is {np.dtype(dtype)}, expected float32 or float64")
    file = find_weights(path)
    tensors = read_weights(file)
    try:
        names = whose(tensors)
        if names is None:
            raise ValueError(f"its names are those of no PVT: it has {', '.join(list(tensors)[:5])} …")
        options = _options(names, tensors)
        options |= exported_options(file) or _told(names, file.parent, options)
        options |= {name: value for name, value in config.items() if name not in ("classes", "image_size")}
        stored = _stored(names, options, config.get("image_size"), tensors)
        moves = layout(stored, names)
        check_layout(moves, tensors, lambda name: False)
        wanted = {name: config[name] for name in ("classes", "image_size") if name in config}
        target = PVTConfig(**stored.to_dict() | wanted)
    except TypeError as error:
        raise TypeError(f"{file}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return PVT(target, params=_parameters(names, moves, stored, target, tensors, dtype), device=device)


def export(model: PVT, path: str | os.PathLike, source: str) -> None:
    """Write the model to `path` (.safetensors) in a source's names: "timm" (version 2), "authors" or "Hugging Face".
    `load` gives back the same bits of every parameter, and the configuration, which lies in the file's metadata.

    Hugging Face's models have one ε, which they take from their config.json: where norm_eps and embed_eps differ, they
    compute a little else. Raises TypeError for another model, ValueError for names that there are none of.
    """
    if not isinstance(model, PVT):
        raise TypeError(f"model is a {type(model).__name__}, expected a PVT")
    known = [name for name in SOURCES if (name, model.config.version) in NAMES]
    if source not in known:
        raise ValueError(
            f"source is {source!r}, expected one of {', '.join(map(repr, known))} for version {model.config.version}"
        )
    moves = layout(model.config, Names(source, model.config.version))
    write_exported(path, moves, model.numpy_params(), model.config.to_dict())


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
        told, size = read_timm(folder)
        return told | ({"image_size": size} if size else {})
    if names.source != "Hugging Face":
        return {}
    config, told, size = read_hugging_face(folder)
    if "hidden_sizes" not in config:
        return told
    if tuple(config["hidden_sizes"]) != options["widths"]:
        raise ValueError(
            f"config.json has hidden_sizes {config['hidden_sizes']}, the tensors have {list(options['widths'])}"
        )
    if config.get("hidden_act", "gelu") not in ("gelu", "gelu_python"):
        raise ValueError(f"config.json has hidden_act {config['hidden_act']!r}, expected 'gelu'")
    if "num_attention_heads" in config:
        told["heads"] = tuple(config["num_attention_heads"])
    if "layer_norm_eps" in config:
        told |= {"norm_eps": config["layer_norm_eps"], "embed_eps": config["layer_norm_eps"]}
    # Version 1 calls the side of its convolutions "strides", and their stride "patch_sizes".
    stride = config.get("patch_sizes" if names.version == 1 else "strides")
    if stride:
        told["strides"] = tuple(stride)
    if size:
        told["image_size"] = size
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


def _parameters(
    names: Names, moves: dict, stored: PVTConfig, target: PVTConfig, tensors: Mapping[str, Tensor], dtype: type
) -> Arrays:
    """The parameters at the target's resolution, with a head of zeros where its classes are others than the file's."""
    headless = PVTConfig(**stored.to_dict() | {"classes": 0})
    kept = pvt(stored if stored.classes == target.classes else headless)
    params = parameters(moves, kept, tensors, dtype)
    params = at_resolution(params, stored, target, as_is=names.source == "Hugging Face")
    if stored.classes == target.classes or not target.classes:
        return params
    K, F = target.classes, target.widths[-1]
    return params | {"head.weight": np.zeros((F, K), dtype), "head.bias": np.zeros(K, dtype)}
