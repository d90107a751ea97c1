"""The reference: every operation of a Vision Transformer as a pair of pure functions, forward and backward.

    y, cache = op_forward(x, parameters…)        dx, dparameters… = op_backward(dy, cache)

Same order of arguments in and of gradients out. No state, no change of an argument, float32 or float64 kept as given.
One operation a file, a forward with its backward right under it; read linear.py, then attention.py.
"""

from .activations import relu_backward, relu_forward, sigmoid_backward, sigmoid_forward, tanh_backward, tanh_forward
from .add_bias import add_bias_backward, add_bias_forward
from .asked_cross_entropy import asked_cross_entropy_backward, asked_cross_entropy_forward
from .attention import attention_backward, attention_forward, attention_weights
from .axial import lines_backward, lines_forward, unlines_backward, unlines_forward
from .batchnorm import batchnorm_backward, batchnorm_forward
from .box_deltas import box_deltas_backward, box_deltas_forward
from .box_pixels import to_parts_backward, to_parts_forward, to_pixels_backward, to_pixels_forward
from .boxes import centres_backward, centres_forward, corners_backward, corners_forward
from .convolution import convolution_backward, convolution_forward
from .cross_attention import cross_attention_backward, cross_attention_forward, cross_attention_weights
from .cross_entropy import cross_entropy_backward, cross_entropy_forward
from .deformable_attention import deformable_attention_backward, deformable_attention_forward
from .depthwise_convolution import depthwise_convolution_backward, depthwise_convolution_forward
from .detached import detached
from .distillation import (
    hard_distillation_backward,
    hard_distillation_forward,
    soft_distillation_backward,
    soft_distillation_forward,
)
from .dropout import drop_path_backward, drop_path_forward, dropout_backward, dropout_forward
from .dynamic_interaction import (
    dynamic_linear_backward,
    dynamic_linear_forward,
    join_cells_backward,
    join_cells_forward,
)
from .embedding import (
    add_embedding_backward,
    add_embedding_forward,
    add_first_rows_backward,
    add_first_rows_forward,
    embedding_backward,
    embedding_forward,
    unembed_backward,
    unembed_forward,
)
from .erf import erf
from .fixed_positions import add_fixed_position_backward, add_fixed_position_forward, position_mae
from .focal_loss import focal_loss_backward, focal_loss_forward
from .frozen_batchnorm import frozen_batchnorm_backward, frozen_batchnorm_forward
from .gelu import gelu_backward, gelu_forward
from .giou import giou_backward, giou_forward, iou_backward, iou_forward
from .global_average import global_average_backward, global_average_forward
from .groupnorm import groupnorm_backward, groupnorm_forward
from .key_mask import key_mask
from .l1_loss import l1_loss_backward, l1_loss_forward
from .layernorm import layernorm_backward, layernorm_forward
from .layerscale import layerscale_backward, layerscale_forward
from .levels import flatten_levels_backward, flatten_levels_forward, stack_backward, stack_forward
from .linear import linear_backward, linear_forward
from .linear_columns import linear_columns_backward, linear_columns_forward
from .maps import (
    crop_backward,
    crop_forward,
    to_map_backward,
    to_map_forward,
    to_tokens_backward,
    to_tokens_forward,
)
from .masking import keep_tokens_backward, keep_tokens_forward, restore_tokens_backward, restore_tokens_forward, shuffle
from .max_pool import max_pool_backward, max_pool_forward
from .overlapping_patches import overlapping_patches_backward, overlapping_patches_forward
from .patches import patchify_backward, patchify_forward, unpatchify
from .pixel_loss import (
    masked_mse_backward,
    masked_mse_forward,
    standardise_patches_backward,
    standardise_patches_forward,
)
from .places import (
    add_levels_backward,
    add_levels_forward,
    add_places_backward,
    add_places_forward,
    columns_backward,
    columns_forward,
)
from .positions import (
    add_position_backward,
    add_position_forward,
    position_2d_backward,
    position_2d_forward,
    position_sincos_2d,
    relative_bias_backward,
    relative_bias_forward,
    relative_index,
    relative_table_size,
)
from .references import (
    add_anchors_backward,
    add_anchors_forward,
    anchors,
    best_proposals,
    box_at_reference_backward,
    box_at_reference_forward,
    box_sines,
    cell_centres,
    inverse_sigmoid_backward,
    inverse_sigmoid_forward,
    level_references_backward,
    level_references_forward,
    valid_ratios,
)
from .registers import registers_backward, registers_forward
from .resample import pool_matrix, resample_backward, resample_forward
from .resize import resize_positions_backward, resize_positions_forward
from .roi_align import box_levels, roi_align_backward, roi_align_forward
from .sampling import (
    mask_tokens_backward,
    mask_tokens_forward,
    point_weights_backward,
    point_weights_forward,
    sampling_locations_backward,
    sampling_locations_forward,
)
from .self_attention import (
    merge_heads,
    self_attention_backward,
    self_attention_forward,
    self_attention_weights,
    split_heads,
)
from .silu import silu_backward, silu_forward
from .sine_positions import resize_mask, sine_positions
from .softmax import softmax_backward, softmax_forward
from .swiglu import swiglu_backward, swiglu_forward
from .tokens import (
    pool_backward,
    pool_forward,
    prepend_backward,
    prepend_forward,
    tokens_backward,
    tokens_forward,
)
from .top_down import top_down_backward, top_down_forward
from .unfold import fold_backward, fold_forward, unfold_backward, unfold_forward
from .weight_standardisation import weight_standardisation_backward, weight_standardisation_forward
from .weighted_cross_entropy import weighted_cross_entropy_backward, weighted_cross_entropy_forward
from .windows import (
    add_mask_backward,
    add_mask_forward,
    merge_patches_backward,
    merge_patches_forward,
    unwindows_backward,
    unwindows_forward,
    window_mask,
    windows_backward,
    windows_forward,
)

