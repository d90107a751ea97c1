"""A tensor in a file that was looked at but not yet read: its shape, its type, and how to get its numbers.

Shapes are compared before any number is read, so that a hostile file cannot make us allocate; and a model is read one
tensor at a time, so that the peak of memory is the model and one tensor more.
"""

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

# bfloat16 is the upper half of a float32. NumPy has no such type, and reads it as 2 bytes.
BFLOAT16 = "bfloat16"
FLOATS = ("float16", BFLOAT16, "float32", "float64")


@dataclass(frozen=True)
class Tensor:
    """`read()` gives the numbers as they are stored, `floats(dtype)` as a model takes them."""

    shape: tuple[int, ...]
    dtype: str  # NumPy's name, or "bfloat16" (then `read` gives uint16)
    read: Callable[[], np.ndarray]

    def floats(self, dtype: type = np.float32) -> np.ndarray:
        """The numbers, stored as one of FLOATS, as float32 or float64."""
        array = self.read()
        if self.dtype == BFLOAT16:
            array = (array.astype(np.uint32) << 16).view(np.float32)
        return array.astype(dtype, copy=False)

    @property
    def T(self) -> "Tensor":
        """The same tensor with its axes in reverse order, still unread."""
        return replace(self, shape=self.shape[::-1], read=lambda: self.read().T)


def item_size(dtype: str) -> int:
    """Bytes a number."""
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize


def raw_tensor(path: str | os.PathLike, start: int, shape: tuple[int, ...], dtype: str) -> Tensor:
    """A tensor whose numbers lie in the file as they are, little-endian and in C order, from byte `start` on."""
    stored = np.dtype("uint16" if dtype == BFLOAT16 else dtype).newbyteorder("<")

    def read() -> np.ndarray:
        # Read, not mapped: the pages of a mapped file would stay in memory beside the copy that is made of them.
        with open(path, "rb") as file:
            file.seek(start)
            numbers = np.fromfile(file, stored, math.prod(shape))
        if numbers.size != math.prod(shape):
            raise ValueError(f"{path} ends before its tensors do")
        return numbers.astype(stored.newbyteorder("="), copy=False).reshape(shape)

    return Tensor(shape, dtype, read)


def read_exactly(file: BinaryIO, size: int) -> bytes:
    """The next `size` bytes. Raises ValueError where the file has fewer."""
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f"it ends {size - len(data)} bytes early")
    return data


def unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """The pairs as a dict. Raises ValueError where a name comes twice."""
    entries: dict[str, object] = {}
    for name, value in pairs:
        if name in entries:
            raise ValueError(f"the name {name!r} comes twice")
        entries[name] = value
    return entries
