"""Sparse R-CNN's files: the authors' names, which are detectron2's, in PyTorch's layouts.

They publish pickles: {"model": tensors} within. Saved by safetensors.torch.save_file, the tensors are read here. Heads,
and which box looks at which map, are not told by them: they are the published models'.
"""

import dataclasses
import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..family.sparse_rcnn import SparseRCNN, SparseRCNNConfig, sparse_rcnn
from ..family.sparse_rcnn_sizes import COCO
from ..model.parameters import declared_shapes
from .convolutional import COUNTERS, Dialect, renamer
from .detectors import OURS_BEFORE, resnet_of
from .exporting import read_exported, write_exported
from .layout import Layout, Piece, check_layout, convolved, count_blocks, fill, same, shape_of, torch_pieces
from .opened import check_options, naming, open_weights
from .resnet import OURS
from .tensor import Tensor

SOURCES = ("authors",)
PUBLISHED_HEADS = {256: 8}  # by the width
BOXES, FEATURES = "init_proposal_boxes.weight", "init_proposal_features.weight"
FIRST = "head_series.0"
CLASSES = ".class_logits."  # what another number of classes replaces
BOTTOM_UP, UNIT = "backbone.bottom_up.", r"layer(\d+)\.(\d+)\."
LATERAL = re.compile(r"backbone\.fpn_lateral(\d+)\.weight")


def _within_stage(rest: str) -> Any:
    """Their first stage after the stem is res2."""
    return lambda m: f"{BOTTOM_UP}res{int(m[1]) + 1}.{m[2]}." + rest.format(*m.groups()[2:])


RESNET = Dialect(
    "authors",
    renamer(
        (r"conv1(\..+)", rf"{BOTTOM_UP}stem.conv1\1"),
        (r"bn1(\..+)", rf"{BOTTOM_UP}stem.conv1.norm\1"),
        (UNIT + r"conv(\d)(\..+)", _within_stage("conv{}{}")),
        (UNIT + r"bn(\d)(\..+)", _within_stage("conv{}.norm{}")),
        (UNIT + r"downsample\.0(\..+)", _within_stage("shortcut{}")),
        (UNIT + r"downsample\.1(\..+)", _within_stage("shortcut.norm{}")),
    ),
    **OURS,
)


def rename(ours: str) -> str:
    """From our names to the authors'."""
    if ours.startswith(OURS_BEFORE):
        return RESNET.rename(ours.removeprefix(OURS_BEFORE))
    if ours.startswith("fpn_"):
        return f"backbone.{ours}"
    for mine, theirs in (("qkv.weight", "in_proj_weight"), ("qkv.bias", "in_proj_bias"), ("proj.", "out_proj.")):
        ours = ours.replace(f"self_attn.{mine}", f"self_attn.{theirs}")
    return f"head.{ours}" if ours.startswith("head_series.") else ours


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's."""
    return "authors" if {BOXES, rename(f"{FIRST}.inst_interact.dynamic_layer.weight")} <= tensors.keys() else None


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> SparseRCNN:
    """A Sparse R-CNN with the weights of a .safetensors file that has the authors' names.

    config: SparseRCNNConfig's options, in place of what the file tells, or does not: heads (of the published width,
    256, they are known), samples, canonical_size. Another number of classes replaces the layers of the logits by zeros.
    A file without a ResNet gives a model without a backbone. A BatchNorm's num_batches_tracked is left out.
    Raises FileNotFoundError, TypeError for an option that SparseRCNNConfig has not, and ValueError that names what is
    wrong.
    """
    opened = open_weights(path, "SparseRCNN")
    check_options(config, SparseRCNNConfig, dtype)
    tensors = opened.tensors
    with naming(opened.file):
        told = _options(tensors) | (read_exported(opened.beside) or {})
        given = {name: value for name, value in config.items() if name != "classes"}
        stored = SparseRCNNConfig(**_with_heads(told | given))
        layout = _layout(stored)
        check_layout(layout, tensors, lambda name: name.endswith(COUNTERS))
        target = dataclasses.replace(stored, classes=config.get("classes", stored.classes))
    if target.classes != stored.classes:
        layout = {ours: pieces for ours, pieces in layout.items() if CLASSES not in ours}
    return SparseRCNN(target, params=fill(layout, declared_shapes(sparse_rcnn(target)), tensors, dtype), device=device)