__all__ = [
    "add_anchors_backward", "add_anchors_forward", "add_bias_backward", "add_bias_forward", "add_embedding_backward",
    "add_embedding_forward", "add_first_rows_backward", "add_first_rows_forward", "add_fixed_position_backward",
    "add_fixed_position_forward", "add_levels_backward", "add_levels_forward", "add_mask_backward", "add_mask_forward",
    "add_places_backward", "add_places_forward", "add_position_backward", "add_position_forward", "anchors",
    "asked_cross_entropy_backward", "asked_cross_entropy_forward", "attention_backward", "attention_forward",
    "attention_weights", "batchnorm_backward", "batchnorm_forward", "best_proposals", "box_at_reference_backward",
    "box_at_reference_forward", "box_deltas_backward", "box_deltas_forward", "box_levels", "box_sines", "cell_centres",
    "centres_backward", "centres_forward", "columns_backward", "columns_forward", "convolution_backward",
    "convolution_forward", "corners_backward", "corners_forward", "crop_backward", "crop_forward",
    "cross_attention_backward", "cross_attention_forward", "cross_attention_weights", "cross_entropy_backward",
    "cross_entropy_forward", "deformable_attention_backward", "deformable_attention_forward",
    "depthwise_convolution_backward", "depthwise_convolution_forward", "detached", "drop_path_backward",
    "drop_path_forward", "dropout_backward", "dropout_forward", "dynamic_linear_backward", "dynamic_linear_forward",
    "embedding_backward", "embedding_forward", "erf", "flatten_levels_backward", "flatten_levels_forward",
    "focal_loss_backward", "focal_loss_forward", "fold_backward", "fold_forward", "frozen_batchnorm_backward",
    "frozen_batchnorm_forward", "gelu_backward", "gelu_forward", "giou_backward", "giou_forward",
    "global_average_backward", "global_average_forward", "groupnorm_backward", "groupnorm_forward",
    "hard_distillation_backward", "hard_distillation_forward", "inverse_sigmoid_backward", "inverse_sigmoid_forward",
    "iou_backward", "iou_forward", "join_cells_backward", "join_cells_forward", "keep_tokens_backward",
    "keep_tokens_forward", "key_mask", "l1_loss_backward", "l1_loss_forward", "layernorm_backward",
    "layernorm_forward", "layerscale_backward", "layerscale_forward", "level_references_backward",
    "level_references_forward", "linear_backward", "linear_columns_backward", "linear_columns_forward",
    "linear_forward", "lines_backward", "lines_forward", "mask_tokens_backward", "mask_tokens_forward",
    "masked_mse_backward", "masked_mse_forward", "max_pool_backward", "max_pool_forward", "merge_heads",
    "merge_patches_backward", "merge_patches_forward", "overlapping_patches_backward", "overlapping_patches_forward",
    "patchify_backward", "patchify_forward", "point_weights_backward", "point_weights_forward", "pool_backward",
    "pool_forward", "pool_matrix", "position_2d_backward", "position_2d_forward", "position_mae", "position_sincos_2d",
    "prepend_backward", "prepend_forward", "registers_backward", "registers_forward", "relative_bias_backward",
    "relative_bias_forward", "relative_index", "relative_table_size", "relu_backward", "relu_forward",
    "resample_backward", "resample_forward", "resize_mask", "resize_positions_backward", "resize_positions_forward",
    "restore_tokens_backward", "restore_tokens_forward", "roi_align_backward", "roi_align_forward",
    "sampling_locations_backward", "sampling_locations_forward", "self_attention_backward", "self_attention_forward",
    "self_attention_weights", "shuffle", "sigmoid_backward", "sigmoid_forward", "silu_backward", "silu_forward",
    "sine_positions", "soft_distillation_backward", "soft_distillation_forward", "softmax_backward", "softmax_forward",
    "split_heads", "stack_backward", "stack_forward", "standardise_patches_backward", "standardise_patches_forward",
    "swiglu_backward", "swiglu_forward", "tanh_backward", "tanh_forward", "to_map_backward", "to_map_forward",
    "to_parts_backward", "to_parts_forward", "to_pixels_backward", "to_pixels_forward", "to_tokens_backward",
    "to_tokens_forward", "tokens_backward", "tokens_forward", "top_down_backward", "top_down_forward",
    "unembed_backward", "unembed_forward", "unfold_backward", "unfold_forward", "unlines_backward", "unlines_forward",
    "unpatchify", "unwindows_backward", "unwindows_forward", "valid_ratios", "weight_standardisation_backward",
    "weight_standardisation_forward", "weighted_cross_entropy_backward", "weighted_cross_entropy_forward",
    "window_mask", "windows_backward", "windows_forward",
]  # fmt: skip
