"""The pre-norm encoder block (ViT, equations 2 and 3), forward and, line by line in reverse, backward:

z' = z + MSA(LN(z))        z'' = z' + MLP(LN(z'))
"""

from types import ModuleType

import numpy as np

from .config import ViTConfig


def block_forward(
    ops: ModuleType,
    x: np.ndarray,
    p: dict[str, np.ndarray],
    config: ViTConfig,
    drop_path: float = 0.0,
    relative_index: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """x (B, N, D), p: this block's parameters by their short names ("norm1.weight", …) -> x (B, N, D) and the cache.
    ops: minivit.ops, or a GPU's operations of the same names (see minivit/device.py).

    Each branch ends in dropout, LayerScale and drop path; all three hand it through untouched where not configured.
    """
    bias, table = _attention_bias(ops, p, relative_index)
    h, norm1 = ops.layernorm_forward(x, p["norm1.weight"], p["norm1.bias"], config.norm_eps)
    h, attn = ops.multihead_attention_forward(
        h, p["attn.qkv.weight"], p.get("attn.qkv.bias"), p["attn.proj.weight"], p["attn.proj.bias"],
        config.heads, bias, config.attention_dropout, rng,
    )  # fmt: skip
    h, end1 = _branch_end_forward(ops, h, p.get("ls1.gamma"), config.dropout, drop_path, rng)
    x = x + h
    h, norm2 = ops.layernorm_forward(x, p["norm2.weight"], p["norm2.bias"], config.norm_eps)
    h, mlp = ops.mlp_forward(
        h, p["mlp.fc1.weight"], p["mlp.fc1.bias"], p["mlp.fc2.weight"], p["mlp.fc2.bias"],
        config.gelu, config.dropout, rng,
    )  # fmt: skip
    h, end2 = _branch_end_forward(ops, h, p.get("ls2.gamma"), config.dropout, drop_path, rng)
    return x + h, (table, norm1, attn, end1, norm2, mlp, end2)


def block_backward(ops: ModuleType, dx: np.ndarray, cache: tuple) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The backward of `x = x + branch(x)`, twice: the gradient goes straight through, plus what the branch gives back.

    dx (B, N, D). Returns dx and the gradients by their short names.
    """
    table, norm1, attn, end1, norm2, mlp, end2 = cache
    g = {}
    dh, g["ls2.gamma"] = _branch_end_backward(ops, dx, end2)
    dh, g["mlp.fc1.weight"], g["mlp.fc1.bias"], g["mlp.fc2.weight"], g["mlp.fc2.bias"] = ops.mlp_backward(dh, mlp)
    dh, g["norm2.weight"], g["norm2.bias"] = ops.layernorm_backward(dh, norm2)
    dx = dx + dh
    dh, g["ls1.gamma"] = _branch_end_backward(ops, dx, end1)
    dh, g["attn.qkv.weight"], g["attn.qkv.bias"], g["attn.proj.weight"], g["attn.proj.bias"], dbias = (
        ops.multihead_attention_backward(dh, attn)
    )
    dh, g["norm1.weight"], g["norm1.bias"] = ops.layernorm_backward(dh, norm1)
    dx = dx + dh
    if dbias is not None:
        g["attn.relative_position_bias_table"] = ops.relative_bias_backward(dbias, table)
    return dx, {name: grad for name, grad in g.items() if grad is not None}


def block_attention(
    ops: ModuleType, x: np.ndarray, p: dict[str, np.ndarray], config: ViTConfig, relative_index: np.ndarray | None
) -> np.ndarray:
    """Where this block's heads look: x (B, N, D) -> (B, H, N, N), rows sum to 1."""
    bias, _ = _attention_bias(ops, p, relative_index)
    h, _ = ops.layernorm_forward(x, p["norm1.weight"], p["norm1.bias"], config.norm_eps)
    return ops.multihead_attention_weights(h, p["attn.qkv.weight"], p.get("attn.qkv.bias"), config.heads, bias)


def relative_index(ops: ModuleType, config: ViTConfig) -> np.ndarray | None:
    """Which entry of its bias table each pair of tokens uses, (N, N); None where positions are not relative."""
    if config.position != "relative":
        return None
    return ops.relative_index(config.grid, config.has_class_token).astype(np.int32)  # as the kernels take it


def _attention_bias(ops: ModuleType, p: dict[str, np.ndarray], relative_index: np.ndarray | None) -> tuple:
    """The bias (H, N, N) on the attention scores where positions are relative, else None."""
    if relative_index is None:
        return None, None
    return ops.relative_bias_forward(p["attn.relative_position_bias_table"], relative_index)


def _branch_end_forward(
    ops: ModuleType,
    h: np.ndarray,
    gamma: np.ndarray | None,
    dropout: float,
    drop_path: float,
    rng: np.random.Generator | None,
) -> tuple[np.ndarray, tuple]:
    h, drop = ops.dropout_forward(h, dropout, rng)
    h, scale = ops.layerscale_forward(h, gamma)
    h, path = ops.drop_path_forward(h, drop_path, rng)
    return h, (drop, scale, path)


def _branch_end_backward(ops: ModuleType, dh: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray | None]:
    drop, scale, path = cache
    dh = ops.drop_path_backward(dh, path)
    dh, dgamma = ops.layerscale_backward(dh, scale)
    return ops.dropout_backward(dh, drop), dgamma
