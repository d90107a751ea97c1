"""What the readers of ResNet and BiT have in common: a dialect says how a source calls and lays out what we have.

The sizes of a model are read off its tensors by the names that the dialect gives ours; the rest is in JSON files beside
the weights, in the metadata of what an export wrote, or the source's convention.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..family.convolutional import Convolutional, ConvolutionalConfig
from ..files import write_npz
from ..layers import Arrays
from ..model.parameters import declared
from .export import EXPORTED
from .layout import Layout, Piece, check_layout, fill, reshaped, same
from .load import find_weights, read_weights
from .safetensors import read_safetensors, write_safetensors
from .tensor import Tensor

COUNTERS = ".num_batches_tracked"  # PyTorch's, of a BatchNorm: an int64 that nothing here reads
READ_OFF = ("channels", "classes", "stem_width", "stem_kernel", "depths", "widths", "inner")  # what tensors tell


@dataclass(frozen=True)
class Dialect:
    """How a source calls what we call by our names, and how its weights lie."""

    source: str
    rename: Callable[[str], str]
    first: str  # our name of the stem's weight, and those below are ours, too
    unit: str  # of a unit's weights, with {s} for the stage and {u} for the unit
    head: str
    first_stage: int = 0
    hwio: bool = False  # Google's layout, which is ours; PyTorch's is (out, in, row, column)
    head_axes: int = 2  # 4: the head is a convolution 1x1

    def knows(self, tensors: Mapping[str, Tensor]) -> bool:
        """Are a file's names this dialect's?"""
        return all(self.rename(name) in tensors for name in (self.first, self._weight(self.first_stage, 0, 1)))

    def options(self, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        """The sizes, from the shapes."""

        def shape(name: str) -> tuple[int, ...]:
            theirs = tensors[self.rename(name)].shape
            if len(theirs) != 4 or 0 in theirs:
                raise ValueError(f"{self.rename(name)} has shape {theirs}, expected 4 axes, none of them empty")
            return theirs if self.hwio else tuple(theirs[axis] for axis in (2, 3, 1, 0))

        def has(*place: int) -> bool:
            return self.rename(self._weight(*place)) in tensors

        depths, s = [], self.first_stage
        while has(s, 0, 1):
            depths.append(next(u for u in range(1, len(tensors)) if not has(s, u, 1)))
            s += 1
        stages = range(self.first_stage, s)
        bottleneck = has(self.first_stage, 0, 3)
        kernel, _, channels, stem_width = shape(self.first)
        head = self.rename(f"{self.head}.bias")
        return dict(
            channels=channels,
            classes=tensors[head].shape[0] if head in tensors and tensors[head].shape else 0,
            stem_width=stem_width,
            stem_kernel=kernel,
            depths=tuple(depths),
            widths=tuple(shape(self._weight(s, 0, 3 if bottleneck else 2))[3] for s in stages),
            inner=tuple(shape(self._weight(s, 0, 1))[3] for s in stages) if bottleneck else None,
        )

    def layout(self, shapes: Mapping[str, tuple[int, ...]]) -> Layout:
        """Where each of our parameters lies."""
        return {name: [self._piece(name, shape)] for name, shape in shapes.items()}

    def theirs(self, arrays: Arrays) -> Arrays:
        """`layout` in reverse: our arrays in this source's names and layout."""
        return {self.rename(name): self._lay_out(name, array) for name, array in arrays.items()}

    def _weight(self, s: int, u: int, i: int) -> str:
        return f"{self.unit.format(s=s, u=u)}.conv{i}.weight"

    def _piece(self, ours: str, shape: tuple[int, ...]) -> Piece:
        name = self.rename(ours)
        if len(shape) == 1 or (self.hwio and len(shape) == 4):
            return same(name, shape)
        if self.hwio:
            return reshaped(name, (1, 1, *shape), shape)
        if len(shape) == 4:
            return Piece(name, tuple(shape[axis] for axis in (3, 2, 0, 1)), lambda array: array.transpose(2, 3, 1, 0))
        return Piece(name, (*shape[::-1], *(1,) * (self.head_axes - 2)), lambda array: array.reshape(shape[::-1]).T)

    def _lay_out(self, ours: str, array: np.ndarray) -> np.ndarray:
        if array.ndim == 2:
            return array[None, None] if self.hwio else array.T.reshape(*array.shape[::-1], *(1,) * (self.head_axes - 2))
        return array.transpose(3, 2, 0, 1) if array.ndim == 4 and not self.hwio else array


