"""torchvision's VisionTransformer: encoder.layers.encoder_layer_i, and PyTorch's own MultiheadAttention."""

from collections.abc import Mapping

from .layout import Source, count_blocks, mlp_options, shape_of
from .tensor import Tensor
from .torch_names import IMAGENET, normalisation, renamer, torch_layout

BLOCK = "encoder.layers.encoder_layer_"
NAMES = {
    "patch_embed.proj": "conv_proj",
    "cls_token": "class_token",
    "pos_embed": "encoder.pos_embedding",
    "norm": "encoder.ln",
    "pre_logits.fc": "heads.pre_logits",
    "head": "heads.head",
}
BLOCK_NAMES = {
    "norm1": "ln_1",
    "attn.qkv.weight": "self_attention.in_proj_weight",
    "attn.qkv.bias": "self_attention.in_proj_bias",
    "attn.proj": "self_attention.out_proj",
    "norm2": "ln_2",
}


def recognise(tensors: Mapping[str, Tensor]) -> Source | None:
    if not any(name.startswith(BLOCK) for name in tensors):
        return None
    old = f"{BLOCK}0.mlp.linear_1.weight" in tensors  # before torchvision 0.13
    fc1, fc2 = ("mlp.linear_1", "mlp.linear_2") if old else ("mlp.0", "mlp.3")
    rename = renamer(NAMES, BLOCK + "{i}.", BLOCK_NAMES | {"mlp.fc1": fc1, "mlp.fc2": fc2})
    width, channels, *patch_size = shape_of(tensors, "conv_proj.weight", 4)
    pre_logits = "heads.pre_logits.weight"
    options = dict(
        patch_size=tuple(patch_size),
        channels=channels,
        classes=shape_of(tensors, "heads.head.weight", 2)[0] if "heads.head.weight" in tensors else 0,
        width=width,
        depth=count_blocks(tensors, BLOCK, "."),
        **mlp_options(width, shape_of(tensors, f"{BLOCK}0.{fc1}.weight", 2)[0], 0),
        pool="cls",
        representation_size=shape_of(tensors, pre_logits, 2)[0] if pre_logits in tensors else None,
        gelu="erf",
        norm_eps=1e-6,
        resize_filter="bilinear",
        squeeze=False,
        crop=0.875,  # 256 pixels, then the middle 224
        position_resize="bicubic_align_corners",
        **normalisation(IMAGENET, channels),
    )
    rows = shape_of(tensors, "encoder.pos_embedding", 3)[1]
    return Source(options, rows, lambda config, prefix_rows: torch_layout(config, prefix_rows, rename))
