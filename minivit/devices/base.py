"""What the operations on kernels are made of: new arrays, launches by their arguments' names, and the checks that a
kernel cannot make itself.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from .. import ops
from .launch import ALIGNMENT, Launch, ctype, is_aligned
from .launches import LADDERS

Array = Any  # NumPy's on the emulator, CuPy's on a GPU


class BackEnd(Protocol):
    """What launches kernels: cuda.py and emulator.py."""

    room: int  # bytes of shared memory that a block may have, if it asks

    def empty(self, shape: int | tuple[int, ...], dtype: np.dtype) -> Array: ...

    def launch(self, launch: Launch, *arguments: object) -> None: ...


@lru_cache(maxsize=1000)
def row(function: Callable[..., Any], *sizes: Any, **options: Any) -> Any:
    """A row of the launch table, which is a function of sizes. It is asked for in every step, and made once."""
    return function(*sizes, **options)


class KernelLauncher:
    """Launches on a back end. An operation that has no kernel is minivit.ops's.

    `versions` maps a ladder's name to the version to use, for all models of the device; else it is the best that fits.
    """

    def __init__(self, back_end: BackEnd) -> None:
        self._back_end = back_end
        self.versions: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)  # an operation without a kernel

    def version(self, ladder: str) -> int | None:
        """The version that was chosen for a ladder. Raises ValueError where another choice has a name that is none."""
        if self.versions and (unknown := self.versions.keys() - LADDERS):
            raise ValueError(f"versions has {sorted(unknown)[0]!r}, expected some of {', '.join(LADDERS)}")
        return self.versions.get(ladder)

    def run(self, launches: Launch | list[Launch], **values: object) -> None:
        """Launch in order; each kernel finds its arguments by the names in its row of the table."""
        for launch in [launches] if isinstance(launches, Launch) else launches:
            self._back_end.launch(launch, *launch.pick(values))

    def new_arrays(self, like: Array, *shapes: tuple[int, ...]) -> list[Array]:
        dtype, empty = like.dtype, self._back_end.empty
        ctype(dtype)  # refuses what no kernel computes with
        return [empty(shape, dtype) for shape in shapes]

    def arrays_by_name(
        self, launches: list[Launch], shapes: dict[str, tuple[int, ...]], dtype: np.dtype, known: dict[str, Array]
    ) -> dict[str, Array]:
        """`known`, and new arrays for all that the launches write."""
        arrays, empty = dict(known), self._back_end.empty
        for launch in launches:
            for name in launch.outputs:
                if name not in arrays:
                    arrays[name] = empty(shapes[name], dtype)
        return arrays


def contiguous(x: Array) -> Array:
    """Kernels walk through memory: an array that lies scattered, or begins where no 16 bytes do, is copied first."""
    return x if x.flags.c_contiguous and is_aligned(x) else x.copy()


def widened(x: Array) -> Array:
    """(..., d): as kernels want it, which read 16 bytes at a time."""
    more = -x.shape[-1] % (ALIGNMENT // x.dtype.itemsize)
    return contiguous(np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)]) if more else x)


def expect_shape(shape: tuple[int, ...], **arrays: Array) -> None:
    """A kernel reads as far as it is told to. NumPy would find out that a shape is wrong; here it must be asked."""
    for name, array in arrays.items():
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
