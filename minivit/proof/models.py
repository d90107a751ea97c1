"""Small ViTs that take every value of every option, for proof.py."""

from ..model import ViTConfig


def _small(**options: object) -> ViTConfig:
    """Rectangular images in rectangular patches: a grid of (2, 3) tokens."""
    sizes = dict(image_size=(4, 9), patch_size=(2, 3), channels=2, classes=5, width=6, depth=1, heads=2, mlp_ratio=1.5)
    return ViTConfig(**sizes | options)


def _hybrid(**options: object) -> ViTConfig:
    """An image of 8 x 12 pixels, whose map is 2 x 3."""
    return _small(**dict(image_size=(8, 12), patch_size=1, channels=1, stem_width=3) | options)


# Together they take every value of every option; a test holds that.
CONFIGS: dict[str, ViTConfig] = {
    "plain": _small(width=8, depth=2, mlp_ratio=2),
    "mean pooling": _small(pool="gap", gelu="tanh", qkv_bias=False),
    "no positions": _small(position="none", heads=3),
    "2d": _small(position="2d", norm_eps=0.05),
    "2d, mean pooling": _small(position="2d", pool="gap"),
    "sincos2d": _small(position="sincos2d", width=8, image_size=(4, 6), patch_size=2),
    "sincos2d, mean pooling": _small(position="sincos2d", pool="gap", width=4),
    "relative": _small(position="relative", depth=2),
    "relative, mean pooling": _small(position="relative", pool="gap", layer_scale=0.1),
    "distilled": _small(distilled=True, qkv_bias=False),
    "distilled, registers, 2d": _small(distilled=True, registers=2, position="2d"),
    "registers": _small(registers=2, layer_scale=0.1),
    "registers, no class token": _small(registers=1, pool="gap", position="sincos2d", width=4),
    "mean pooling, class token": _small(pool="gap", class_token=True, position="relative"),
    "normalised mean": _small(pool="norm_gap", gelu="tanh"),
    "normalised mean, class token, registers": _small(pool="norm_gap", class_token=True, registers=2, position="2d"),
    "normalised mean, sincos2d": _small(pool="norm_gap", position="sincos2d", width=4),
    "class token beside mean, registers": _small(pool="cls_norm_gap", registers=2),
    "class token beside mean, 2d, pre_logits": _small(pool="cls_norm_gap", position="2d", representation_size=7),
    "class token beside mean, sincos2d": _small(pool="cls_norm_gap", position="sincos2d", width=4),
    "class token beside mean, relative": _small(pool="cls_norm_gap", position="relative"),
    "normalised mean, relative": _small(pool="norm_gap", position="relative"),
    "pre_logits": _small(representation_size=7),
    "pre_logits, normalised mean": _small(representation_size=4, pool="norm_gap", qkv_bias=False),
    "swiglu": _small(mlp="swiglu"),
    "no head": _small(classes=0),
    "no head, distilled": _small(classes=0, distilled=True),
    "axial": _small(attention="axial", pool="gap", depth=2),
    "axial, normalised mean": _small(attention="axial", pool="norm_gap", layer_scale=0.1, qkv_bias=False, heads=3),
    "hybrid, root": _hybrid(stem=(), patch_size=(2, 1), channels=2),
    "hybrid": _hybrid(stem=(2,), pool="gap"),
    "hybrid, timm's eps": _hybrid(stem=(1,), stem_eps="timm"),
    "hybrid, two stages": _hybrid(stem=(1, 1), image_size=(9, 8), position="none"),
    "dropout, axial, swiglu": _small(
        attention="axial", mlp="swiglu", pool="gap", dropout=0.1, attention_dropout=0.3, drop_path=0.4, depth=2
    ),
    "dropout": _small(width=8, depth=2, dropout=0.1, attention_dropout=0.3, drop_path=0.4, layer_scale=0.1),
}
