"""The pre-norm encoder block (ViT, equations 2 and 3), forward and, line by line in reverse, backward:

z' = z + MSA(LN(z))        z'' = z' + MLP(LN(z'))

With axial attention (see ops/axial.py) there are two of the first kind, along the rows and along the columns.
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
    ops: minivit.ops, or a GPU's operations of the same names (see minivit/devices/device.py).

    Each branch ends in dropout, LayerScale and drop path; all three hand it through untouched where not configured.
    """
    h, norm1 = ops.layernorm_forward(x, p["norm1.weight"], p["norm1.bias"], config.norm_eps)
    h, attn = _attention_forward(ops, h, p, config, "attn", relative_index, rng)
    h, end1 = _branch_end_forward(ops, h, p.get("ls1.gamma"), config.dropout, drop_path, rng)
    x = x + h
    x, column = _column_forward(ops, x, p, config, drop_path, rng)
    h, norm2 = ops.layernorm_forward(x, p["norm2.weight"], p["norm2.bias"], config.norm_eps)
    h, mlp = _mlp_forward(ops, h, p, config, rng)
    h, end2 = _branch_end_forward(ops, h, p.get("ls2.gamma"), config.dropout, drop_path, rng)
    return x + h, (norm1, attn, end1, column, norm2, mlp, end2)


def block_backward(ops: ModuleType, dx: np.ndarray, cache: tuple) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The backward of `x = x + branch(x)`, branch by branch: the gradient goes straight through, plus the branch's own.

    dx (B, N, D). Returns dx and the gradients by their short names.
    """
    norm1, attn, end1, column, norm2, mlp, end2 = cache
    g = {}
    dh, g["ls2.gamma"] = _branch_end_backward(ops, dx, end2)
    dh, g["mlp.fc1.weight"], g["mlp.fc1.bias"], g["mlp.fc2.weight"], g["mlp.fc2.bias"] = _mlp_backward(ops, dh, mlp)
    dh, g["norm2.weight"], g["norm2.bias"] = ops.layernorm_backward(dh, norm2)
    dx = dx + dh
    dx = _column_backward(ops, dx, column, g)
    dh, g["ls1.gamma"] = _branch_end_backward(ops, dx, end1)
    dh = _attention_backward(ops, dh, attn, "attn", g)
    dh, g["norm1.weight"], g["norm1.bias"] = ops.layernorm_backward(dh, norm1)
    dx = dx + dh
    return dx, {name: grad for name, grad in g.items() if grad is not None}


def block_attention(
    ops: ModuleType, x: np.ndarray, p: dict[str, np.ndarray], config: ViTConfig, relative_index: np.ndarray | None
) -> np.ndarray:
    """Where this block's heads look: x (B, N, D) -> (B, H, N, N), rows sum to 1.

    Axial attention is two maps, R of the rows' and C of the columns' tokens. Token (i, j) takes from (k, j) of its
    column, which has taken from (k, l) of its row: C_j[i, k] R_k[j, l].
    """
    h, _ = ops.layernorm_forward(x, p["norm1.weight"], p["norm1.bias"], config.norm_eps)
    if config.attention == "full":
        bias, _ = _attention_bias(ops, p, "attn", relative_index)
        return ops.multihead_attention_weights(h, p["attn.qkv.weight"], p.get("attn.qkv.bias"), config.heads, bias)
    weights = p["attn.qkv.weight"], p.get("attn.qkv.bias"), config.heads
    rows = ops.axial_attention_weights(h, *weights, config.grid, "row")  # (B, gh, H, gw, gw)
    h, _ = _attention_forward(ops, h, p, config, "attn", None, None)
    x = x + ops.layerscale_forward(h, p.get("ls1.gamma"))[0]
    h, _ = ops.layernorm_forward(x, p["norm_column.weight"], p["norm_column.bias"], config.norm_eps)
    weights = p["attn_column.qkv.weight"], p.get("attn_column.qkv.bias"), config.heads
    columns = ops.axial_attention_weights(h, *weights, config.grid, "column")  # (B, gw, H, gh, gh)
    both = columns.transpose(0, 2, 3, 1, 4)[..., None] * rows.transpose(0, 2, 3, 1, 4)[:, :, None]
    return both.reshape(len(x), config.heads, config.tokens, config.tokens)  # (B, H, i, j, k, l)


def relative_index(ops: ModuleType, config: ViTConfig) -> np.ndarray | None:
    """Which entry of its bias table each pair of tokens uses, (N, N); None where positions are not relative."""
    if config.position != "relative":
        return None
    return ops.relative_index(config.grid, config.has_class_token).astype(np.int32)  # as the kernels take it


def _attention_forward(
    ops: ModuleType,
    h: np.ndarray,
    p: dict[str, np.ndarray],
    config: ViTConfig,
    name: str,
    relative_index: np.ndarray | None,
    rng: np.random.Generator | None,
) -> tuple[np.ndarray, tuple]:
    """The attention `name`: of all tokens, or axial, where "attn" goes along rows and "attn_column" along columns."""
    weights = p[f"{name}.qkv.weight"], p.get(f"{name}.qkv.bias"), p[f"{name}.proj.weight"], p[f"{name}.proj.bias"]
    if config.attention == "axial":
        along = "column" if name == "attn_column" else "row"
        h, attn = ops.axial_attention_forward(
            h, *weights, config.heads, config.grid, along, config.attention_dropout, rng
        )
        return h, ("axial", attn, None)
    bias, table = _attention_bias(ops, p, name, relative_index)
    h, attn = ops.multihead_attention_forward(h, *weights, config.heads, bias, config.attention_dropout, rng)
    return h, ("full", attn, table)


def _attention_backward(
    ops: ModuleType, dh: np.ndarray, cache: tuple, name: str, g: dict[str, np.ndarray]
) -> np.ndarray:
    """The gradients go into `g`."""
    kind, attn, table = cache
    backward = ops.axial_attention_backward if kind == "axial" else ops.multihead_attention_backward
    dh, *grads = backward(dh, attn)
    parameters = "qkv.weight", "qkv.bias", "proj.weight", "proj.bias"
    g |= {f"{name}.{parameter}": grad for parameter, grad in zip(parameters, grads, strict=False)}
    if table is not None:
        g[f"{name}.relative_position_bias_table"] = ops.relative_bias_backward(grads[4], table)
    return dh


def _attention_bias(
    ops: ModuleType, p: dict[str, np.ndarray], name: str, relative_index: np.ndarray | None
) -> tuple[np.ndarray | None, tuple | None]:
    """The bias (H, N, N) on the attention scores where positions are relative, else None."""
    if relative_index is None:
        return None, None
    return ops.relative_bias_forward(p[f"{name}.relative_position_bias_table"], relative_index)


def _column_forward(
    ops: ModuleType,
    x: np.ndarray,
    p: dict[str, np.ndarray],
    config: ViTConfig,
    drop_path: float,
    rng: np.random.Generator | None,
) -> tuple[np.ndarray, tuple | None]:
    """Axial attention's second half, x + MSA(LN(x)) along the columns; full attention has none."""
    if config.attention != "axial":
        return x, None
    h, norm = ops.layernorm_forward(x, p["norm_column.weight"], p["norm_column.bias"], config.norm_eps)
    h, attn = _attention_forward(ops, h, p, config, "attn_column", None, rng)
    h, end = _branch_end_forward(ops, h, p.get("ls_column.gamma"), config.dropout, drop_path, rng)
    return x + h, (norm, attn, end)


