"""A model: layers that describe it, and their numbers, a flat dict of arrays, on a device.

The gradients are a dict with the parameters' keys. Next: ../train/shards.py, a step of training. What a ViT can do
besides (predict, attention, save) is in face.py.
"""

from typing import Any

import numpy as np

from ..devices import get_device
from ..layers import STILL, Arrays, Layer, backward


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

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None, training: bool = False) -> tuple:
        """y, and the cache for one `backward`. rng: the source of dropout and drop path in training; without one
        nothing is dropped (evaluation). training: BatchNorm takes the statistics of x, as it also does with an rng."""
        rng = STILL if training and rng is None else rng
        return self.layers.forward(self.device.ops, self.arrays(self.layers), x, rng)

    def backward(self, dy: np.ndarray, cache: Any, with_dx: bool = True) -> tuple[Arrays, np.ndarray | Any]:
        """`forward` in reverse: gradients, a dict like `params`, and dx (None if not with_dx). The cache is used up.

        Where the forward was one of training, the buffers' new values come along under their names; nothing is changed.
        """
        dx, grads = backward(self.layers, self.device.ops, dy, cache, with_dx)
        if missing := [name for name in self.params if name not in grads]:
            raise ValueError(
                f"no gradient came back for {', '.join(missing[:3])}: nothing on the way to y reads it, or the "
                "backward of the operation that does gives None in its place"
            )
        new = {name: grads[name] for name in self.buffers if name in grads}
        return {name: grads[name] for name in self.params} | new, dx

    def run(self, layers: Layer, x: np.ndarray) -> np.ndarray:
        """Any layers that read these numbers, in evaluation: y, without a cache."""
        return layers(self.device.ops, self.arrays(layers), x)

    def arrays(self, layers: Layer) -> Arrays:
        """All that these layers read by name. Constants are made when first asked for, and kept."""
        for parameter in layers.parameters:
            if parameter.fixed and parameter.name not in self._constants | self.buffers:
                # Threads share a model: two may make the same one at once, and all then have the one that was first.
                self._constants.setdefault(parameter.name, self.constant(parameter.fixed()))
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
