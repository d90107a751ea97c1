"""DETR's files: the authors' names and Hugging Face's, in PyTorch's layouts.

Heads and dilation stand in config.json beside the tensors, or else are the published models'.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..family.detr import DETR, DETRConfig, detr
from ..family.detr_sizes import COCO
from ..model.parameters import declared_shapes
from .convolutional import COUNTERS, Dialect
from .detectors import rename_backbone, resnet_names, resnet_of, told_beside
from .exporting import read_exported, write_exported
from .layout import Layout, Piece, check_layout, convolved, count_blocks, fill, same, shape_of, torch_pieces
from .opened import check_options, naming, open_weights
from .tensor import Tensor

PUBLISHED_HEADS = {256: 8}  # by the width
QUERIES, PROJECTION = "query_embed.weight", "input_proj.weight"
HEAD = ("class_embed.weight", "class_embed.bias")
STACKED = {"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias", "proj.": "out_proj."}
APART = ("q_proj", "k_proj", "v_proj")
ENCODER_NORMS = {"norm1": "self_attn_layer_norm", "norm2": "final_layer_norm"}
DECODER_NORMS = {"norm1": "self_attn_layer_norm", "norm2": "encoder_attn_layer_norm", "norm3": "final_layer_norm"}
HUGGING_FACE_TOP = {
    "transformer.decoder.norm": "model.decoder.layernorm",
    "query_embed": "model.query_position_embeddings",
    "input_proj": "model.input_projection",
    "class_embed": "class_labels_classifier",
    "bbox_embed": "bbox_predictor",
}
Rename = Callable[[str], str | tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Names:
    """How a source calls what we call by our names: the transformer, and the ResNet within."""

    source: str
    transformer: Rename
    resnet: Dialect

    def rename(self, ours: str) -> str | tuple[str, ...]:
        """Several names where queries, keys and values lie apart."""
        return rename_backbone(self.resnet)(ours) or self.transformer(ours)

    def knows(self, tensors: Mapping[str, Tensor]) -> bool:
        """Are a file's names these? A DETR without its backbone is one, too."""
        named = all(self.transformer(name) in tensors for name in (QUERIES, PROJECTION, *HEAD))
        others = not any(name.startswith(self.resnet.rename("")) for name in tensors)
        return named and (others or self.resnet.knows(tensors))


def _authors(ours: str) -> str:
    for name, theirs in STACKED.items():
        ours = ours.replace(f"attn.{name}", f"attn.{theirs}")
    return ours


def _hugging_face(ours: str) -> str | tuple[str, ...]:
    if not ours.startswith(("transformer.encoder.layers.", "transformer.decoder.layers.")):
        top = next(top for top in HUGGING_FACE_TOP if ours.startswith(f"{top}."))
        return HUGGING_FACE_TOP[top] + ours.removeprefix(top)
    _, coder, _, i, part, *rest = ours.split(".")
    before = f"model.{coder}.layers.{i}."
    if part.endswith("attn"):
        before += "encoder_attn." if part == "multihead_attn" else "self_attn."
        layer, kind = rest
        return tuple(f"{before}{one}.{kind}" for one in APART) if layer == "qkv" else f"{before}out_proj.{kind}"
    norms = ENCODER_NORMS if coder == "encoder" else DECODER_NORMS
    return ".".join((before + {"linear1": "fc1", "linear2": "fc2", **norms}[part], *rest))