def _column_backward(ops: ModuleType, dx: np.ndarray, cache: tuple | None, g: dict[str, np.ndarray]) -> np.ndarray:
    if cache is None:
        return dx
    norm, attn, end = cache
    dh, g["ls_column.gamma"] = _branch_end_backward(ops, dx, end)
    dh = _attention_backward(ops, dh, attn, "attn_column", g)
    dh, g["norm_column.weight"], g["norm_column.bias"] = ops.layernorm_backward(dh, norm)
    return dx + dh


def _mlp_forward(
    ops: ModuleType, h: np.ndarray, p: dict[str, np.ndarray], config: ViTConfig, rng: np.random.Generator | None
) -> tuple[np.ndarray, tuple]:
    weights = p["mlp.fc1.weight"], p["mlp.fc1.bias"], p["mlp.fc2.weight"], p["mlp.fc2.bias"]
    if config.mlp == "swiglu":
        h, cache = ops.swiglu_mlp_forward(h, *weights, config.dropout, rng)
    else:
        h, cache = ops.mlp_forward(h, *weights, config.gelu, config.dropout, rng)
    return h, (config.mlp, cache)


def _mlp_backward(ops: ModuleType, dh: np.ndarray, cache: tuple) -> tuple:
    kind, cache = cache
    return ops.swiglu_mlp_backward(dh, cache) if kind == "swiglu" else ops.mlp_backward(dh, cache)


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