def renamer(*rules: tuple[str, str | Callable[[re.Match], str]]) -> Callable[[str], str]:
    """A function from our names to theirs, by the first rule that fits: a pattern of whole names, what they become."""

    def rename(name: str) -> str:
        for pattern, becomes in rules:
            if match := re.fullmatch(pattern, name):
                return becomes(match) if callable(becomes) else match.expand(becomes)
        return name

    return rename


Tell = Callable[[Path, dict[str, Any], Dialect], dict[str, Any]]  # (folder, the tensors' options, …) -> more options


def find_dialect(tensors: Mapping[str, Tensor], dialects: tuple[Dialect, ...]) -> Dialect | None:
    """The one whose names a file has."""
    return next((dialect for dialect in dialects if dialect.knows(tensors)), None)


def load_in(
    path: str | os.PathLike,
    kind: type[Convolutional],
    dialects: tuple[Dialect, ...],
    tell: Tell,
    dtype: type,
    device: str,
    config: dict[str, Any],
) -> Convolutional:
    """A model of this kind with the weights of `path`, in one of these dialects. Errors as of resnet.load."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is {np.dtype(dtype)}, expected float32 or float64")
    file = find_weights(path)
    tensors = read_weights(file)
    try:
        dialect = find_dialect(tensors, dialects)
        if dialect is None:
            names = ", ".join(list(tensors)[:5])
            sources = ", ".join(dict.fromkeys(dialect.source for dialect in dialects))
            raise ValueError(f"its names are those of no {kind.__name__} ({sources}): it has {names} …")
        options = dialect.options(tensors)
        options |= tell(file.parent, options, dialect) | _exported(file)
        stored = kind.Config(**options | {name: value for name, value in config.items() if name != "classes"})
        layout = dialect.layout(_shapes(kind, stored))
        check_layout(layout, tensors, lambda name: name.endswith(COUNTERS))
        target = kind.Config(**stored.to_dict() | {"classes": config.get("classes", stored.classes)})
    except TypeError as error:
        raise TypeError(f"{file}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    shapes = _shapes(kind, target)
    kept = {n: s for n, s in shapes.items() if stored.classes == target.classes or not n.startswith(f"{dialect.head}.")}
    params = fill(layout, kept, lambda name: tensors[name].floats(dtype), np.dtype(dtype))
    params = {name: params[name] if name in params else np.zeros(shape, dtype) for name, shape in shapes.items()}
    return kind(target, params=params, device=device)


def export_in(model: Convolutional, path: str | os.PathLike, dialect: Dialect) -> None:
    """Write the model in a dialect: a .safetensors file, in whose metadata the configuration is, or Google's .npz."""
    suffix = ".npz" if dialect.hwio else ".safetensors"
    if Path(path).suffix != suffix:
        raise ValueError(f"{path} is to be {dialect.source}'s {suffix} file: give it that ending")
    arrays = dialect.theirs(model.numpy_arrays())
    if dialect.hwio:
        write_npz(path, arrays)
    else:
        write_safetensors(path, arrays, {"format": "pt", EXPORTED: json.dumps(model.config.to_dict())})


def _shapes(kind: type[Convolutional], config: ConvolutionalConfig) -> dict[str, tuple[int, ...]]:
    return {name: parameter.shape for name, parameter in declared(kind.describe(config)).items()}


def _exported(file: Path) -> dict[str, Any]:
    """What `export_in` wrote beside the tensors, but for what these tell themselves."""
    text = read_safetensors(file)[1].get(EXPORTED) if file.suffix.lower() == ".safetensors" else None
    if text is None:
        return {}
    try:
        config = json.loads(text)
        if not isinstance(config, dict):
            raise ValueError(f"it is a {type(config).__name__}, expected a dict")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its configuration, {EXPORTED}, cannot be read: {error}") from error
    return {name: value for name, value in config.items() if name not in READ_OFF}
