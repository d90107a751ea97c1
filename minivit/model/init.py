"""How the parameters start: small random weights, so that every token is different, and norms that do nothing yet."""

import math

import numpy as np

from .config import ViTConfig
from .shapes import parameter_shapes

INITS = ("timm", "fan_in")


def init_parameters(
    config: ViTConfig, seed: int = 0, dtype: type = np.float32, init: str = "timm"
) -> dict[str, np.ndarray]:
    """A dict of arrays with the names and shapes of `parameter_shapes`.

    "timm":   weights, positions and the distillation token N(0, .02²), class token and registers N(0, 1e-6²), biases 0,
              norms 1 and 0. (timm truncates at ±2, a hundred standard deviations away, and leaves the patch projection,
              a convolution there, at PyTorch's default; relative tables start at 0.) The stem's convolutions, which are
              standardised, are N(0, 1/in) with either; the norm that ends a residual unit starts at 0, as Google's.
    "fan_in": the same, but a dense weight is N(0, 1/in), which keeps the size of what flows through: .02 is made for
              D = 768 (1/√768 = .036), and too small for a small model to start fast. The head stays at .02, so that
              the first loss is log K.
    """
    if init not in INITS:
        raise ValueError(f"init is {init!r}, expected one of {', '.join(map(repr, INITS))}")
    rng = np.random.default_rng(seed)
    return {
        name: _init_one(name, shape, config, init, rng).astype(dtype)
        for name, shape in parameter_shapes(config).items()
    }


def _init_one(name: str, shape: tuple[int, ...], config: ViTConfig, init: str, rng: np.random.Generator) -> np.ndarray:
    kind = name.rpartition(".")[2]
    if kind == "bias" or kind == "relative_position_bias_table":
        return np.zeros(shape)
    if kind == "gamma":
        return np.full(shape, config.layer_scale)
    if kind == "weight" and len(shape) == 1:  # a norm
        return np.zeros(shape) if name.endswith(".gn3.weight") else np.ones(shape)
    std = 0.02
    if name in ("cls_token", "reg_token"):
        std = 1e-6
    elif len(shape) == 4:
        std = math.prod(shape[:3]) ** -0.5
    elif kind == "weight" and init == "fan_in" and name not in ("head.weight", "head_dist.weight"):
        std = shape[0] ** -0.5
    return rng.normal(0, std, shape)
