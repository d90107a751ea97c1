"""Masked autoencoders: the authors' files (timm's names, decoder_…) and Hugging Face's, both of PyTorch's layouts.

Files that hold the encoder alone (the authors' mae_pretrain_…, timm's) are ViTs: `load_pretrained` reads them.
"""

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..family.mae import MAEConfig, mae
from ..family.mae_face import MAE
from ..model.parameters import declared_shapes
from .exporting import read_exported, write_exported
from .layout import Layout, check_layout, convolved, count_blocks, fill, mlp_options, shape_of, torch_pieces
from .opened import check_options, naming, open_weights
from .tensor import Tensor
from .told import read_json, read_told
from .torch_names import IMAGENET, normalisation, renamer
from .vit import DECODERS, HEADS

SOURCES = tuple(DECODERS)
DECODER_HEADS = {512: 16}  # by its width, of all published models
LAYER = {
    "attn.qkv": tuple(f"attention.attention.{part}" for part in ("query", "key", "value")),
    "attn.proj": "attention.output.dense",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
NAMES = {
    "patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
    "cls_token": "vit.embeddings.cls_token",
    "pos_embed": "vit.embeddings.position_embeddings",
    "norm": "vit.layernorm",
}
PUBLISHED, SAVED = "decoder.decoder_layers.", "decoder.decoder_encoder.layer."  # the latter by transformers 5.24


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's, an encoder alone among them."""
    return next((source for source, name in DECODERS.items() if name in tensors), None)


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> MAE:
    """A masked autoencoder with the weights of a .safetensors file, or of the one in a folder with its config.json.

    config: MAEConfig's options in place of what the file tells, or does not: heads and decoder_heads of the authors'
    (the published models' are known), image_size where it is no square, mask_ratio, normalize_pixels.
    Raises FileNotFoundError, TypeError for an option that MAEConfig has not, and ValueError that names what is wrong.
    """
    opened = open_weights(path, "MAE")
    check_options(config, MAEConfig, dtype)
    tensors, source = opened.tensors, opened.source
    with naming(opened.file):
        rename = _renamer(source, SAVED if any(name.startswith(SAVED) for name in tensors) else PUBLISHED)
        options = _options(tensors, rename)
        if (exported := read_exported(opened.beside)) is not None:
            options = exported
        elif source == "Hugging Face":
            options |= _told(opened.file.parent, options)
        wanted = MAEConfig(**_heads(options | config))
        layout = _layout(wanted, rename)
        check_layout(layout, tensors, lambda name: False)
    params = fill(layout, declared_shapes(mae(wanted)), tensors, dtype)
    return MAE(wanted, params=params, device=device)


def export(model: MAE, path: str | os.PathLike, source: str) -> None:
    """Write a masked autoencoder as one of SOURCES has it (Hugging Face's published files): see minivit.export."""
    write_exported(path, _layout(model.config, _renamer(source, PUBLISHED)), model)


def _renamer(source: str, decoder: str) -> Callable[[str], str | tuple]:
    """From our names to theirs, of the encoder and of the decoder."""
    if source == "authors":
        return lambda name: name
    encoder = renamer(NAMES, "vit.encoder.layer.{i}.", LAYER)
    blocks = renamer({}, decoder + "{i}.", LAYER)

    def rename(ours: str) -> str | tuple:
        if ours.startswith("decoder_blocks."):
            return blocks(ours.removeprefix("decoder_"))
        return f"decoder.{ours}" if ours.startswith("decoder_") or ours == "mask_token" else encoder(ours)

    return rename


def _options(tensors: Mapping[str, Tensor], rename: Callable[[str], Any]) -> dict[str, Any]:
    """What names and shapes tell. The images are taken to be square."""
    width, channels, *patch_size = shape_of(tensors, rename("patch_embed.proj.weight"), 4)
    decoder_width = shape_of(tensors, rename("mask_token"), 3)[2]
    rows = shape_of(tensors, rename("pos_embed"), 3)[1]
    fc1, decoder_fc1 = (
        shape_of(tensors, rename(f"{blocks}.0.mlp.fc1.weight"), 2)[0] for blocks in ("blocks", "decoder_blocks")
    )
    encoder, decoder = (rename(f"{blocks}.0.norm1.bias").partition(".0.")[0] for blocks in ("blocks", "decoder_blocks"))
    qkv_bias = rename("blocks.0.attn.qkv.bias")
    return dict(
        patch_size=tuple(patch_size),
        channels=channels,
        image_size=tuple(math.isqrt(rows - 1) * side for side in patch_size),
        width=width,
        depth=count_blocks(tensors, f"{encoder}.", "."),
        mlp_ratio=mlp_options(width, fc1, 0)["mlp_ratio"],
        decoder_width=decoder_width,
        decoder_depth=count_blocks(tensors, f"{decoder}.", "."),
        decoder_mlp_ratio=mlp_options(decoder_width, decoder_fc1, 0)["mlp_ratio"],
        qkv_bias=(qkv_bias if isinstance(qkv_bias, str) else qkv_bias[0]) in tensors,
        norm_eps=1e-6 if qkv_bias == "blocks.0.attn.qkv.bias" else 1e-12,
        **normalisation(IMAGENET, channels),
    )


def _told(folder: os.PathLike, options: dict[str, Any]) -> dict[str, Any]:
    """What config.json and preprocessor_config.json beside a file of Hugging Face's tell."""
    told, image_size, _ = read_told(folder, options | {"layer_scale": None, "mlp": "gelu"})
    config = read_json(folder / "config.json")
    names = {"decoder_num_attention_heads": "decoder_heads", "mask_ratio": "mask_ratio",
             "norm_pix_loss": "normalize_pixels"}  # fmt: skip
    told |= {ours: config[theirs] for theirs, ours in names.items() if theirs in config}
    return told | ({} if image_size is None else {"image_size": image_size})


def _heads(options: dict[str, Any]) -> dict[str, Any]:
    """With the heads of the published models, where nothing tells them."""
    published = {
        "heads": HEADS.get((options["width"], options["depth"])),
        "decoder_heads": DECODER_HEADS.get(options["decoder_width"]),
    }
    for name, number in published.items():
        if name not in options:
            if number is None:
                raise ValueError(f"nothing tells the number of heads: give {name}=…")
            options = options | {name: number}
    return options


def _layout(config: MAEConfig, rename: Callable[[str], Any]) -> Layout:
    """Each of our parameters in PyTorch's layout, as `rename` calls it."""
    shapes = declared_shapes(mae(config))
    layout = {ours: torch_pieces(rename(ours), shape) for ours, shape in shapes.items()}
    patches = "patch_embed.proj.weight"
    return layout | {patches: [convolved(rename(patches), config.patch_size, shapes[patches])]}
