"""From images to the first tokens z₀ = [cls | patches E] + positions (ViT, equation 1), forward and backward."""

from types import ModuleType

import numpy as np

from .config import ViTConfig


def embedding_forward(
    ops: ModuleType,
    images: np.ndarray,
    p: dict[str, np.ndarray],
    config: ViTConfig,
    waves: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, tuple]:
    """images (B, height, width, C), p: the model's parameters -> z₀ (B, N, D) and the cache.

    ops: minivit.ops, or a GPU's operations of the same names; waves (1, N, D): the fixed positions of "sincos2d".
    """
    patches, patchify = ops.patchify_forward(images, config.patch_size)
    x, proj = ops.linear_forward(patches, p["patch_embed.proj.weight"], p["patch_embed.proj.bias"])
    cls = pos = None
    if config.has_class_token:
        x, cls = ops.class_token_forward(x, p["cls_token"])
    position, table = _position_forward(ops, p, config, waves)
    if position is not None:
        x, pos = ops.add_position_forward(x, position)
    x, drop = ops.dropout_forward(x, config.dropout, rng)
    return x, (patchify, proj, cls, table, pos, drop)


def embedding_backward(
    ops: ModuleType, dx: np.ndarray, cache: tuple, config: ViTConfig
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The forward's lines, last one first. Returns dimages and the gradients by name."""
    patchify, proj, cls, table, pos, drop = cache
    grads = {}
    dx = ops.dropout_backward(dx, drop)
    if config.position in ("1d", "2d", "sincos2d"):
        dx, dposition = ops.add_position_backward(dx, pos)
        grads |= _position_backward(ops, dposition, table, config)
    if config.has_class_token:
        dx, grads["cls_token"] = ops.class_token_backward(dx, cls)
    dpatches, grads["patch_embed.proj.weight"], grads["patch_embed.proj.bias"] = ops.linear_backward(dx, proj)
    return ops.patchify_backward(dpatches, patchify), grads


def fixed_positions(ops: ModuleType, config: ViTConfig, dtype: np.dtype) -> np.ndarray | None:
    """The waves (1, N, D) of "sincos2d", which no training changes; None for other positions."""
    return ops.position_sincos_2d(config.grid, config.width, dtype) if config.position == "sincos2d" else None


def _position_forward(ops: ModuleType, p: dict[str, np.ndarray], config: ViTConfig, waves: np.ndarray | None) -> tuple:
    """The table (1, N, D) to add, or None. With "2d" and "sincos2d" the class token, which is no place, gets zeros."""
    if config.position == "1d":
        return p["pos_embed"], None
    if config.position == "2d":
        table, cache = ops.position_2d_forward(p["pos_embed.row"], p["pos_embed.column"])
    elif config.position == "sincos2d":
        table, cache = waves, None
    else:
        return None, None
    return np.pad(table, ((0, 0), (int(config.has_class_token), 0), (0, 0))), cache


def _position_backward(
    ops: ModuleType, dposition: np.ndarray, cache: tuple | None, config: ViTConfig
) -> dict[str, np.ndarray]:
    if config.position == "1d":
        return {"pos_embed": dposition}
    if config.position == "2d":
        drow, dcolumn = ops.position_2d_backward(dposition[:, int(config.has_class_token) :], cache)
        return {"pos_embed.row": drow, "pos_embed.column": dcolumn}
    return {}  # the waves are fixed
