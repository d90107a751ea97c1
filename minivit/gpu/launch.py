"""A kernel launch as data. Both back ends, CuPy and the emulator, read it, so the launch arithmetic is tested too."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

KERNELS = Path(__file__).parents[1] / "kernels"  # in a checkout, an editable install and a wheel alike
CTYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
INT_MAX = 2**31 - 1
ALIGNMENT = 16  # bytes


@dataclass(frozen=True)
class Launch:
    """Which kernel, on which grid.

    file       in minivit/kernels
    kernel     a C++ name expression: "layernorm_forward_v3<float>"
    dtype      of its arrays and real numbers: float32 or float64
    arguments  in the kernel's order, each a kind and a name: "in x", "out y", "inout theta" are arrays of the dtype,
               "in labels:int" one of int32, "in bias?" may be None (a null pointer), "int rows" and "real eps" numbers
    grid, block  blocks, and threads in each: up to (x, y, z)
    shared     bytes of dynamic shared memory a block
    """

    file: str
    kernel: str
    dtype: np.dtype
    arguments: tuple[str, ...]
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int = 0

    @property
    def names(self) -> list[str]:
        """The arguments' names alone: ["y", "x", "rows"] for ("out y", "in x", "int rows")."""
        return [argument.split()[1].partition(":")[0].rstrip("?") for argument in self.arguments]

    def typed(self, arguments: tuple) -> list:
        """The arguments as both back ends pass them: arrays that were checked, numbers of the kernel's exact types.

        CuPy would pass a Python float as a double and an int as 64 bits, unchecked, and any array as it lies in memory.
        Raises TypeError or ValueError that name the kernel and the argument.
        """
        if len(arguments) != len(self.arguments):
            raise TypeError(f"{self.kernel} takes {len(self.arguments)} arguments, got {len(arguments)}")
        return [self._typed(spec, value) for spec, value in zip(self.arguments, arguments, strict=True)]

    def _typed(self, spec: str, value: object) -> object:
        kind, name = spec.split()
        if kind == "int":
            if not 0 <= value <= INT_MAX:
                raise ValueError(f"{self.kernel}: {name} is {value}, expected 0 … {INT_MAX}, which 32 bits hold")
            return np.int32(value)
        if kind == "real":
            return self.dtype.type(value)
        if value is None and name.endswith("?"):
            return None
        dtype = np.dtype(np.int32) if name.endswith(":int") else self.dtype
        if not hasattr(value, "flags") or value.dtype != dtype:
            given = getattr(value, "dtype", type(value).__name__)
            raise TypeError(f"{self.kernel}: {name} is {given}, expected an array of {dtype}")
        if not value.flags.c_contiguous:
            raise ValueError(f"{self.kernel}: {name} is not contiguous in memory: pass {name}.copy()")
        if _address(value) % ALIGNMENT:
            raise ValueError(
                f"{self.kernel}: {name} begins at an address that is no multiple of {ALIGNMENT}, as loads of "
                f"{ALIGNMENT} bytes need it: pass {name}.copy()"
            )
        return value


def _address(array: object) -> int:
    interface = getattr(array, "__cuda_array_interface__", None) or array.__array_interface__
    return interface["data"][0]


def blocks(count: int, per_block: int) -> int:
    """How many blocks for `count` things. Zero is refused: CuPy would start one block all the same."""
    if count < 1:
        raise ValueError(f"there is nothing to compute: {count} rows or elements, expected at least 1")
    return -(-count // per_block)
