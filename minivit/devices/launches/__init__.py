"""The launch table: for given sizes, dtype and version, which kernel runs on which grid. Both back ends read it."""

from . import (
    attention,
    augment,
    cross_attention,
    deformable,
    elementwise,
    layernorm,
    layernorm_narrow,
    philox,
    relative_bias,
    roi_align,
)
from .attention import attention_backward, attention_forward, attention_shapes
from .augment import grid_points, move_images
from .cross_attention import cross_attention_backward, cross_attention_forward, cross_attention_shapes
from .deformable import deformable_attention_backward, deformable_attention_forward, deformable_keys
from .elementwise import (
    adamw,
    adamw_numbers,
    column_sums,
    cross_entropy,
    gelu_backward,
    gelu_forward,
    patchify_backward,
    patchify_forward,
)
from .layernorm import layernorm_backward, layernorm_forward, partial_rows
from .philox import philox_normal, philox_uniform
from .relative_bias import relative_bias_backward
from .roi_align import roi_align_backward, roi_align_forward

FILES = (
    attention,
    augment,
    cross_attention,
    deformable,
    elementwise,
    layernorm,
    layernorm_narrow,
    philox,
    relative_bias,
    roi_align,
)  # each has an every_launch()
LADDERS = {ladder: versions for file in FILES for ladder, versions in getattr(file, "VERSIONS", {}).items()}

__all__ = [
    "FILES",
    "LADDERS",
    "adamw",
    "adamw_numbers",
    "attention_backward",
    "attention_forward",
    "attention_shapes",
    "column_sums",
    "cross_attention_backward",
    "cross_attention_forward",
    "cross_attention_shapes",
    "cross_entropy",
    "deformable_attention_backward",
    "deformable_attention_forward",
    "deformable_keys",
    "gelu_backward",
    "gelu_forward",
    "grid_points",
    "layernorm_backward",
    "layernorm_forward",
    "move_images",
    "partial_rows",
    "patchify_backward",
    "patchify_forward",
    "philox_normal",
    "philox_uniform",
    "relative_bias_backward",
    "roi_align_backward",
    "roi_align_forward",
]
