"""What proof.py checks: every operation with every option, and small models that take every value of every option."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import ops
from ..family.swin import Swin, SwinConfig
from ..model import Classifier, ViTConfig


def noise() -> np.random.Generator:
    """Made anew for every evaluation, so that dropout drops the same elements in all of them."""
    return np.random.default_rng(7)


LABELS = np.array([2, 0, 4])
SOFT_LABELS = np.array([[0.1, 0.2, 0.0, 0.3, 0.4], [0.6, 0.1, 0.2, 0.1, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]])
TEACHER = np.array([[0.3, -1.0, 0.5, 2.0, 0.1], [1.5, 0.2, -0.7, 0.4, 0.0], [-0.2, 0.9, 0.6, -1.1, 0.8]])
GRID = (2, 3)
WINDOWS = (3, 5), (2, 2), (1, 1)  # of 2 x 2 on a grid of 3 x 5 tokens, which is continued to 4 x 6, shifted by one

TOKENS = {"x": (2, 5, 6)}  # (B, N, D)
LOGITS = {"logits": (3, 5)}  # (B, K)
QKV = {"q": (2, 3, 5, 4), "k": (2, 3, 5, 4), "v": (2, 3, 5, 4)}  # (B, H, N, d)
NORM = TOKENS | {"gamma": (6,), "beta": (6,)}
DENSE = {"x": (2, 3, 4), "weight": (4, 5)}
HEADS = {"qkv": (2, 5, 12)}  # (B, N, 3D)
CROSS = {"q": (2, 2, 6), "kv": (2, 5, 12)}  # (B, Nq, D), (B, Nk, 2D)
PLACES = {"x": (2, 6, 4)}  # a GRID of tokens
PICTURE = {"x": (2, 5, 4, 3)}  # (B, height, width, C)

# The operation and the option, its forward, its backward, and the shapes of the arguments that are differentiated.
OPS: dict[str, tuple[Callable, Callable, Mapping[str, tuple[int, ...]]]] = {
    "patchify": (lambda images: ops.patchify_forward(images, (3, 2)), ops.patchify_backward, {"images": (2, 6, 8, 3)}),
    "linear": (ops.linear_forward, ops.linear_backward, DENSE | {"bias": (5,)}),
    "linear, no bias": (lambda x, w: ops.linear_forward(x, w, None), ops.linear_backward, DENSE),
    "linear_columns": (
        lambda x, w, b: ops.linear_columns_forward(x, w, b, columns=(1, 3)),
        ops.linear_columns_backward,
        DENSE | {"bias": (5,)},
    ),
    "linear_columns, no bias": (
        lambda x, w: ops.linear_columns_forward(x, w, columns=(2, 5)),
        ops.linear_columns_backward,
        DENSE,
    ),
    "layernorm": (ops.layernorm_forward, ops.layernorm_backward, NORM),
    "layernorm, eps 0.5": (lambda *args: ops.layernorm_forward(*args, 0.5), ops.layernorm_backward, NORM),
    "softmax": (ops.softmax_forward, ops.softmax_backward, TOKENS),
    "attention": (ops.attention_forward, ops.attention_backward, QKV),
    "attention, bias": (ops.attention_forward, ops.attention_backward, QKV | {"bias": (3, 5, 5)}),
    "attention, dropout": (lambda *qkv: ops.attention_forward(*qkv, None, 0.3, noise()), ops.attention_backward, QKV),
    "attention, bias a window": (
        ops.attention_forward,
        ops.attention_backward,
        {name: (2, *shape) for name, shape in QKV.items()} | {"bias": (2, 3, 5, 5)},
    ),
    "self_attention": (lambda qkv: ops.self_attention_forward(qkv, None, 2), ops.self_attention_backward, HEADS),
    "self_attention, windows, bias, dropout": (
        lambda qkv, bias: ops.self_attention_forward(qkv, bias, 3, 0.3, noise()),
        ops.self_attention_backward,
        {"qkv": (2, 2, 4, 18), "bias": (3, 4, 4)},
    ),
    "cross_attention": (lambda q, kv: ops.cross_attention_forward(q, kv, None, 2), ops.cross_attention_backward, CROSS),
    "cross_attention, bias, dropout": (
        lambda q, kv, bias: ops.cross_attention_forward(q, kv, bias, 3, 0.3, noise()),
        ops.cross_attention_backward,
        CROSS | {"bias": (3, 2, 5)},
    ),
    "gelu, erf": (lambda x: ops.gelu_forward(x, "erf"), ops.gelu_backward, TOKENS),
    "gelu, tanh": (lambda x: ops.gelu_forward(x, "tanh"), ops.gelu_backward, TOKENS),
    "swiglu": (ops.swiglu_forward, ops.swiglu_backward, TOKENS),
    "lines, row": (lambda x: ops.lines_forward(x, GRID, "row"), ops.lines_backward, PLACES),
    "lines, column": (lambda x: ops.lines_forward(x, GRID, "column"), ops.lines_backward, PLACES),
    "unlines, row": (lambda x: ops.unlines_forward(x, GRID, "row"), ops.unlines_backward, {"x": (4, 3, 4)}),
    "unlines, column": (lambda x: ops.unlines_forward(x, GRID, "column"), ops.unlines_backward, {"x": (6, 2, 4)}),
    "windows": (lambda x: ops.windows_forward(x, *WINDOWS), ops.windows_backward, {"x": (2, 15, 4)}),
    "unwindows": (lambda x: ops.unwindows_forward(x, *WINDOWS), ops.unwindows_backward, {"x": (2, 6, 4, 3)}),
    "add_mask": (
        lambda bias: ops.add_mask_forward(bias, ops.window_mask(*WINDOWS).astype(bias.dtype)),
        ops.add_mask_backward,
        {"bias": (3, 4, 4)},
    ),
    "merge_patches": (
        lambda x: ops.merge_patches_forward(x, (4, 6)),
        ops.merge_patches_backward,
        {"x": (2, 24, 3)},
    ),
    "merge_patches, odd sides": (
        lambda x: ops.merge_patches_forward(x, (3, 5)),
        ops.merge_patches_backward,
        {"x": (2, 15, 2)},
    ),
    "relu": (ops.relu_forward, ops.relu_backward, {"x": (2, 3, 4)}),
    "tanh": (ops.tanh_forward, ops.tanh_backward, TOKENS),
    "convolution": (ops.convolution_forward, ops.convolution_backward, PICTURE | {"weight": (3, 2, 3, 4)}),
    "convolution, stride 2": (
        lambda x, w: ops.convolution_forward(x, w, 2),
        ops.convolution_backward,
        PICTURE | {"weight": (3, 3, 3, 2)},
    ),
    "convolution, 1x1, stride 2": (
        lambda x, w: ops.convolution_forward(x, w, 2),
        ops.convolution_backward,
        PICTURE | {"weight": (1, 1, 3, 4)},
    ),
    "convolution, padding": (
        lambda x, w: ops.convolution_forward(x, w, 1, ((2, 0), (0, 1))),
        ops.convolution_backward,
        PICTURE | {"weight": (2, 3, 3, 2)},
    ),
    "weight_standardisation": (
        ops.weight_standardisation_forward,
        ops.weight_standardisation_backward,
        {"weight": (3, 2, 4, 5)},
    ),
    "weight_standardisation, eps 0.5": (
        lambda weight: ops.weight_standardisation_forward(weight, 0.5),
        ops.weight_standardisation_backward,
        {"weight": (3, 2, 4, 5)},
    ),
    "weight_standardisation, eps 0.5 under the root": (
        lambda weight: ops.weight_standardisation_forward(weight, 0.5, under_root=True),
        ops.weight_standardisation_backward,
        {"weight": (3, 2, 4, 5)},
    ),
    "groupnorm": (
        lambda *args: ops.groupnorm_forward(*args, 2),
        ops.groupnorm_backward,
        {"x": (2, 3, 4, 6), "gamma": (6,), "beta": (6,)},
    ),
    "groupnorm, eps 0.5": (
        lambda *args: ops.groupnorm_forward(*args, 3, 0.5),
        ops.groupnorm_backward,
        {"x": (2, 3, 4, 6), "gamma": (6,), "beta": (6,)},
    ),
    "max_pool": (ops.max_pool_forward, ops.max_pool_backward, {"x": (2, 4, 5, 2)}),
    "dropout": (lambda x: ops.dropout_forward(x, 0.3, noise()), ops.dropout_backward, TOKENS),
    "drop_path": (lambda x: ops.drop_path_forward(x, 0.3, noise()), ops.drop_path_backward, {"x": (4, 2, 3)}),
    "layerscale": (ops.layerscale_forward, ops.layerscale_backward, TOKENS | {"gamma": (6,)}),
    "cross_entropy": (lambda z: ops.cross_entropy_forward(z, LABELS), ops.cross_entropy_backward, LOGITS),
    "cross_entropy, smoothed": (
        lambda z: ops.cross_entropy_forward(z, LABELS, 0.1),
        ops.cross_entropy_backward,
        LOGITS,
    ),
    "cross_entropy, soft": (lambda z: ops.cross_entropy_forward(z, SOFT_LABELS), ops.cross_entropy_backward, LOGITS),
    "hard_distillation": (
        lambda *both: ops.hard_distillation_forward(*both, LABELS, TEACHER, 0.3, 0.1),
        ops.hard_distillation_backward,
        LOGITS | {"dist_logits": (3, 5)},
    ),
    "soft_distillation": (
        lambda *both: ops.soft_distillation_forward(*both, SOFT_LABELS, TEACHER, 0.3, 2.0),
        ops.soft_distillation_backward,
        LOGITS | {"dist_logits": (3, 5)},
    ),
    "prepend": (ops.prepend_forward, ops.prepend_backward, TOKENS | {"cls": (1, 1, 6)}),
    "prepend, two": (ops.prepend_forward, ops.prepend_backward, TOKENS | {"cls": (1, 1, 6), "dist": (1, 1, 6)}),
    "tokens": (lambda x: ops.tokens_forward(x, 1, 3), ops.tokens_backward, TOKENS),
    "pool, cls": (lambda x: ops.pool_forward(x, "cls"), ops.pool_backward, TOKENS),
    "pool, distilled": (lambda x: ops.pool_forward(x, "distilled"), ops.pool_backward, TOKENS),
    "pool, gap": (lambda x: ops.pool_forward(x, "gap"), ops.pool_backward, TOKENS),
    "pool, cls_gap": (lambda x: ops.pool_forward(x, "cls_gap", 2), ops.pool_backward, TOKENS),
    "pool, gap, prefix": (lambda x: ops.pool_forward(x, "gap", 2), ops.pool_backward, TOKENS),
    "registers": (
        lambda *args: ops.registers_forward(*args, 1),
        ops.registers_backward,
        TOKENS | {"registers": (1, 3, 6)},
    ),
    "add_position": (ops.add_position_forward, ops.add_position_backward, TOKENS | {"position": (1, 5, 6)}),
    "position_2d": (ops.position_2d_forward, ops.position_2d_backward, {"row": (2, 4), "column": (3, 4)}),
    "resize_positions, larger": (
        lambda table: ops.resize_positions_forward(table, GRID, (5, 4), 1, "bicubic"),
        ops.resize_positions_backward,
        {"table": (1, 7, 4)},
    ),
    "resize_positions, smaller": (
        lambda table: ops.resize_positions_forward(table, (5, 4), GRID, 2),
        ops.resize_positions_backward,
        {"table": (1, 22, 3)},
    ),
    "relative_bias": (
        lambda table: ops.relative_bias_forward(table, ops.relative_index(GRID, class_token=False)),
        ops.relative_bias_backward,
        {"table": (ops.relative_table_size(GRID, class_token=False), 2)},
    ),
    "relative_bias, class token": (
        lambda table: ops.relative_bias_forward(table, ops.relative_index(GRID, class_token=True)),
        ops.relative_bias_backward,
        {"table": (ops.relative_table_size(GRID, class_token=True), 2)},
    ),
}


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


def _swin(**options: object) -> SwinConfig:
    """Two stages."""
    sizes = dict(patch_size=2, channels=1, classes=4, width=3, depths=(2, 2), heads=(1, 2), mlp_ratio=1.5)
    return SwinConfig(**sizes | options)


# Small models of the family, each with its class.
FAMILY: dict[str, tuple[type[Classifier], Any]] = {
    # Maps of 4 x 8 and 2 x 4: windows shifted both ways, then along one axis alone.
    "Swin": (Swin, _swin(image_size=(4, 16), patch_size=(1, 2), channels=2, width=4, window=2)),
    # Maps of 3 x 5 and 2 x 3 with windows of 3 x 3 and 1 x 2: zeros continue both, and what is merged.
    "Swin, odd sides": (Swin, _swin(image_size=(6, 10), window=3, qkv_bias=False, norm_eps=0.05)),
    "Swin, dropout": (
        Swin,
        _swin(image_size=8, window=(2, 3), depths=(1, 2), dropout=0.1, attention_dropout=0.3, drop_path=0.4),
    ),
    "Swin, no head": (Swin, _swin(image_size=4, classes=0, window=2, depths=(1,), heads=(3,))),
}
