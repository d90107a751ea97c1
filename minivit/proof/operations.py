"""Every operation with every option, for proof.py."""

from collections.abc import Callable, Mapping

import numpy as np

from .. import ops
from .convolutions import CONVOLUTIONS
from .deformable import DEFORMABLE
from .detection import DETECTION
from .maps import MAPS
from .masked import MASKED
from .regions import REGIONS


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
    "windows, padded first": (
        lambda x: ops.windows_forward(x, *WINDOWS, pad_first=True),
        ops.windows_backward,
        {"x": (2, 15, 4)},
    ),
    "unwindows, padded first": (
        lambda x: ops.unwindows_forward(x, *WINDOWS, pad_first=True),
        ops.unwindows_backward,
        {"x": (2, 6, 4, 3)},
    ),
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
    **CONVOLUTIONS,
    **DEFORMABLE,
    **DETECTION,
    **MAPS,
    **MASKED,
    **REGIONS,
}
