"""The back end without a GPU: the same kernels and the same launches, run by minivit.emulator on NumPy arrays."""

from functools import cache

import numpy as np

from .. import emulator
from ..emulator.compiler import find_compiler
from .device import Cpu
from .kernel_ops import KernelOps
from .launch import KERNELS, ROOM, Launch


class Emulator(Cpu):
    """device="emulator". Arrays, matrix products, random numbers and what has no kernel are the CPU's; so are the
    shards, and a run draws the CPU's random numbers and can be compared with it."""

    name = "emulator"
    threads = 1
    room = ROOM

    def __init__(self) -> None:
        find_compiler()  # where there is none, say so now and not in the middle of a step
        self.ops = KernelOps(self)
        self.adamw_update, self.move_images = self.ops.adamw_update, self.ops.move_images

    def empty(self, shape: int | tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.full(shape, np.nan, dtype)  # what a kernel forgets to write is found out

    def launch(self, launch: Launch, *arguments: object) -> None:
        """Run a kernel to its end."""
        typed = launch.typed(arguments)
        _module(launch.file)[launch.kernel](launch.grid, launch.block, *typed, shared=launch.shared)


@cache
def _module(file: str) -> emulator.Module:
    return emulator.load(KERNELS / file)
