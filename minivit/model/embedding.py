"""From images to the first tokens z₀ = [cls | patches E] + positions (ViT, equation 1), forward and backward.

Where there are more: [cls | dist | patches E] + positions, and then the registers between dist and the patches.
"""

from types import ModuleType

import numpy as np

from .config import ViTConfig
from .stem import stem_backward, stem_forward


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
    stem = dist = cls = pos = registers = None
    if config.stem is not None:
        images, stem = stem_forward(ops, images, p, config)
    patches, patchify = ops.patchify_forward(images, config.patch_size)
    x, proj = ops.linear_forward(patches, p["patch_embed.proj.weight"], p["patch_embed.proj.bias"])
    if config.distilled:
        x, dist = ops.class_token_forward(x, p["dist_token"])
    if config.has_class_token:
        x, cls = ops.class_token_forward(x, p["cls_token"])
    position, table = _position_forward(ops, p, config, waves)
    if position is not None:
        x, pos = ops.add_position_forward(x, position)
    if config.registers:
        x, registers = ops.registers_forward(x, p["reg_token"], config.position_prefix)
    x, drop = ops.dropout_forward(x, config.dropout, rng)
    return x, (stem, patchify, proj, dist, cls, table, pos, registers, drop)


def embedding_backward(
    ops: ModuleType, dx: np.ndarray, cache: tuple, config: ViTConfig
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The forward's lines, last one first. Returns dimages and the gradients by name."""
    stem, patchify, proj, dist, cls, table, pos, registers, drop = cache
    grads = {}
    dx = ops.dropout_backward(dx, drop)
    if config.registers:
        dx, grads["reg_token"] = ops.registers_backward(dx, registers)
    if config.position in ("1d", "2d", "sincos2d"):
        dx, dposition = ops.add_position_backward(dx, pos)
        grads |= _position_backward(ops, dposition, table, config)
    if config.has_class_token:
        dx, grads["cls_token"] = ops.class_token_backward(dx, cls)
    if config.distilled:
        dx, grads["dist_token"] = ops.class_token_backward(dx, dist)
    dpatches, grads["patch_embed.proj.weight"], grads["patch_embed.proj.bias"] = ops.linear_backward(dx, proj)
    dimages = ops.patchify_backward(dpatches, patchify)
    if config.stem is not None:
        dimages, stem_grads = stem_backward(ops, dimages, stem, config)
        grads |= stem_grads
    return dimages, grads


def fixed_positions(ops: ModuleType, config: ViTConfig, dtype: np.dtype) -> np.ndarray | None:
    """The waves (1, N, D) of "sincos2d", which no training changes; None for other positions."""
    return ops.position_sincos_2d(config.grid, config.width, dtype) if config.position == "sincos2d" else None


def _position_forward(ops: ModuleType, p: dict[str, np.ndarray], config: ViTConfig, waves: np.ndarray | None) -> tuple:
    """The table (1, N, D) to add, or None. With "2d" and "sincos2d" cls and dist, which are no places, get zeros."""
    if config.position == "1d":
        return p["pos_embed"], None
    if config.position == "2d":
        table, cache = ops.position_2d_forward(p["pos_embed.row"], p["pos_embed.column"])
    elif config.position == "sincos2d":
        table, cache = waves, None
    else:
        return None, None
    return np.pad(table, ((0, 0), (config.position_prefix, 0), (0, 0))), cache


def _position_backward(
    ops: ModuleType, dposition: np.ndarray, cache: tuple | None, config: ViTConfig
) -> dict[str, np.ndarray]:
    if config.position == "1d":
        return {"pos_embed": dposition}
    if config.position == "2d":
        drow, dcolumn = ops.position_2d_backward(dposition[:, config.position_prefix :], cache)
        return {"pos_embed.row": drow, "pos_embed.column": dcolumn}
    return {}  # the waves are fixed
