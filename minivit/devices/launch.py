"""A kernel launch as data. Both back ends, CuPy and the emulator, read it, so the launch arithmetic is tested too."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = (_PACKAGE.parent / "pyproject.toml").is_file()
KERNELS = (_PACKAGE.parent if _CHECKOUT else _PACKAGE) / "kernels"  # beside the package; in a wheel, inside it
CTYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
INT_MAX = 2**31 - 1
ALIGNMENT = 16  # bytes
SHARED = 48 * 1024  # bytes of shared memory that a block has on every GPU without asking for more
ROOM = 64 * 1024  # and that it has if it asks, from Turing on


@dataclass(frozen=True)
class Launch:
    """Which kernel, on which grid.

    file       in kernels
    kernel     a C++ name expression: "layernorm_forward_v3<float>"
    dtype      of its arrays and real numbers: float32 or float64
    arguments  in the kernel's order, each a kind and a name: "in x", "out y", "inout theta" are arrays of the dtype,
               "in labels:int" one of int32, "in bias?" may be None (a null pointer), "int rows" and "real eps" numbers
    grid, block  blocks, and threads in each: up to (x, y, z)
    shared     bytes of dynamic shared memory a block
    vectors    does it load 16 bytes at a time? Then its arrays must begin at a multiple of 16 bytes
    least      the compute capability that it needs, 80 for 8.0
    """

    file: str
    kernel: str
    dtype: np.dtype
    arguments: tuple[str, ...]
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int = 0
    vectors: bool = False
    least: int = 0

    @cached_property
    def pick(self) -> Callable[[dict[str, object]], tuple]:
        """The arguments in the kernel's order, from a dict of more than one."""
        return operator.itemgetter(*self.names)

    @cached_property
    def optional(self) -> bool:
        """May one of its arrays be None?"""
        return any(argument.endswith("?") for argument in self.arguments)

    @cached_property
    def outputs(self) -> list[str]:
        """The names of the arrays that it writes."""
        return [name for name, text in zip(self.names, self.arguments, strict=True) if "out " in text]

    @cached_property
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
        return [checked(value) for checked, value in zip(self._checks, arguments, strict=True)]

    @cached_property
    def _checks(self) -> list[Callable[[object], object]]:
        """One for each argument, made once: a step of training launches the same row again and again."""
        checks = []
        for argument, name in zip(self.arguments, self.names, strict=True):
            if argument.startswith("int "):
                checks.append(partial(self._whole, name))
            elif argument.startswith("real "):
                checks.append(self.dtype.type)
            else:
                dtype = np.dtype(np.int32) if ":int" in argument else self.dtype
                checks.append(self._array_check(name, dtype, argument.endswith("?")))
        return checks

    def _whole(self, name: str, value: object) -> np.int32:
        value = operator.index(value)
        if not 0 <= value <= INT_MAX:
            raise ValueError(f"{self.kernel}: {name} is {value}, expected 0 … {INT_MAX}, which 32 bits hold")
        return np.int32(value)

    def _array_check(self, name: str, dtype: np.dtype, may_be_none: bool) -> Callable[[Any], Any]:
        anywhere = not self.vectors

        def check(value: Any) -> Any:
            flags = getattr(value, "flags", None)
            if flags is None or value.dtype != dtype:
                if value is None and may_be_none:
                    return None
                given = getattr(value, "dtype", type(value).__name__)
                raise TypeError(f"{self.kernel}: {name} is {given}, expected an array of {dtype}")
            if not flags.c_contiguous:
                raise ValueError(f"{self.kernel}: {name} is not contiguous in memory: pass {name}.copy()")
            if anywhere or is_aligned(value):
                return value
            raise ValueError(
                f"{self.kernel}: {name} begins at an address that is no multiple of {ALIGNMENT}, as loads of "
                f"{ALIGNMENT} bytes need it: pass {name}.copy()"
            )

        return check


def is_aligned(array: object) -> bool:
    """Does it begin at a multiple of 16 bytes? New arrays do; a slice of one may not."""
    try:
        return array.data.ptr % ALIGNMENT == 0
    except AttributeError:  # NumPy's data is a buffer
        return array.ctypes.data % ALIGNMENT == 0


def ctype(dtype: type) -> str:
    """ "float" or "double". Raises TypeError for what no kernel computes with."""
    name = CTYPES.get(np.dtype(dtype))
    if name is None:
        raise TypeError(f"the arrays are {np.dtype(dtype)}, expected float32 or float64")
    return name


def at_least_one(what: str, count: int) -> int:
    """The count. Zero is refused: there is nothing to compute, and CuPy would start a block all the same."""
    if count < 1:
        raise ValueError(f"{count} {what}, expected at least 1: there is nothing to compute")
    return count


def blocks(count: int, per_block: int) -> int:
    """How many blocks for `count` things, at least one."""
    return -(-at_least_one("rows or elements", count) // per_block)
