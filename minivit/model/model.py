"""A model: layers that describe it, and their numbers, a flat dict of arrays, on a device.

The gradients are a dict with the parameters' keys. Next: ../train/shards.py, a step of training. What a ViT can do
besides (predict, attention, save) is in face.py.
"""

import math
from typing import Any

import numpy as np

from ..devices import get_device
from ..layers import Arrays, Layer, Parameter

INITS = ("timm", "fan_in")


class Model:
    """Layers with their numbers: y, cache = model.forward(x);   grads, dx = model.backward(dy, cache).

    params are trained; buffers, in a dict of their own, change in training without a gradient (running statistics).
    Both are plain dicts: replace their arrays as you like (by the device's own), but once a Trainer holds the model,
    write into them (`params[name][...] = …`). device: "cpu", "cuda" or "emulator", see devices/.
    """

    def __init__(self, layers: Layer, arrays: Arrays, device: str = "cpu") -> None:
        self.layers, self.device = layers, get_device(device)
        buffers = {parameter.name for parameter in layers.parameters if parameter.buffer}
        arrays = {name: self.device.asarray(array) for name, array in arrays.items()}
        self.params = {name: array for name, array in arrays.items() if name not in buffers}
        self.buffers = {name: array for name, array in arrays.items() if name in buffers}
        self.dtype = next(iter(self.params.values())).dtype
        self._constants: Arrays = {}

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> tuple[np.ndarray, Any]:
        """y, and the cache for one `backward`. rng: the source of dropout and drop path in training; without one
        nothing is dropped (evaluation)."""
        return self.layers.forward(self.device.ops, self.arrays(self.layers), x, rng)

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[Arrays, np.ndarray]:
        """`forward` in reverse: the gradients, a dict like `params`, and dx. The cache is used up.

        Where the forward was one of training, the buffers' new values come along under their names; nothing is changed.
        """
        dx, grads = self.layers.backward(self.device.ops, dy, cache)
        new = {name: grads[name] for name in self.buffers if name in grads}
        return {name: grads[name] for name in self.params} | new, dx

    def run(self, layers: Layer, x: np.ndarray) -> np.ndarray:
        """Any layers that read these numbers, in evaluation: y, without a cache."""
        return layers(self.device.ops, self.arrays(layers), x)

    def arrays(self, layers: Layer) -> Arrays:
        """All that these layers read by name. Constants are made when first asked for, and kept."""
        for parameter in layers.parameters:
            if parameter.fixed and parameter.name not in self._constants:
                self._constants[parameter.name] = self.constant(parameter.fixed())
        return self.params | self.buffers | self._constants

    def constant(self, array: np.ndarray) -> np.ndarray:
        """A NumPy array as the device's, real numbers in the model's dtype."""
        return self.device.asarray(array.astype(self.dtype) if array.dtype.kind == "f" else array)

    def numpy_params(self) -> Arrays:
        """`params` as NumPy arrays, wherever the model computes."""
        return {name: self.device.to_numpy(array) for name, array in self.params.items()}

    def numpy_arrays(self) -> Arrays:
        """`params` and `buffers` as NumPy arrays, wherever the model computes."""
        return {name: self.device.to_numpy(array) for name, array in (self.params | self.buffers).items()}


def declared(layers: Layer) -> dict[str, Parameter]:
    """What a file must hold: parameters and buffers by name, in the order of the forward."""
    return {parameter.name: parameter for parameter in layers.parameters if not parameter.fixed}


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
        raise ValueError(f"init is {init!r}, expected one of {', '.join(map(repr, INITS))}")
    rng, arrays = np.random.default_rng(seed), {}
    for name, parameter in declared(layers).items():
        std = 1 / math.sqrt(parameter.shape[0]) if parameter.dense and init == "fan_in" else parameter.std
        array = rng.normal(parameter.mean, std, parameter.shape) if std else np.full(parameter.shape, parameter.mean)
        arrays[name] = array.astype(dtype)
    return arrays
