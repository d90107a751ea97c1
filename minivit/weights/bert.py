"""BERT's files, in Hugging Face's names and PyTorch's layouts: the encoder alone (as MiniLM's), with a classifier, with
masked words, with both heads of its pre-training.

What the tensors do not tell (heads, ε, dropout) stands in config.json beside them; else it is the published models'.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..family.bert import SIZES, BERTConfig, bert
from ..family.bert_face import BERT
from ..model.parameters import declared_shapes
from .exporting import read_exported, write_exported
from .layout import Layout, check_layout, count_blocks, fill, mlp_options, same, shape_of, torch_pieces
from .opened import check_options, naming, open_weights
from .tensor import Tensor
from .told import check_told, read_gelu, read_json
from .torch_names import renamer

SOURCES = ("Hugging Face",)
HEADS = {(size["width"], size["depth"]): size["heads"] for size in SIZES.values()}
WORDS = "embeddings.word_embeddings.weight"
EMBEDDINGS = {
    "word_embed": "embeddings.word_embeddings",
    "type_embed": "embeddings.token_type_embeddings",
    "pos_embed": "embeddings.position_embeddings",
    "embed_norm": "embeddings.LayerNorm",
    "pooler": "pooler.dense",
}
LAYER = {
    "attn.qkv": tuple(f"attention.self.{part}" for part in ("query", "key", "value")),
    "attn.proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",  # the first norm, after attention; "output" has the second
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
    "norm2": "output.LayerNorm",
}
TOP = {
    "word_head.fc": "cls.predictions.transform.dense",
    "word_head.norm": "cls.predictions.transform.LayerNorm",
    "word_head": "cls.predictions",  # its bias
    "pair_head": "cls.seq_relationship",
    "head": "classifier",
}
LOOK_UP = ("word_embed", "type_embed", "pos_embed")  # tables, which PyTorch stores as they are
TIED = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")  # copies of the word table and of the bias
TOLD = {
    "num_attention_heads": "heads",
    "layer_norm_eps": "norm_eps",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "pad_token_id": "padding",
}


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's."""
    return "Hugging Face" if WORDS in tensors or f"bert.{WORDS}" in tensors else None


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> BERT:
    """A BERT with the weights of a .safetensors file, or of the one in a folder with its config.json.

    config: BERTConfig's options in place of what the file tells, or does not: heads (the published models' are known).
    head="none" leaves out the heads that are there, pooler=False the pooler; with masked words alone nobody reads it.
    head="classifier" with classes that the file has not starts with a classifier of zeros, to be fine-tuned.
    Passed over are position_ids, and the tied copies of the word table and its bias.
    Raises FileNotFoundError, TypeError for an option that BERTConfig has not, and ValueError that names what is wrong.
    """
    opened = open_weights(path, "BERT")
    check_options(config, BERTConfig, dtype)
    tensors = {_modern(name): tensor for name, tensor in opened.tensors.items()}
    prefix = "" if WORDS in tensors else "bert."
    with naming(opened.file):
        exported = read_exported(opened.beside)
        told = _told(opened.file.parent) if exported is None else exported
        wanted = BERTConfig(**_with_heads(_options(tensors, prefix) | told | config))
        layout = _layout(wanted, prefix)
        fresh = _fresh(wanted, tensors)
        layout = {ours: pieces for ours, pieces in layout.items() if ours not in fresh}
        check_layout(layout, tensors, lambda name: _passed_over(name, prefix, wanted))
    return BERT(wanted, params=fill(layout, declared_shapes(bert(wanted)), tensors, dtype), device=device)


def export(model: BERT, path: str | os.PathLike, source: str) -> None:
    """Write a BERT in Hugging Face's names, the only ones: see minivit.export. They begin with "bert." where there is a
    head; position_ids and the tied copies, which it makes anew, are left out."""
    write_exported(path, _layout(model.config, "" if model.config.head == "none" else "bert."), model)


def _modern(name: str) -> str:
    """Old files call a norm's weight gamma, and its bias beta."""
    for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _passed_over(name: str, prefix: str, config: BERTConfig) -> bool:
    """What a model does without: what is made anew, and what the configuration leaves out."""
    without = {f"{prefix}embeddings.position_ids", *TIED}
    left_out = () if config.pooler else (f"{prefix}pooler.",)
    left_out += ("cls.", "classifier.") if config.head in ("none", "classifier") else ()
    left_out += ("cls.seq_relationship.",) if config.head == "masked words" else ()
    return name in without or name.startswith(left_out)


def _fresh(config: BERTConfig, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The parameters of a classifier that the file has not."""
    stored = tensors["classifier.weight"].shape[:1] if "classifier.weight" in tensors else None
    return ("head.weight", "head.bias") if config.head == "classifier" and stored != (config.classes,) else ()


def _options(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
    """What names and shapes tell."""
    rename = _renamer(prefix)
    words, width = shape_of(tensors, prefix + WORDS, 2)
    positions, segments = (shape_of(tensors, rename(f"{name}_embed.weight"), 2)[0] for name in ("pos", "type"))
    head = "none"
    if "classifier.weight" in tensors:
        head = "classifier"
    elif "cls.predictions.bias" in tensors:
        head = "pretraining" if "cls.seq_relationship.weight" in tensors else "masked words"
    return dict(
        words=words,
        positions=positions,
        segments=segments,
        width=width,
        depth=count_blocks(tensors, f"{prefix}encoder.layer.", "."),
        mlp_ratio=mlp_options(width, shape_of(tensors, rename("blocks.0.mlp.fc1.weight"), 2)[0], 0)["mlp_ratio"],
        head=head,
        classes=shape_of(tensors, "classifier.weight", 2)[0] if head == "classifier" else 0,
        pooler=head != "masked words" and f"{prefix}pooler.dense.weight" in tensors,
    )


def _told(folder: Path) -> dict[str, Any]:
    """What config.json beside the file tells."""
    config = read_json(folder / "config.json")
    told = {ours: config[theirs] for theirs, ours in TOLD.items() if theirs in config}
    check_told(config, {"position_embedding_type": "absolute"})
    dropout = config.get("classifier_dropout")
    told["head_dropout"] = told.get("dropout", 0.1) if dropout is None else dropout
    return told | {"gelu": read_gelu(config)}


def _with_heads(options: dict[str, Any]) -> dict[str, Any]:
    """With the attention heads of the published models, where nothing tells them; and a head's options in accord."""
    if options["head"] != "classifier":
        options = options | {"classes": 0}
    if "heads" in options:
        return options
    size = options["width"], options["depth"]
    if size not in HEADS:
        raise ValueError(f"nothing tells the number of heads of {size[1]} blocks of width {size[0]}: give heads=…")
    return options | {"heads": HEADS[size]}


def _renamer(prefix: str) -> Callable[[str], Any]:
    names = {ours: prefix + theirs for ours, theirs in EMBEDDINGS.items()} | TOP
    return renamer(names, prefix + "encoder.layer.{i}.", LAYER)


def _layout(config: BERTConfig, prefix: str) -> Layout:
    """Each of our parameters in PyTorch's layout."""
    rename, layout = _renamer(prefix), {}
    for ours, shape in declared_shapes(bert(config)).items():
        table = ours.partition(".")[0] in LOOK_UP
        layout[ours] = [same(rename(ours), shape)] if table else torch_pieces(rename(ours), shape)
    return layout
