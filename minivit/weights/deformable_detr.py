"""Deformable DETR's files: the authors' names and Hugging Face's, in PyTorch's layouts.

A head that several layers share, or that stands in two places of the model, is in memory once; files have it once or
as often as it is used. Heads and dilation stand in config.json beside the tensors, or else are the published models'.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..family.deformable_detr import DeformableDETR, DeformableDETRConfig, deformable_detr
from ..family.deformable_parts import RARE
from ..family.deformable_sizes import COCO
from ..model.parameters import declared_shapes
from .convolutional import COUNTERS, Dialect
from .detectors import rename_backbone, resnet_names, resnet_of, told_beside
from .exporting import read_exported, write_exported
from .layout import Layout, Piece, check_layout, convolved, count_blocks, fill, same, shape_of, torch_pieces
from .opened import check_options, naming, open_weights
from .tensor import Tensor

PUBLISHED_HEADS = {256: 8}  # by the width
OFFSETS = "transformer.decoder.layers.0.cross_attn.sampling_offsets.bias"
CLASSES = "class_embed."
TABLES = ("query_embed.weight", "transformer.level_embed")  # which PyTorch stores as they are
STACKED = {"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias", "proj.": "out_proj."}
APART = ("q_proj", "k_proj", "v_proj")
ENCODER = {"linear1": "fc1", "linear2": "fc2", "norm1": "self_attn_layer_norm", "norm2": "final_layer_norm"}
DECODER = ENCODER | {
    "cross_attn": "encoder_attn",
    "norm1": "encoder_attn_layer_norm",
    "norm2": "self_attn_layer_norm",
    "norm3": "final_layer_norm",
}
Rename = Callable[[str], str | tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Names:
    """How a source calls what we call by our names: the transformer, and the ResNet within; and where in it the decoder
    is, which has the heads a second time."""

    transformer: Rename
    resnet: Dialect
    decoder: str
    copies: bool  # does it store what is one tensor in memory as often as it is used?

    def rename(self, ours: str) -> str | tuple[str, ...]:
        """Several names where queries, keys and values lie apart."""
        return rename_backbone(self.resnet)(ours) or self.transformer(ours)

    def knows(self, tensors: Mapping[str, Tensor]) -> bool:
        """Are a file's names these? A model without its backbone is one, too."""
        others = not any(name.startswith(self.resnet.rename("")) for name in tensors)
        return self.transformer(OFFSETS) in tensors and (others or self.resnet.knows(tensors))

    def heads(self, ours: str, config: DeformableDETRConfig) -> list[str]:
        """Where a head's tensor stands: the place that the source names first, then others."""
        kind, i, rest = ours.split(".", 2)
        layers = [i] if config.refine else [str(layer) for layer in range(config.decoder_depth)]
        named = [f"{before}{kind}.{layer}.{rest}" for before in ("", self.decoder) for layer in layers]
        inside = config.two_stage or (config.refine and kind == "bbox_embed")  # the decoder itself uses it
        if self.copies:
            return named if inside else named[: len(layers)]
        return sorted(named, key=lambda name: name.startswith(self.decoder) != inside)


def _authors(ours: str) -> str:
    for name, theirs in STACKED.items():
        ours = ours.replace(f"self_attn.{name}", f"self_attn.{theirs}")
    return ours


def _hugging_face(ours: str) -> str | tuple[str, ...]:
    if not ours.startswith(("transformer.encoder.layers.", "transformer.decoder.layers.")):
        return "model." + ours.removeprefix("transformer.").replace("query_embed", "query_position_embeddings")
    _, coder, _, i, part, *rest = ours.split(".")
    before = f"model.{coder}.layers.{i}.{(ENCODER if coder == 'encoder' else DECODER).get(part, part)}."
    layer = rest[0]
    if layer == "qkv":
        return tuple(f"{before}{one}.{rest[1]}" for one in APART)
    return before + ".".join(["out_proj" if layer == "proj" else layer, *rest[1:]])


