"""Published ViTs: Google's, timm's, torchvision's and Hugging Face's, an importer a file; here is what all need."""

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..model import ViT, ViTConfig, parameter_shapes
from ..model.checks import as_pair
from ..model.resolution import at_resolution
from ..model.vit import head_names
from . import google, huggingface, timm, torchvision
from .exporting import read_exported, write_exported
from .layout import Layout, check_layout, fill
from .opened import check_options, naming, open_weights
from .tensor import Tensor
from .told import read_told
from .torch_names import torch_layout

IMPORTERS = {"Google": google, "timm": timm, "torchvision": torchvision, "Hugging Face": huggingface}
# Heads are no shape in PyTorch's files. Published models of these (width, depth) have this number, d = 64 (but for H),
# with rare exceptions: MoCo v3's ViT-S has 12.
HEADS = {(192, 12): 3, (384, 12): 6, (768, 12): 12, (1024, 24): 16, (1280, 32): 16, (1536, 40): 24}
SOURCES = ("timm", "Hugging Face")  # whose files can be written
# What only whole masked autoencoders have, by their source: mae.py.
DECODERS = {"authors": "decoder_pred.weight", "Hugging Face": "decoder.decoder_pred.weight"}
# What the tensors of an exported file do not tell.
CHOICES = (
    "heads", "mlp_ratio", "pool", "class_token", "gelu", "norm_eps", "layer_scale", "dropout", "attention_dropout",
    "drop_path", "stem_eps", "resize_filter", "squeeze", "crop", "image_mean", "image_std", "position_resize",
)  # fmt: skip
GUESSED = (
    "nothing tells the mean and deviation of the pixels that this model was trained on; 0.5 and 0.5 are taken, as "
    "timm's and Google's ViTs have them. DeiT, DINO, MAE and others want image_mean=(0.485, 0.456, 0.406), "
    "image_std=(0.229, 0.224, 0.225): give what its publisher says, or put the publisher's config.json beside the file"
)
AFTERWARDS = ("image_size", "classes", "representation_size")  # changed when the stored model is known


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's. Raises ValueError for a damaged ViT."""
    if any(name in tensors for name in DECODERS.values()):
        return None
    return next((name for name, importer in IMPORTERS.items() if importer.recognise(tensors)), None)


def load(
    path: str | os.PathLike,
    heads: int | None = None,
    *,
    dtype: type = np.float32,
    device: str = "cpu",
    **config: Any,
) -> ViT:
    """A ViT with the weights of a file: see `load_pretrained`."""
    opened = open_weights(path, "ViT")
    check_options(config, ViTConfig, dtype)
    file, tensors = opened.file, opened.tensors
    with naming(file):
        source = IMPORTERS[opened.source].recognise(tensors)
        options = dict(source.options)
        told, stored_size, input_size = _told(file, opened.beside, options)
        options |= told | {name: value for name, value in config.items() if name not in AFTERWARDS}
        if source.guessed and options["channels"] == 3 and "image_mean" not in told | config:
            warnings.warn(f"{file}: {GUESSED}", stacklevel=3)
        options["heads"] = _heads(options, heads)
        image_size = config.get("image_size", input_size)
        stored, prefix_rows = _stored(options, source.rows, stored_size, image_size)
        layout = source.layout(stored, prefix_rows)
        check_layout(layout, tensors, source.ignored)
        target = _with_head(stored, config)
    params = _parameters(layout, stored, target, tensors, dtype)
    target, params = at_resolution(target, params, stored.image_size if image_size is None else image_size)
    return ViT(target, params=params, device=device)


def export(model: ViT, path: str | os.PathLike, source: str) -> None:
    """Write a ViT as timm or Hugging Face has it: see minivit.export."""
    config = model.config
    for name, value, known in (("position", config.position, "1d"), ("attention", config.attention, "full")):
        if value != known:
            named = f"{source} has no names for {name} {value!r}, only for {known!r}"
            raise ValueError(f"{path} cannot be written: {named}")
    if source == "Hugging Face":
        write_exported(path, huggingface.exported_layout(config, path), model)
        return
    # Class tokens without positions are timm's no_embed_class, as DeiT III and DINOv2 with registers have it.
    prefix_rows = not config.position_prefix or bool(
        model.numpy_params()["pos_embed"][:, : config.position_prefix].any()
    )
    write_exported(path, torch_layout(config, prefix_rows, lambda name: timm.stem_name(name, config.stem)), model)


