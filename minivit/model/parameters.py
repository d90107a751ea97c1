"""From layers to their parameters: every name and shape, how many numbers that is, and how they start."""

import math

import numpy as np

from ..layers import Arrays, Layer, Parameter
from ..messages import choices
from .config import ViTConfig
from .vit import vit

INITS = ("timm", "fan_in")


def parameter_shapes(config: ViTConfig) -> dict[str, tuple[int, ...]]:
    """Every parameter's name and shape, in the order of the forward. A dense weight is (in, out). None is allocated.

    The names are timm's, where it has one: "cls_token", "blocks.0.attn.qkv.weight", …; the stem's are Google's.
    """
    return {p.name: p.shape for p in vit(config).parameters if not (p.fixed or p.buffer)}


def count_parameters(config: ViTConfig) -> int:
    """The number of parameters, without allocating the model."""
    return sum(map(math.prod, parameter_shapes(config).values()))


def declared(layers: Layer) -> dict[str, Parameter]:
    """What a file must hold: parameters and buffers by name, in the order of the forward."""
    return {parameter.name: parameter for parameter in layers.parameters if parameter.buffer or not parameter.fixed}


def declared_shapes(layers: Layer) -> dict[str, tuple[int, ...]]:
    """The shape of each."""
    return {name: parameter.shape for name, parameter in declared(layers).items()}


def start(layers: Layer, seed: int = 0, dtype: type = np.float32, init: str = "timm") -> Arrays:
    """How the numbers start, as each parameter says of itself: small random weights, so that every token is different,
    biases 0, and norms that do nothing yet.

    "timm":   weights, positions and the distillation token N(0, .02²), class token and registers N(0, 1e-6²), biases 0,
              norms 1 and 0. (timm truncates at ±2, a hundred standard deviations away, and leaves the patch projection,
              a convolution there, at PyTorch's default; relative tables start at 0.) The stem's convolutions, which are
              standardised, are N(0, 1/in) with either; the norm that ends a residual unit starts at 0, as Google's.
    "fan_in": the same, but a dense weight is N(0, 1/in), which keeps the size of what flows through: .02 is made for
              D = 768 (1/√768 = .036), and too small for a small model to start fast.
    """
    if init not in INITS:
        raise ValueError(f"init is {init!r}, {choices(init, INITS)}")
    rng, arrays = np.random.default_rng(seed), {}
    for name, parameter in declared(layers).items():
        std = 1 / math.sqrt(parameter.shape[0]) if parameter.dense and init == "fan_in" else parameter.std
        array = rng.normal(parameter.mean, std, parameter.shape) if std else np.full(parameter.shape, parameter.mean)
        arrays[name] = (parameter.fixed() if parameter.fixed else array).astype(dtype)
    return arrays