BEFORE_RESNET = {"authors": "backbone.0.body.", "Hugging Face": "model.backbone.conv_encoder.model."}
SOURCES = {
    "authors": Names("authors", _authors, resnet_names(BEFORE_RESNET["authors"])["torchvision"]),
    # Its published files have timm's ResNet; a DETR that is configured with its own ResNet has that one's names.
    **{
        name: Names(name, _hugging_face, resnet_names(BEFORE_RESNET["Hugging Face"])[resnet])
        for name, resnet in (("Hugging Face", "torchvision"), ("Hugging Face, its own ResNet", "Hugging Face"))
    },
}


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's."""
    return next((source for source, names in SOURCES.items() if names.knows(tensors)), None)


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> DETR:
    """A DETR with the weights of a .safetensors file of the authors or of Hugging Face, or of the one in a folder with
    its config.json. A file without a ResNet gives a model without a backbone.

    config: DETRConfig's options, in place of what the file tells, or does not: heads (of the published width, 256, they
    are known), dilation=True for DC5, whose tensors are the others'. Another number of classes replaces the classes'
    head by zeros. A BatchNorm's num_batches_tracked is left out.
    Raises FileNotFoundError, TypeError for an option that DETRConfig has not, and ValueError that names what is wrong.
    """
    opened = open_weights(path, "DETR")
    check_options(config, DETRConfig, dtype)
    tensors, names = opened.tensors, SOURCES[opened.source]
    with naming(opened.file):
        options = _options(tensors, names)
        exported = read_exported(opened.beside)
        told = _told(opened.file.parent, options) if exported is None else exported
        given = {name: value for name, value in config.items() if name != "classes"}
        stored = DETRConfig(**_with_heads(options | told | given))
        layout = _layout(stored, names)
        check_layout(layout, tensors, lambda name: name.endswith(COUNTERS))
        target = dataclasses.replace(stored, classes=config.get("classes", stored.classes))
    if target.classes != stored.classes:
        layout = {ours: pieces for ours, pieces in layout.items() if ours not in HEAD}
    return DETR(target, params=fill(layout, declared_shapes(detr(target)), tensors, dtype), device=device)


def export(model: DETR, path: str | os.PathLike, source: str) -> None:
    """Write a DETR as one of SOURCES has it: see minivit.export. Raises ValueError for one with a backbone that is no
    ResNet: nobody has names for it."""
    if model.config.backbone == "tiny":
        raise ValueError(f"the backbone is 'tiny', which {source} has no names for: model.save keeps it")
    write_exported(path, _layout(model.config, SOURCES[source]), model)


def _options(tensors: Mapping[str, Tensor], names: Names) -> dict[str, Any]:
    """What names and shapes tell."""
    queries, width = shape_of(tensors, names.transformer(QUERIES), 2)
    layers = {"encoder": "model.encoder.layers.", "decoder": "model.decoder.layers."}
    if names.source == "authors":
        layers = {coder: f"transformer.{coder}.layers." for coder in layers}
    backbone = resnet_of(tensors, names.resnet)
    in_map = shape_of(tensors, names.transformer(PROJECTION), 4)[1]
    return dict(
        classes=shape_of(tensors, names.transformer(HEAD[1]), 1)[0] - 1,
        channels=backbone.channels if backbone else 3,
        backbone=backbone,
        stages=(len(backbone.depths),) if backbone else (4,),
        map_widths=() if backbone else (in_map,),
        queries=queries,
        width=width,
        mlp_width=shape_of(tensors, names.transformer("transformer.decoder.layers.0.linear1.bias"), 1)[0],
        **{f"{coder}_depth": count_blocks(tensors, before, ".") for coder, before in layers.items()},
    )


def _told(folder: Any, options: dict[str, Any]) -> dict[str, Any]:
    """What stands beside the tensors; else it is what the published models have."""
    config, told = told_beside(folder, options["backbone"])
    pixels = {name: value for name, value in COCO.items() if name != "classes" and options["channels"] == 3}
    names = {"encoder_attention_heads": "heads", "eos_coefficient": "no_object"}
    return pixels | told | {ours: config[theirs] for theirs, ours in names.items() if theirs in config}


def _with_heads(options: dict[str, Any]) -> dict[str, Any]:
    """With the attention heads of the published models, where nothing tells them."""
    if "heads" not in options and options["width"] not in PUBLISHED_HEADS:
        raise ValueError(f"nothing tells the number of heads of a DETR {options['width']} wide: give heads=…")
    return {"heads": PUBLISHED_HEADS.get(options["width"])} | options


def _layout(config: DETRConfig, names: Names) -> Layout:
    """Each of our parameters in PyTorch's layout."""
    return {ours: _pieces(ours, names.rename(ours), shape) for ours, shape in declared_shapes(detr(config)).items()}


def _pieces(ours: str, theirs: str | tuple[str, ...], shape: tuple[int, ...]) -> list[Piece]:
    if ours == QUERIES:
        return [same(theirs, shape)]
    return [convolved(theirs, (1, 1), shape)] if ours == PROJECTION else torch_pieces(theirs, shape)