def _told(file: Path, beside: Any, options: dict[str, Any]) -> tuple[dict[str, Any], Any, Any]:
    """Options that something else than the tensors tells, the image_size of the stored positions, and of the input."""
    if file.suffix.lower() == ".onnx":
        return {}, None, beside
    if file.suffix.lower() == ".npz":
        return {}, None, None
    if (config := read_exported(beside)) is not None:
        return {name: config[name] for name in CHOICES if name in config}, config.get("image_size"), None
    return read_told(file.parent, options)


def _heads(options: dict[str, Any], asked: int | None) -> int:
    """What the file tells; else what is asked for; else what published models of this size have."""
    width, depth, told = options["width"], options["depth"], options.get("heads")
    published = HEADS.get((width, depth))
    if told is not None:
        if asked not in (None, told):
            raise ValueError(f"heads is {asked!r}, but the file tells {told!r}: leave it out")
        return told
    if asked is None and published is None:
        raise ValueError(f"nothing tells the number of heads of {depth} blocks of width {width}: give heads=…")
    if None not in (asked, published) and asked != published:
        warnings.warn(
            f"heads={asked} is taken, but published models of {depth} blocks of width {width} have {published}",
            stacklevel=4,
        )
    return published if asked is None else asked


def _stored(options: dict[str, Any], rows: int | None, told: Any, wanted: Any) -> tuple[ViTConfig, bool]:
    """The configuration of the model as it is stored, and whether its table of positions has rows for prefix tokens.

    rows: of that table. told: the image size that the file says it is for; else a square is taken, and only where there
    is none, the size that is wanted.
    """
    stem = options.get("stem")
    stride = 1 if stem is None else 4 * 2 ** max(0, len(stem) - 1)
    pixels = [stride * side for side in options["patch_size"]]  # that a patch stands for
    config = ViTConfig(**options | {"image_size": pixels})
    sizes = [as_pair("image_size", size) for size in (told, wanted) if size is not None]
    if rows is None:
        return dataclasses.replace(config, image_size=sizes[0] if sizes else 224), False
    prefixes = list(dict.fromkeys((config.position_prefix, 0)))  # with rows for the prefix tokens, or without
    squares = [(prefix, (math.isqrt(max(0, rows - prefix)),) * 2) for prefix in prefixes]
    grids = [tuple(side // pixel for side, pixel in zip(size, pixels, strict=True)) for size in sizes]
    of_sizes = [(prefix, grid) for grid in grids for prefix in prefixes]
    for prefix, grid in of_sizes if told is not None else squares + of_sizes:
        if math.prod(grid) == rows - prefix > 0:
            image_size = [n * pixel for n, pixel in zip(grid, pixels, strict=True)]
            return dataclasses.replace(config, image_size=image_size), prefix == config.position_prefix
    if told is not None:
        raise ValueError(f"its {rows} positions are not those of image_size {told}, which it says it is for")
    raise ValueError(f"its {rows} positions are no square grid: give image_size=(height, width)")


def _with_head(config: ViTConfig, changes: dict[str, Any]) -> ViTConfig:
    """The configuration with the classes and the representation_size that were asked for."""
    size = changes.get("representation_size", config.representation_size)
    if size not in (None, config.representation_size):
        or_stored = f"{config.representation_size}, or " if config.representation_size else ""
        raise ValueError(f"representation_size is {size!r}, expected {or_stored}None")
    classes = changes.get("classes", config.classes)
    return dataclasses.replace(config, classes=classes, representation_size=size)


def _parameters(
    layout: Layout, stored: ViTConfig, target: ViTConfig, tensors: Mapping[str, Tensor], dtype: type
) -> dict[str, np.ndarray]:
    """The parameters, with heads of zeros where the target has others than are stored: so fine-tuning starts."""
    if (target.classes, target.representation_size) != (stored.classes, stored.representation_size):
        heads = head_names(target)
        layout = {name: pieces for name, pieces in layout.items() if name.rpartition(".")[0] not in heads}
    return fill(layout, parameter_shapes(target), tensors, dtype)
