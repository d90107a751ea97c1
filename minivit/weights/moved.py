"""The same numbers in another order: pieces of a layout that can be read and, for an export, written back.

PyTorch's layouts are ours with their axes permuted, and cut or joined. Such a move loses nothing: what was read, then
exported, and read again has the same bits. layout.py says what a piece is; pvt.py and mobilevit.py are made of these.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..layers import Arrays, Layer
from ..model.parameters import declared
from .export import EXPORTED
from .layout import ALL, Shape, fill
from .safetensors import read_safetensors, write_safetensors
from .tensor import Tensor


@dataclass(frozen=True)
class Moved:
    """A tensor of the file, as layout.Piece has it: with its axes in this order, then reshaped, it is the part `at` of
    one of our parameters."""

    name: str
    shape: Shape  # in the file
    axes: tuple[int, ...]
    ours: Shape  # of the part
    at: tuple = ALL

    def arrange(self, array: np.ndarray) -> np.ndarray:
        """As stored -> as we have it."""
        return array.transpose(self.axes).reshape(self.ours)

    def restore(self, part: np.ndarray) -> np.ndarray:
        """The part of our parameter -> the tensor as it is stored."""
        there = tuple(self.shape[axis] for axis in self.axes)
        return part.reshape(there).transpose(np.argsort(self.axes))


Moves = dict[str, list[Moved]]  # by our names


def stored_as(name: str, shape: Shape, ours: Shape | None = None, at: tuple = ALL) -> Moved:
    """A tensor of this shape in PyTorch's layout, and its place in ours, which the number of its axes tells:

    a vector, a table (1, N, D)      the same
    Linear (out, in)                 (in, out)
    convolution (out, in, row, column)         (row, column, in, out), and where ours has two axes, (row·column·in, out)
    depthwise convolution (C, 1, row, column)  (row, column, C)
    """
    axes = {2: (1, 0), 4: (2, 3, 1, 0)}.get(len(shape), tuple(range(len(shape))))
    return Moved(name, shape, axes, tuple(shape[axis] for axis in axes) if ours is None else ours, at)


def parameters(
    layout: Moves, layers: Layer, tensors: Mapping[str, Tensor], dtype: type, fresh: Iterable[str] = ()
) -> Arrays:
    """The parameters and buffers of these layers from the file; those in `fresh`, a new head's, are zeros."""
    shapes = {name: parameter.shape for name, parameter in declared(layers).items()}
    fresh = set(fresh)
    kept = {name: shape for name, shape in shapes.items() if name not in fresh}
    params = fill(layout, kept, lambda name: tensors[name].floats(dtype), np.dtype(dtype))
    return {name: params[name] if name in params else np.zeros(shape, dtype) for name, shape in shapes.items()}


def write_exported(path: str | os.PathLike, layout: Moves, arrays: Arrays, options: Mapping[str, Any]) -> None:
    """The arrays of a model as a .safetensors file in the layout's names; the configuration's options lie in its
    metadata, which others pass over. Raises ValueError for another ending."""
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"{path} is to be a .safetensors file: give it that ending")
    tensors = {piece.name: piece.restore(arrays[ours][piece.at]) for ours, pieces in layout.items() for piece in pieces}
    write_safetensors(path, tensors, {"format": "pt", EXPORTED: json.dumps(dict(options))})


def exported_options(file: Path) -> dict[str, Any] | None:
    """The options that `write_exported` put into the file's metadata; None where there are none."""
    if file.suffix.lower() != ".safetensors":
        return None
    text = read_safetensors(file)[1].get(EXPORTED)
    if text is None:
        return None
    try:
        options = json.loads(text)
        if not isinstance(options, dict):
            raise ValueError(f"it is a {type(options).__name__}, expected a dict")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: its configuration, {EXPORTED}, cannot be read: {error}") from error
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def ratio(width: int, hidden: int) -> float:
    """The MLP's, with int(width · ratio) == hidden whichever way the division was rounded."""
    quotient = hidden / width
    return quotient if int(width * quotient) == hidden else math.nextafter(quotient, math.inf)