RESNETS = {"authors": "backbone.0.body.", "Hugging Face": "model.backbone.conv_encoder.model."}
SOURCES = {
    "authors": Names(_authors, resnet_names(RESNETS["authors"])["torchvision"], "transformer.decoder.", copies=True),
    # Its published files have timm's ResNet; a model that is configured with its own ResNet has that one's names.
    **{
        name: Names(_hugging_face, resnet_names(RESNETS["Hugging Face"])[resnet], "model.decoder.", copies=False)
        for name, resnet in (("Hugging Face", "torchvision"), ("Hugging Face, its own ResNet", "Hugging Face"))
    },
}


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's."""
    return next((source for source, names in SOURCES.items() if names.knows(tensors)), None)


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> DeformableDETR:
    """A Deformable DETR with the weights of a .safetensors file of the authors or of Hugging Face, or of the one in a
    folder with its config.json. A file without a ResNet gives a model without a backbone.

    config: DeformableDETRConfig's options, in place of what the file tells, or does not: heads (of the published width,
    256, they are known), dilation=True for DC5, whose tensors are the others', queries of two stages, refine of an
    authors' file whose tensors stand there once. Another number of classes replaces their heads by those that training
    starts from. A BatchNorm's num_batches_tracked is left out.
    Raises FileNotFoundError, TypeError for an option that DeformableDETRConfig has not, and ValueError that names what
    is wrong.
    """
    opened = open_weights(path, "DeformableDETR")
    check_options(config, DeformableDETRConfig, dtype)
    tensors, names = opened.tensors, SOURCES[opened.source]
    with naming(opened.file):
        exported = read_exported(opened.beside)
        options = _options(tensors, names)
        told = _told(opened.file.parent, options) if exported is None else exported
        given = {name: value for name, value in config.items() if name != "classes"}
        stored = DeformableDETRConfig(**_with_heads(options | told | given, tensors, names))
        layout = _tied(_present(_layout(stored, names), tensors), tensors, names)
        check_layout(layout, tensors, lambda name: name.endswith(COUNTERS))
        target = dataclasses.replace(stored, classes=config.get("classes", stored.classes))
    if target.classes == stored.classes:
        fresh = {}
    else:
        layout = {ours: pieces for ours, pieces in layout.items() if not ours.startswith(CLASSES)}
        fresh = _start_of_classes(target, dtype)
    params = fill(layout, declared_shapes(deformable_detr(target)), tensors, dtype)
    return DeformableDETR(target, params=params | fresh, device=device)


def export(model: DeformableDETR, path: str | os.PathLike, source: str) -> None:
    """Write a Deformable DETR as one of SOURCES has it: see minivit.export. Raises ValueError for one with a backbone
    that is no ResNet: nobody has names for it."""
    if model.config.backbone == "tiny":
        raise ValueError(f"the backbone is 'tiny', which {source} has no names for: model.save keeps it")
    names = SOURCES[source]
    layout = _layout(model.config, names)
    write_exported(path, layout if names.copies else {ours: _first(pieces) for ours, pieces in layout.items()}, model)


def _start_of_classes(config: DeformableDETRConfig, dtype: type) -> dict[str, np.ndarray]:
    """Heads of zeros, whose bias says that no query has any class."""
    shapes = {name: x for name, x in declared_shapes(deformable_detr(config)).items() if name.startswith(CLASSES)}
    return {name: np.full(shape, RARE if len(shape) == 1 else 0.0, dtype) for name, shape in shapes.items()}


def _options(tensors: Mapping[str, Tensor], names: Names) -> dict[str, Any]:
    """What names and shapes tell."""
    layers = {
        coder: names.transformer(f"transformer.{coder}.layers.0.linear1.bias") for coder in ("encoder", "decoder")
    }
    projections = []  # the shapes of the maps' convolutions
    while (name := names.transformer(f"input_proj.{len(projections)}.0.weight")) in tensors:
        projections.append(shape_of(tensors, name, 4))
    if not projections:
        raise ValueError(f"it lacks {name}")
    own = [shape[1] for shape in projections if shape[2] == 1]
    backbone = resnet_of(tensors, names.resnet)
    last = len(backbone.depths) if backbone else max(4, len(own))
    two_stage = names.transformer("transformer.enc_output.weight") in tensors
    inside = f"{names.decoder}bbox_embed."
    found = {"classes": [], "queries": []}
    for before in ("", names.decoder):
        if (head := f"{before}class_embed.0.bias") in tensors:
            found["classes"].append(shape_of(tensors, head, 1)[0])
    if not found["classes"]:
        raise ValueError("it lacks class_embed.0.bias")
    if not two_stage:
        found["queries"].append(shape_of(tensors, names.transformer("query_embed.weight"), 2)[0])
    return dict(
        **{name: values[0] for name, values in found.items() if values},
        channels=backbone.channels if backbone else 3,
        backbone=backbone,
        stages=tuple(range(last - len(own) + 1, last + 1)),
        map_widths=() if backbone else tuple(own),
        extra_levels=len(projections) - len(own),
        width=projections[0][0],
        mlp_width=shape_of(tensors, layers["decoder"], 1)[0],
        refine=two_stage or any(name.startswith(inside) for name in tensors),
        two_stage=two_stage,
        **{f"{coder}_depth": count_blocks(tensors, name.partition("0.")[0], ".") for coder, name in layers.items()},
    )