def export(model: SparseRCNN, path: str | os.PathLike, source: str) -> None:
    """Write a Sparse R-CNN in the authors' names: see minivit.export. Raises ValueError for one with a backbone that is
    no ResNet: they have no names for it."""
    if model.config.backbone == "tiny":
        raise ValueError(f"the backbone is 'tiny', for which the {source} have no names: model.save keeps it")
    write_exported(path, _layout(model.config), model)


def _options(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What names and shapes tell; pixels are those of the published models."""

    def shape(ours: str, axes: int) -> tuple[int, ...]:
        return shape_of(tensors, rename(ours), axes)

    (queries, width), backbone = shape(FEATURES, 2), resnet_of(tensors, RESNET)
    dynamic, mixed = f"{FIRST}.inst_interact.dynamic_layer.bias", f"{FIRST}.inst_interact.out_layer.weight"
    towers = {name: f"head.{FIRST}.{module}." for name, module in (("class", "cls_module"), ("box", "reg_module"))}
    levels = sorted(int(match[1]) for name in tensors if (match := LATERAL.fullmatch(name)))
    given = dict(strides=tuple(2**k for k in levels), map_widths=tuple(_widths(tensors, levels)))
    return (COCO if backbone is None or backbone.channels == 3 else {}) | dict(
        classes=shape(f"{FIRST}.class_logits.bias", 1)[0],
        channels=backbone.channels if backbone else 3,
        backbone=backbone,
        stages=tuple(k - 1 for k in levels),  # a ResNet's stage s has a place for every 2^(s+1) pixels
        pyramid="levels" if f"backbone.fpn_output{levels[0] if levels else 2}.weight" in tensors else "sum",
        queries=queries,
        width=width,
        mlp_width=shape(f"{FIRST}.linear1.bias", 1)[0],
        depth=count_blocks(tensors, "head.head_series.", "."),
        dynamic_width=shape(dynamic, 1)[0] // (2 * width),
        pool_size=math.isqrt(shape(mixed, 2)[1] // width),
        **{f"{name}_layers": count_blocks(tensors, before, ".weight") // 2 for name, before in towers.items()},
        **({} if backbone else given),
    )


def _widths(tensors: Mapping[str, Tensor], levels: list[int]) -> Iterator[int]:
    """Numbers a place of the maps that the pyramid is made of."""
    return (shape_of(tensors, f"backbone.fpn_lateral{k}.weight", 4)[1] for k in levels)


def _with_heads(options: dict[str, Any]) -> dict[str, Any]:
    """With the attention heads of the published models, where nothing tells them."""
    if "heads" not in options and options["width"] not in PUBLISHED_HEADS:
        raise ValueError(f"nothing tells the number of heads of a Sparse R-CNN {options['width']} wide: give heads=…")
    return {"heads": PUBLISHED_HEADS.get(options["width"])} | options


def _layout(config: SparseRCNNConfig) -> Layout:
    """Each of our parameters in PyTorch's layout."""
    return {ours: _pieces(ours, shape) for ours, shape in declared_shapes(sparse_rcnn(config)).items()}


def _pieces(ours: str, shape: tuple[int, ...]) -> list[Piece]:
    theirs = rename(ours)
    if ours in (BOXES, FEATURES):
        return [same(theirs, shape)]
    if ours.startswith("fpn_lateral") and len(shape) == 2:
        return [convolved(theirs, (1, 1), shape)]
    return torch_pieces(theirs, shape)
