"""What the readers of ResNet and BiT have in common: a dialect says how a source calls and lays out what we have.

The sizes of a model are read off its tensors by the names that the dialect gives ours; the rest is in JSON files beside
the weights, in the metadata of what an export wrote, or the source's convention.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..family.convolutional import Convolutional
from ..files import write_npz
from ..layers import Layer
from ..model.parameters import declared_shapes
from .exporting import check_ending, read_exported, write_exported
from .layout import Layout, Piece, check_layout, convolved, fill, reshaped, same, shape_of, torch_pieces, unfill
from .opened import check_options, naming, open_weights
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
            theirs = shape_of(tensors, self.rename(name), 4)
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

    def layout(self, layers: Layer) -> Layout:
        """Where each of our parameters and running statistics lies."""
        return {name: self._pieces(name, shape) for name, shape in declared_shapes(layers).items()}

    def _weight(self, s: int, u: int, i: int) -> str:
        return f"{self.unit.format(s=s, u=u)}.conv{i}.weight"

    def _pieces(self, ours: str, shape: tuple[int, ...]) -> list[Piece]:
        name = self.rename(ours)
        if self.hwio:
            return [reshaped(name, (1, 1, *shape), shape) if len(shape) == 2 else same(name, shape)]
        if len(shape) == 2 and self.head_axes == 4:
            return [convolved(name, (1, 1), shape)]
        return torch_pieces(name, shape)


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
    opened = open_weights(path, kind.__name__)
    check_options(config, kind.Config, dtype)
    tensors, dialect = opened.tensors, find_dialect(opened.tensors, dialects)
    with naming(opened.file):
        options = dialect.options(tensors)
        exported = read_exported(opened.beside) or {}
        options |= tell(opened.file.parent, options, dialect)
        options |= {name: value for name, value in exported.items() if name not in READ_OFF}
        stored = kind.Config(**options | {name: value for name, value in config.items() if name != "classes"})
        layout = dialect.layout(kind.describe(stored))
        check_layout(layout, tensors, lambda name: name.endswith(COUNTERS))
        target = dataclasses.replace(stored, classes=config.get("classes", stored.classes))
    if target.classes != stored.classes:
        layout = {name: pieces for name, pieces in layout.items() if not name.startswith(f"{dialect.head}.")}
    params = fill(layout, declared_shapes(kind.describe(target)), tensors, dtype)
    return kind(target, params=params, device=device)


def export_in(model: Convolutional, path: str | os.PathLike, dialect: Dialect) -> None:
    """Write the model in a dialect: a .safetensors file, in whose metadata the configuration is, or Google's .npz."""
    layout = dialect.layout(model.layers)
    if dialect.hwio:
        check_ending(path, ".npz")
        write_npz(path, unfill(layout, model.numpy_arrays()))
    else:
        write_exported(path, layout, model)
