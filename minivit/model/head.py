"""From the last tokens to logits (ViT, equation 4, and the head), forward and backward."""

from types import ModuleType

import numpy as np

from .config import ViTConfig
from .shapes import final_norm_name, head_names

Params = dict[str, np.ndarray]


def features_forward(ops: ModuleType, x: np.ndarray, p: Params, config: ViTConfig) -> tuple[np.ndarray, tuple]:
    """z_L (B, N, D), p: the model's parameters -> what the head sees (B, F), or (B, 2, F) for two, and the cache.

    LayerNorm treats each token by itself, so the class token can be picked first and the rest spared. With a mean the
    order matters: "gap" normalises the mean, as timm does, "norm_gap" takes the mean of what is normalised, as Google.
    """
    pool = dense = tanh = None
    norm_first = config.pool.endswith("norm_gap")
    if not norm_first:
        x, pool = ops.pool_forward(x, "distilled" if config.distilled else config.pool, config.prefix_tokens)
    x, norm = final_norm_forward(ops, x, p, config)
    if norm_first:
        x, pool = ops.pool_forward(x, config.pool.replace("norm_gap", "gap"), config.prefix_tokens)
    if config.representation_size is not None:
        x, dense = ops.linear_forward(x, p["pre_logits.fc.weight"], p["pre_logits.fc.bias"])
        x, tanh = ops.tanh_forward(x)
    return x, (pool, norm, dense, tanh)


def features_backward(ops: ModuleType, dx: np.ndarray, cache: tuple, config: ViTConfig) -> tuple[np.ndarray, Params]:
    """The forward's lines, last one first. Returns dz_L (B, N, D) and the gradients by name."""
    pool, norm, dense, tanh = cache
    g: Params = {}
    if config.representation_size is not None:
        dx = ops.tanh_backward(dx, tanh)
        dx, g["pre_logits.fc.weight"], g["pre_logits.fc.bias"] = ops.linear_backward(dx, dense)
    norm_first = config.pool.endswith("norm_gap")
    if norm_first:
        dx = ops.pool_backward(dx, pool)
    name = final_norm_name(config)
    dx, g[f"{name}.weight"], g[f"{name}.bias"] = ops.layernorm_backward(dx, norm)
    return (dx if norm_first else ops.pool_backward(dx, pool)), g


def heads_forward(
    ops: ModuleType, features: np.ndarray, p: Params, config: ViTConfig
) -> tuple[tuple[np.ndarray, ...], list]:
    """The features -> the logits (B, K) of each head, and the cache. Without classes the features are the logits."""
    parts = tuple(features[:, i] for i in range(2)) if config.distilled else (features,)
    pairs = [
        ops.linear_forward(part, p[f"{name}.weight"], p[f"{name}.bias"])
        for part, name in zip(parts, head_names(config), strict=False)
    ]
    return tuple(logits for logits, _ in pairs) or parts, [cache for _, cache in pairs]


def heads_backward(
    ops: ModuleType, dlogits: tuple[np.ndarray, ...], caches: list, config: ViTConfig
) -> tuple[np.ndarray, Params]:
    """The gradient of each head's logits (B, K) -> that of the features, and the gradients by name."""
    g: Params = {}
    dparts = list(dlogits)
    for i, (name, cache) in enumerate(zip(head_names(config), caches, strict=True)):
        dparts[i], g[f"{name}.weight"], g[f"{name}.bias"] = ops.linear_backward(dlogits[i], cache)
    return (np.stack(dparts, axis=1) if config.distilled else dparts[0]), g


def final_norm_forward(ops: ModuleType, x: np.ndarray, p: Params, config: ViTConfig) -> tuple[np.ndarray, tuple]:
    """The norm after the last block, over the last axis of x."""
    name = final_norm_name(config)
    return ops.layernorm_forward(x, p[f"{name}.weight"], p[f"{name}.bias"], config.norm_eps)