def _told(folder: Any, options: dict[str, Any]) -> dict[str, Any]:
    """What stands beside the tensors; else it is what the published models have."""
    config, told = told_beside(folder, options["backbone"])
    pixels = {name: value for name, value in COCO.items() if name != "classes" and options["channels"] == 3}
    names = {"encoder_attention_heads": "heads", "with_box_refine": "refine", "two_stage": "two_stage"}
    told |= {ours: config[theirs] for theirs, ours in names.items() if theirs in config}
    if config:
        told["proposal_loss"] = "Hugging Face"
    if options["two_stage"] and "two_stage_num_proposals" in config:
        told["queries"] = config["two_stage_num_proposals"]
    return pixels | told


def _with_heads(options: dict[str, Any], tensors: Mapping[str, Tensor], names: Names) -> dict[str, Any]:
    """With the attention heads of the published models, where nothing tells them, and the points that follow."""
    if "heads" not in options and options["width"] not in PUBLISHED_HEADS:
        raise ValueError(f"nothing tells the number of heads of a model {options['width']} wide: give heads=…")
    options = {"heads": PUBLISHED_HEADS.get(options["width"])} | options
    levels = len(options["stages"]) + options["extra_levels"]
    offsets = shape_of(tensors, names.transformer(OFFSETS), 1)[0]
    points, rest = divmod(offsets, 2 * levels * options["heads"])
    if rest or not points:
        raise ValueError(f"{offsets} offsets do not fit {options['heads']} heads and {levels} maps: give heads=…")
    return {"points": points} | options


def _layout(config: DeformableDETRConfig, names: Names) -> Layout:
    """Each of our parameters in PyTorch's layout, a head's in all places where it may stand."""
    layout = {}
    for ours, shape in declared_shapes(deformable_detr(config)).items():
        head = ours.startswith((CLASSES, "bbox_embed."))
        theirs = names.heads(ours, config) if head else [names.rename(ours)]
        layout[ours] = [piece for name in theirs for piece in _pieces(ours, name, shape)]
    return layout


def _pieces(ours: str, theirs: str | tuple[str, ...], shape: tuple[int, ...]) -> list[Piece]:
    if ours in TABLES:
        return [same(theirs, shape)]
    if ours.startswith("input_proj.") and len(shape) == 2:
        return [convolved(theirs, (1, 1), shape)]
    return torch_pieces(theirs, shape)


def _present(layout: Layout, tensors: Mapping[str, Tensor]) -> Layout:
    """Of the places of each parameter those that the file has; the first, where it has none."""
    return {
        ours: [piece for piece in pieces if piece.name in tensors] or _first(pieces) for ours, pieces in layout.items()
    }


def _tied(layout: Layout, tensors: Mapping[str, Tensor], names: Names) -> Layout:
    """Where refined layers have one head for all classes, as Hugging Face 5.24 ties and stores them: each has its
    numbers."""
    others = [ours for ours in layout if ours.startswith(CLASSES) and not ours.startswith(f"{CLASSES}0.")]
    if names.copies or any(piece.name in tensors for ours in others for piece in layout[ours]):
        return layout
    return layout | {ours: layout[f"{CLASSES}0.{ours.rpartition('.')[2]}"] for ours in others}


def _first(pieces: list[Piece]) -> list[Piece]:
    return [pieces[0], *(piece for piece in pieces[1:] if piece.at != pieces[0].at)]
