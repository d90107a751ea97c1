"""Hugging Face's names: ViT, DeiT, Dinov2 and Dinov2WithRegisters, from .safetensors and, as Dinov2, from ONNX files.

What the tensors do not tell (heads, eps, GELU, normalisation) stands in config.json and preprocessor_config.json.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..model import ViTConfig
from .layout import Layout, Source, count_blocks, mlp_options, same, shape_of
from .tensor import Tensor
from .torch_names import HALF, IMAGENET, normalisation, renamer, torch_layout

PATCH = "embeddings.patch_embeddings.projection.weight"
POSITIONS = "embeddings.position_embeddings"
ATTENTION = {
    "attn.qkv": tuple(f"attention.attention.{part}" for part in ("query", "key", "value")),
    "attn.proj": "attention.output.dense",
}
VIT = ATTENTION | {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
DINOV2 = ATTENTION | {"ls1.gamma": "layer_scale1.lambda1", "ls2.gamma": "layer_scale2.lambda1"}
SWIGLU = DINOV2 | {"mlp.fc1": "mlp.weights_in", "mlp.fc2": "mlp.weights_out"}
PREFIXES = ("", "vit.", "deit.", "dinov2.", "dinov2_with_registers.", "backbone.")
UNUSED = ("embeddings.mask_token", "pooler.dense.weight", "pooler.dense.bias")


def recognise(tensors: Mapping[str, Tensor]) -> Source | None:
    prefix = next((name.removesuffix(PATCH) for name in tensors if name.endswith(PATCH)), None)
    if prefix not in PREFIXES or not any(name.startswith(f"{prefix}encoder.layer.") for name in tensors):
        return None
    distilled = f"{prefix}embeddings.distillation_token" in tensors
    rename = _renamer(prefix, distilled, _block_names(tensors, f"{prefix}encoder.layer.0."))
    options = _options(tensors, prefix, rename)
    width = options["width"]
    positions, unused = prefix + POSITIONS, {prefix + name for name in UNUSED}
    in_parts = f"{positions}.grid" in tensors  # ONNX
    rows = 1 + shape_of(tensors, f"{positions}.grid", 3)[1] if in_parts else shape_of(tensors, positions, 3)[1]

    def layout(config: ViTConfig, prefix_rows: bool) -> Layout:
        layout = torch_layout(config, prefix_rows, rename)
        if in_parts:
            layout["pos_embed"] = [
                same(f"{positions}.class", (1, 1, width), (slice(None), slice(1))),
                same(f"{positions}.grid", (1, rows - 1, width), (slice(None), slice(1, None))),
            ]
        return layout

    def ignored(name: str) -> bool:
        # A backbone carries another network, whose tensors lie beside its own.
        return name in unused or (prefix == "backbone." and not name.startswith(prefix))

    return Source(options, rows, layout, ignored, guessed=options["image_mean"] == HALF["image_mean"])


def exported_layout(config: ViTConfig, path: str | os.PathLike) -> Layout:
    """Where transformers has the parameters of its ViT, DeiT, Dinov2 or Dinov2WithRegisters. Raises ValueError, naming
    `path`, for what none of these has."""
    dinov2 = config.layer_scale is not None
    expected: dict[str, object] = {"pool": "cls_norm_gap" if dinov2 and config.classes else "cls"}
    expected |= {"has_class_token": True, "stem": None, "representation_size": None}
    if dinov2:
        expected["distilled"] = False
    else:
        expected |= {"registers": 0, "mlp": "gelu"}
    for name, value in expected.items():
        if getattr(config, name) != value:
            kind = "Dinov2" if dinov2 else "ViT or DeiT"
            given = f"Hugging Face's {kind} has no names for {name} {getattr(config, name)!r}, only for {value!r}"
            raise ValueError(f"{path} cannot be written: {given}")
    if dinov2:
        prefix = "dinov2_with_registers." if config.registers else "dinov2."
        names = SWIGLU if config.mlp == "swiglu" else DINOV2
    else:
        prefix, names = ("deit." if config.distilled else "vit."), VIT
    prefix = prefix if config.classes else ""
    return torch_layout(config, True, _renamer(prefix, config.distilled, names))


def _options(tensors: Mapping[str, Tensor], prefix: str, rename: Callable) -> dict[str, Any]:
    """Sizes from the tensors' shapes, and what this kind of model does by convention."""
    width, channels, *patch_size = shape_of(tensors, prefix + PATCH, 4)
    block, register = f"{prefix}encoder.layer.0.", f"{prefix}embeddings.register_tokens"
    dinov2, distilled = f"{block}norm1.weight" in tensors, f"{prefix}embeddings.distillation_token" in tensors
    registers = shape_of(tensors, register, 3)[1] if register in tensors else 0
    first, second = (shape_of(tensors, rename(f"blocks.0.mlp.{fc}.weight"), 2) for fc in ("fc1", "fc2"))
    head = rename("head.weight")
    classes, seen = shape_of(tensors, head, 2) if head in tensors else (0, width)
    return dict(
        patch_size=tuple(patch_size),
        channels=channels,
        classes=classes,
        width=width,
        depth=count_blocks(tensors, f"{prefix}encoder.layer.", "."),
        **mlp_options(width, first[0], second[1]),
        pool="cls_norm_gap" if seen == 2 * width else "cls",  # Dinov2's classifier sees more than the class token
        distilled=distilled,
        registers=registers,
        qkv_bias=f"{block}attention.attention.query.bias" in tensors,
        layer_scale=1.0 if f"{block}layer_scale1.lambda1" in tensors else None,
        gelu="erf",
        norm_eps=1e-6 if dinov2 else 1e-12,
        resize_filter="bicubic" if dinov2 or distilled else "bilinear",
        squeeze=not dinov2,
        crop=0.875 if dinov2 or distilled else 1.0,
        position_resize="bicubic_antialias" if registers else "bicubic",
        **normalisation(IMAGENET if dinov2 or distilled else HALF, channels),
    )


def _block_names(tensors: Mapping[str, Tensor], block: str) -> dict[str, str | tuple]:
    if f"{block}norm1.weight" not in tensors:
        return VIT
    return SWIGLU if f"{block}mlp.weights_in.weight" in tensors else DINOV2


def _renamer(prefix: str, distilled: bool, block_names: dict[str, str | tuple]) -> Callable:
    names = {
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "cls_token": "embeddings.cls_token",
        "dist_token": "embeddings.distillation_token",
        "reg_token": "embeddings.register_tokens",
        "pos_embed": POSITIONS,
        "norm": "layernorm",
    }
    heads = {"head": "cls_classifier" if distilled else "classifier", "head_dist": "distillation_classifier"}
    names = {ours: prefix + theirs for ours, theirs in names.items()} | heads
    return renamer(names, prefix + "encoder.layer.{i}.", block_names)
