"""The hybrid's stem: a ResNet whose last map takes the image's place before the patches (ViT, section 3.1).

Bottleneck units with group norm in place of batch norm, and standardised weights (BiT, arXiv 1912.11370), as in
Google's vit_jax/models_resnet.py: a root that leaves a quarter of each side, then stages; all but the first halve it.
"""

import math
from types import ModuleType

import numpy as np

from .config import ViTConfig
from .shapes import stem_units

GROUPS = 32
# ε of group norm, of weight standardisation, and whether that is under the root. timm has Google's weights, not its ε.
EPS = {"google": (1e-6, 1e-5, False), "timm": (1e-5, 1e-8, True)}
Params = dict[str, np.ndarray]


def stem_forward(ops: ModuleType, images: np.ndarray, p: Params, config: ViTConfig) -> tuple[np.ndarray, list]:
    """images (B, height, width, C), p: the model's parameters -> the map (B, *config.map_shape) and the cache."""
    x, root = _convolution_forward(ops, images, p, EPS[config.stem_eps], "stem", "_root", stride=2)
    x, relu = ops.relu_forward(x)
    x, pool = ops.max_pool_forward(x)
    caches = [(root, relu, pool)]
    for name, _, _, stride in stem_units(config):
        x, cache = unit_forward(ops, x, p, EPS[config.stem_eps], f"stem.{name}", stride)
        caches.append(cache)
    return x, caches


def stem_backward(ops: ModuleType, dx: np.ndarray, caches: list, config: ViTConfig) -> tuple[np.ndarray, Params]:
    """The forward's lines, last one first. Returns dimages and the gradients by name."""
    grads: Params = {}
    for (name, *_), cache in reversed(list(zip(stem_units(config), caches[1:], strict=True))):
        dx = unit_backward(ops, dx, cache, f"stem.{name}", grads)
    root, relu, pool = caches[0]
    dx = ops.relu_backward(ops.max_pool_backward(dx, pool), relu)
    return _convolution_backward(ops, dx, root, "stem", "_root", grads), grads


def unit_forward(
    ops: ModuleType, x: np.ndarray, p: Params, eps: tuple[float, float, bool], unit: str, stride: int
) -> tuple[np.ndarray, tuple]:
    """y = relu(shortcut(x) + branch(x)): the branch is 1x1, 3x3 (where the stride is), 1x1 to four times the channels;
    the shortcut x itself, or, where the shape changes, a 1x1 convolution of it."""
    shortcut, projection = x, None
    if f"{unit}.conv_proj.weight" in p:
        shortcut, projection = _convolution_forward(ops, x, p, eps, unit, "_proj", stride)
    h, conv1 = _convolution_forward(ops, x, p, eps, unit, "1")
    h, relu1 = ops.relu_forward(h)
    h, conv2 = _convolution_forward(ops, h, p, eps, unit, "2", stride)
    h, relu2 = ops.relu_forward(h)
    h, conv3 = _convolution_forward(ops, h, p, eps, unit, "3")
    y, relu = ops.relu_forward(shortcut + h)
    return y, (projection, conv1, relu1, conv2, relu2, conv3, relu)


def unit_backward(ops: ModuleType, dy: np.ndarray, cache: tuple, unit: str, grads: Params) -> np.ndarray:
    """The sum hands its gradient to both ways, and x gets what both give back. The gradients go into `grads`."""
    projection, conv1, relu1, conv2, relu2, conv3, relu = cache
    dsum = ops.relu_backward(dy, relu)
    dh = _convolution_backward(ops, dsum, conv3, unit, "3", grads)
    dh = _convolution_backward(ops, ops.relu_backward(dh, relu2), conv2, unit, "2", grads)
    dh = _convolution_backward(ops, ops.relu_backward(dh, relu1), conv1, unit, "1", grads)
    dshortcut = dsum if projection is None else _convolution_backward(ops, dsum, projection, unit, "_proj", grads)
    return dshortcut + dh


def _convolution_forward(
    ops: ModuleType, x: np.ndarray, p: Params, eps: tuple[float, float, bool], unit: str, which: str, stride: int = 1
) -> tuple[np.ndarray, tuple]:
    """Weight standardisation, convolution ("SAME"), group norm. 32 groups, or as many as divide a narrow stem."""
    norm_eps, weight_eps, under_root = eps
    weight, standard = ops.weight_standardisation_forward(p[f"{unit}.conv{which}.weight"], weight_eps, under_root)
    x, convolution = ops.convolution_forward(x, weight, stride)
    gamma, beta = p[f"{unit}.gn{which}.weight"], p[f"{unit}.gn{which}.bias"]
    x, norm = ops.groupnorm_forward(x, gamma, beta, math.gcd(GROUPS, x.shape[-1]), norm_eps)
    return x, (standard, convolution, norm)


def _convolution_backward(
    ops: ModuleType, dx: np.ndarray, cache: tuple, unit: str, which: str, grads: Params
) -> np.ndarray:
    standard, convolution, norm = cache
    dx, grads[f"{unit}.gn{which}.weight"], grads[f"{unit}.gn{which}.bias"] = ops.groupnorm_backward(dx, norm)
    dx, dweight = ops.convolution_backward(dx, convolution)
    grads[f"{unit}.conv{which}.weight"] = ops.weight_standardisation_backward(dweight, standard)
    return dx
