"""Where a model computes: "cpu" is NumPy; "cuda" a GPU, with handwritten kernels; "emulator" these on a CPU.

A device is its operations (the names and signatures of minivit.ops), its arrays, and its random numbers. The model's
code is the same for all three.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .. import ops

DEVICES = ("cpu", "cuda", "emulator")


class DeviceError(RuntimeError):
    """This machine cannot compute there; the message says what is missing, and what to install."""


class Device(Protocol):
    """What the model and the trainer ask of a device."""

    name: str
    ops: Any  # minivit.ops, or an object with the same names: layernorm_forward, …
    threads: int | None  # how many shards may run side by side; None: one a core
    whole_batches: bool  # a GPU is fast on large arrays: its batches are not cut into shards
    adamw_update: Callable[..., None] | None  # train.optimizer.adamw_update as a kernel; None: that function itself
    move_images: Callable[..., Any] | None  # the same of train.augment.move_images

    def asarray(self, array: np.ndarray) -> Any:
        """A NumPy array, or one of the device's own, as one of the device's own."""

    def to_numpy(self, array: Any) -> np.ndarray:
        """The way back."""

    def generator(self, seed: np.random.SeedSequence) -> Any:
        """A random generator, like np.random.default_rng, whose numbers are made on the device."""


class Cpu:
    """NumPy."""

    name = "cpu"
    ops = ops
    threads = None
    whole_batches = False
    adamw_update = move_images = None

    def asarray(self, array: np.ndarray) -> np.ndarray:
        return array

    def to_numpy(self, array: np.ndarray) -> np.ndarray:
        return array

    def generator(self, seed: np.random.SeedSequence) -> np.random.Generator:
        return np.random.default_rng(seed)
