"""timm's names, which are ours but for a stem's, in PyTorch's layouts: ViT, hybrids, DeiT, DeiT III and DINOv2."""

from collections.abc import Mapping
from typing import Any

from ..model import ViTConfig
from .layout import Layout, Source, count_blocks, mlp_options, shape_of
from .tensor import Tensor
from .torch_names import HALF, IMAGENET, normalisation, torch_layout

META_REGISTER = "register_tokens"  # as Meta's own DINOv2 calls timm's reg_token
BACKBONE = "patch_embed.backbone."


def recognise(tensors: Mapping[str, Tensor]) -> Source | None:
    if not any(name.startswith("blocks.0.") for name in tensors):
        return None
    width, channels, *patch_size = shape_of(tensors, "patch_embed.proj.weight", 4)
    stem = _stem_options(tensors)
    if stem:
        channels = shape_of(tensors, stem_name("stem.conv_root.weight", stem["stem"]), 4)[1]
    rows = shape_of(tensors, "pos_embed", 3)[1]
    first, second = (shape_of(tensors, f"blocks.0.mlp.{fc}.weight", 2) for fc in ("fc1", "fc2"))
    class_token, distilled = "cls_token" in tensors, "dist_token" in tensors
    register = META_REGISTER if META_REGISTER in tensors else "reg_token"
    registers = shape_of(tensors, register, 3)[1] if register in tensors else 0
    layer_scale = 1e-5 if "blocks.0.ls1.gamma" in tensors else None
    pool = "gap" if "fc_norm.weight" in tensors else "cls" if class_token else "norm_gap"
    # DeiT (its distilled models are known by their token), DeiT III and DINOv2 (by their LayerScale) were trained with
    # ImageNet's mean and deviation. A plain DeiT looks like any other ViT of timm's.
    statistics = IMAGENET if distilled or layer_scale else HALF
    options = dict(
        patch_size=tuple(patch_size),
        channels=channels,
        classes=shape_of(tensors, "head.weight", 2)[0] if "head.weight" in tensors else 0,
        width=width,
        depth=count_blocks(tensors, "blocks.", "."),
        **mlp_options(width, first[0], second[1]),
        pool=pool,
        class_token=class_token,
        distilled=distilled,
        registers=registers,
        representation_size=_pre_logits(tensors),
        qkv_bias="blocks.0.attn.qkv.bias" in tensors,
        layer_scale=layer_scale,
        gelu="erf",
        norm_eps=1e-6,
        resize_filter="bicubic",
        squeeze=False,
        crop=0.9,
        stem_eps="timm",
        position_resize="bicubic_antialias",
        **normalisation(statistics, channels),
        **stem,
    )

    def layout(config: ViTConfig, prefix_rows: bool) -> Layout:
        def rename(name: str) -> str:
            return register if name == "reg_token" else stem_name(name, config.stem)

        return torch_layout(config, prefix_rows, rename)

    # DINOv2's mask token is for its training.
    return Source(options, rows, layout, lambda name: name == "mask_token", guessed=statistics is HALF)


def stem_name(ours: str, stem: tuple[int, ...] | None) -> str:
    """ "stem.block1.unit2.gn3.bias" -> "patch_embed.backbone.stages.0.blocks.1.norm3.bias"; other names as they are."""
    if not ours.startswith("stem."):
        return ours
    *unit, layer, kind = ours.split(".")[1:]
    layer = layer.replace("gn", "norm")
    if layer.endswith("_root"):  # a backbone that is only its stem does not say so
        return f"{BACKBONE}{'stem.' if stem else ''}{layer.removesuffix('_root')}.{kind}"
    if layer.endswith("_proj"):
        layer = f"downsample.{layer.removesuffix('_proj')}"
    stage, block = (int(part.lstrip("blockunit")) - 1 for part in unit)
    return f"{BACKBONE}stages.{stage}.blocks.{block}.{layer}.{kind}"


def _pre_logits(tensors: Mapping[str, Tensor]) -> int | None:
    return shape_of(tensors, "pre_logits.fc.weight", 2)[0] if "pre_logits.fc.weight" in tensors else None


def _stem_options(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The units of each stage of Google's ResNet, counted; {} where the file has none (or another backbone)."""
    stages = []
    while units := count_blocks(tensors, f"{BACKBONE}stages.{len(stages)}.blocks.", "."):
        stages.append(units)
    root = stem_name("stem.conv_root.weight", tuple(stages))
    return {"stem": tuple(stages), "stem_width": shape_of(tensors, root, 4)[0]} if root in tensors else {}
