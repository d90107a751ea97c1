"""Swin's published weights: timm's files, Microsoft's own, and Hugging Face's, in PyTorch's layouts.

Nothing in timm's and Microsoft's files tells the size of the images but a config.json of timm's beside them. Where
there is none, the last stage's map is taken to be one window, as in all published models: 224 pixels for windows of 7,
384 for windows of 12. Hugging Face's config.json tells all.
"""

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..family.swin import Swin, SwinConfig, swin
from ..layers import Arrays
from ..model.parameters import declared_shapes
from ..model.resolution import resize_offsets
from ..ops import resize_positions_forward
from .exporting import read_exported, write_exported
from .layout import Layout, check_layout, convolved, count_blocks, fill, mlp_options, same, shape_of, torch_pieces
from .opened import Opened, check_options, naming, open_weights
from .tensor import Tensor
from .told import EXACT, check_told, read_gelu, read_hugging_face, read_timm
from .torch_names import IMAGENET, normalisation

SOURCES = ("timm", "Microsoft", "Hugging Face")
HEAD, TABLE, POSITIONS = "head.fc", "relative_position_bias_table", "absolute_pos_embed"
# Hugging Face's, of a block; three of what lies together here.
BLOCK = {
    "norm1": "layernorm_before",
    "attn.qkv": tuple(f"attention.self.{part}" for part in ("query", "key", "value")),
    f"attn.{TABLE}": f"attention.self.{TABLE}",
    "attn.proj": "attention.output.dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
OUTSIDE = {
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "patch_embed.norm": "embeddings.norm",
    POSITIONS: "embeddings.position_embeddings",
    "norm": "layernorm",
}
BUFFERS = ("relative_position_index", "attn_mask")  # follow from the sizes
# What the files of a source are for, where nothing beside them tells.
INPUTS = {"timm": dict(crop=0.9), "Microsoft": dict(crop=0.875), "Hugging Face": dict(crop=1.0, squeeze=True)}
RESIZE = "bicubic"  # half-pixel, as Microsoft resizes both tables; timm's own rule for these is another


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's."""
    if f"layers.0.blocks.0.attn.{TABLE}" in tensors:
        ends = "layers.0.downsample.norm.weight" in tensors or "head.weight" in tensors
        return "Microsoft" if ends else "timm"  # a stage of Microsoft's ends with the merging, timm's begins with it
    ends = f"encoder.layers.0.blocks.0.attention.self.{TABLE}"
    return "Hugging Face" if ends in tensors or f"swin.{ends}" in tensors else None


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> Swin:
    """A Swin with the weights of a .safetensors file of timm's, Microsoft's or Hugging Face's, or of the one in a
    folder, which has a config.json.

    config: SwinConfig's options, in place of what the file tells. Where image_size or window are others, the tables of
    offsets (and the absolute positions, if there are any) are resized, bicubic between half-pixels, as Microsoft does.
    Another number of classes replaces the head by zeros (0: no head). Of a file that was trained for maps that are no
    squares, image_size must be given where nothing tells it.
    Raises FileNotFoundError, TypeError for an option that SwinConfig has not, and ValueError that names what is wrong.
    """
    opened = open_weights(path, "Swin")
    check_options(config, SwinConfig, dtype)
    tensors = opened.tensors
    with naming(opened.file):
        rename = _renamer(opened.source, "swin." if any(name.startswith("swin.") for name in tensors) else "")
        stored, target = _configurations(_told(opened, rename), config, tensors, rename)
        layout = _layout(stored, rename)
        check_layout(layout, tensors, lambda name: name.endswith(BUFFERS))
    return Swin(target, params=_parameters(layout, stored, target, tensors, dtype), device=device)


def export(model: Swin, path: str | os.PathLike, source: str) -> None:
    """Write a Swin as one of SOURCES has it: see minivit.export."""
    write_exported(path, _layout(model.config, _renamer(source, "swin.")), model)


def _renamer(source: str, prefix: str) -> Callable[[str], str | tuple[str, ...]]:
    """A function from our names, which are timm's, to the source's: three where queries, keys and values lie apart."""

    def microsoft(ours: str) -> str:
        if ".downsample." in ours:
            folder, stage, rest = ours.split(".", 2)
            return f"{folder}.{int(stage) - 1}.{rest}"
        return ours.replace(HEAD, "head")

    def hugging_face(ours: str) -> str | tuple[str, ...]:
        if ours.startswith(HEAD):
            return ours.replace(HEAD, "classifier")
        if ".downsample." in ours:
            return f"{prefix}encoder.{microsoft(ours)}"
        before, table, short = prefix, OUTSIDE, ours
        if ours.startswith("layers."):
            _, stage, _, block, short = ours.split(".", 4)
            before, table = f"{prefix}encoder.layers.{stage}.blocks.{block}.", BLOCK
        if short in table:
            return f"{before}{table[short]}"
        name, dot, kind = short.rpartition(".")
        theirs = table[name]
        if isinstance(theirs, tuple):
            return tuple(before + part + dot + kind for part in theirs)
        return before + theirs + dot + kind

    return {"timm": lambda ours: ours, "Microsoft": microsoft, "Hugging Face": hugging_face}[source]


def _told(opened: Opened, rename: Callable) -> dict[str, Any]:
    """Options, as the tensors and what lies beside them tell; image_size and window only where that does."""
    options = _shapes(opened.tensors, rename) | INPUTS[opened.source]
    options["padding"] = "timm" if opened.source == "timm" else "huggingface"
    if (own := read_exported(opened.beside)) is not None:
        return options | {name: value for name, value in own.items() if name not in options or name in CHOICES}
    if opened.source != "Hugging Face":
        return options | read_timm(opened.file.parent)
    return options | _hugging_face(*read_hugging_face(opened.file.parent), options)


# Of these an exported file's own configuration knows more than the tensors.
CHOICES = ("padding", "mlp_ratio", "resize_filter", "squeeze", "crop", "image_mean", "image_std")


def _shapes(tensors: Mapping[str, Tensor], rename: Callable) -> dict[str, Any]:
    """What the names and shapes tell: all but the sizes of images and windows."""

    def shape(ours: str, axes: int) -> tuple[int, ...]:
        return shape_of(tensors, rename(ours), axes)

    width, channels, *patch_size = shape("patch_embed.proj.weight", 4)
    block = "layers.{}.blocks.{}."
    first = rename(block.format(0, 0) + "norm1.weight").split("layers.0.")[0] + "layers."
    stages = range(count_blocks(tensors, first, ".blocks."))
    qkv_bias = rename(block.format(0, 0) + "attn.qkv.bias")
    return dict(
        patch_size=tuple(patch_size),
        channels=channels,
        classes=shape(f"{HEAD}.weight", 2)[0] if rename(f"{HEAD}.weight") in tensors else 0,
        width=width,
        depths=tuple(count_blocks(tensors, f"{first}{s}.blocks.", ".") for s in stages),
        heads=tuple(shape(f"{block.format(s, 0)}attn.{TABLE}", 2)[1] for s in stages),
        mlp_ratio=mlp_options(width, shape(block.format(0, 0) + "mlp.fc1.weight", 2)[0], 0)["mlp_ratio"],
        qkv_bias=(qkv_bias if isinstance(qkv_bias, str) else qkv_bias[0]) in tensors,
        absolute_position=rename(POSITIONS) in tensors,
        **normalisation(IMAGENET, channels),
    )


def _hugging_face(config: dict[str, Any], told: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """What config.json tells, too. Raises ValueError where it is another model's."""
    names = {"embed_dim": "width", "depths": "depths", "num_heads": "heads"}
    check_told(config, {theirs: options[ours] for theirs, ours in names.items()}, "the tensors have")
    read_gelu(config, EXACT)
    told = told | ({"window": config["window_size"]} if "window_size" in config else {})
    if config.get("layer_norm_eps", 1e-5) != 1e-5:
        told |= {"norm_eps": config["layer_norm_eps"], "embed_eps": 1e-5}
    return told


def _configurations(
    told: dict[str, Any], asked: dict[str, Any], tensors: Mapping[str, Tensor], rename: Callable
) -> tuple[SwinConfig, SwinConfig]:
    """The stored model's configuration, and that of the model that is wanted.

    The stored one's windows are those that the tables are of: with the sizes that are told, or those of published
    models, or those that are asked for.
    """
    afterwards = {name: asked[name] for name in ("image_size", "window", "classes") if name in asked}
    options = told | {name: value for name, value in asked.items() if name not in afterwards}
    sizes = {name: value for name, value in afterwards.items() if name != "classes"}
    tables = (rename(f"layers.{s}.blocks.0.attn.{TABLE}") for s in range(len(options["depths"])))
    rows = [shape_of(tensors, table, 2)[0] for table in tables]
    for guess in (options, options | sizes):
        stored = _published(guess, rows[0])
        if stored and [math.prod(2 * m - 1 for m in stage.window) for stage in stored.stages] == rows:
            return stored, dataclasses.replace(stored, **afterwards)
    raise ValueError(
        f"its tables of {', '.join(map(str, rows))} offsets, one a stage, are not those of image_size and window, as "
        "far as these are told: give image_size=(height, width), window=(height, width)"
    )


def _published(options: dict[str, Any], rows: int) -> SwinConfig | None:
    """With the first stage's window, and images whose last map is one window, where these are not among the options."""
    if "window" not in options:
        side = math.isqrt(rows)  # (2M − 1)²
        if side * side != rows or side % 2 == 0:
            return None
        options = options | {"window": (side + 1) // 2}
    if "image_size" not in options:
        one = SwinConfig(**options | {"image_size": options["patch_size"]})  # of one token, for the checks
        last = [2 ** (len(one.depths) - 1) * p * m for p, m in zip(one.patch_size, one.window, strict=True)]
        options = options | {"image_size": last}
    return SwinConfig(**options)


def _layout(config: SwinConfig, rename: Callable) -> Layout:
    """Each of our parameters in PyTorch's layout, as `rename` calls it."""
    layout: Layout = {}
    for name, shape in declared_shapes(swin(config)).items():
        theirs = rename(name)
        if name == "patch_embed.proj.weight":
            layout[name] = [convolved(theirs, config.patch_size, shape)]
        else:
            layout[name] = [same(theirs, shape)] if name.endswith(TABLE) else torch_pieces(theirs, shape)
    return layout


def _parameters(
    layout: Layout, stored: SwinConfig, target: SwinConfig, tensors: Mapping[str, Tensor], dtype: type
) -> Arrays:
    """The parameters, resized, with a head of zeros where the target has other classes than the file: so fine-tuning
    starts."""
    if target.classes != stored.classes:
        layout = {name: pieces for name, pieces in layout.items() if not name.startswith(HEAD)}
    shapes = declared_shapes(swin(dataclasses.replace(stored, classes=target.classes)))
    params = fill(layout, shapes, tensors, dtype)
    return {name: _resized(name, array, stored, target) for name, array in params.items()}


def _resized(name: str, array: np.ndarray, stored: SwinConfig, target: SwinConfig) -> np.ndarray:
    if name == POSITIONS and (old := stored.stages[0].grid) != (new := target.stages[0].grid):
        return resize_positions_forward(array, old, new, 0, RESIZE)[0]
    if name.endswith(TABLE):
        old, new = (config.stages[int(name.split(".")[1])].window for config in (stored, target))
        return array if old == new else resize_offsets(array, old, new, RESIZE)
    return array
