"""The reference: every operation of a Vision Transformer as a pair of pure functions, forward and backward.

    y, cache = op_forward(x, parameters…)        dx, dparameters… = op_backward(dy, cache)

Same order of arguments in and of gradients out. No state, no change of an argument, float32 or float64 kept as given.
One operation a file, a forward with its backward right under it; read linear.py, then attention.py.
"""

from .attention import attention_backward, attention_forward, attention_weights
from .cross_entropy import cross_entropy_backward, cross_entropy_forward
from .dropout import drop_path_backward, drop_path_forward, dropout_backward, dropout_forward
from .gelu import erf, gelu_backward, gelu_forward
from .layernorm import layernorm_backward, layernorm_forward
from .layerscale import layerscale_backward, layerscale_forward
from .linear import linear_backward, linear_forward
from .mlp import mlp_backward, mlp_forward
from .multihead import (
    merge_heads,
    multihead_attention_backward,
    multihead_attention_forward,
    multihead_attention_weights,
    split_heads,
)
from .patches import patchify_backward, patchify_forward, unpatchify
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
from .softmax import softmax_backward, softmax_forward
from .tokens import class_token_backward, class_token_forward, pool_backward, pool_forward

__all__ = [
    "add_position_backward",
    "add_position_forward",
    "attention_backward",
    "attention_forward",
    "attention_weights",
    "class_token_backward",
    "class_token_forward",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "drop_path_backward",
    "drop_path_forward",
    "dropout_backward",
    "dropout_forward",
    "erf",
    "gelu_backward",
    "gelu_forward",
    "layernorm_backward",
    "layernorm_forward",
    "layerscale_backward",
    "layerscale_forward",
    "linear_backward",
    "linear_forward",
    "merge_heads",
    "mlp_backward",
    "mlp_forward",
    "multihead_attention_backward",
    "multihead_attention_forward",
    "multihead_attention_weights",
    "patchify_backward",
    "patchify_forward",
    "pool_backward",
    "pool_forward",
    "position_2d_backward",
    "position_2d_forward",
    "position_sincos_2d",
    "relative_bias_backward",
    "relative_bias_forward",
    "relative_index",
    "relative_table_size",
    "softmax_backward",
    "softmax_forward",
    "split_heads",
    "unpatchify",
]
