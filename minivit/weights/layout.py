"""Where each of our parameters lies in somebody else's file: pieces, each a tensor's name, its shape and its layout.

A layout is made for a configuration, compared with the file's shapes, and only then filled with numbers.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .tensor import FLOATS, Tensor

Shape = tuple[int, ...]
ALL = (...,)


@dataclass(frozen=True)
class Piece:
    """A tensor of the file, and the part `at` of one of our parameters that `arrange(tensor)` gives; `restore` is the
    way back, where there is one: arrange(restore(part)) is the part."""

    name: str
    shape: Shape  # in the file
    arrange: Callable[[np.ndarray], np.ndarray]
    at: tuple = ALL
    restore: Callable[[np.ndarray], np.ndarray] | None = None


Layout = dict[str, list[Piece]]  # by our names


@dataclass(frozen=True)
class Source:
    """What an importer finds out from the names and shapes inside a file."""

    options: dict[str, Any]  # of ViTConfig; no image_size, and heads only where the file tells
    rows: int | None  # of its table of positions; None where it has none
    layout: Callable[..., Layout]  # (configuration, whether the prefix tokens have rows in that table)
    ignored: Callable[[str], bool] = lambda name: False  # tensors that a classifier does not use
    guessed: bool = False  # is the normalisation a guess, as most such files have it?


def same(name: str, shape: Shape, at: tuple = ALL) -> Piece:
    """Stored as we have it."""
    return Piece(name, shape, lambda array: array, at, lambda part: part)


def transposed(name: str, shape: Shape, at: tuple = ALL) -> Piece:
    """PyTorch's Linear is (out, in), ours (in, out): `shape` is ours."""
    return Piece(name, shape[::-1], lambda array: array.T, at, lambda part: part.T)


def reshaped(name: str, theirs: Shape, ours: Shape, at: tuple = ALL) -> Piece:
    """The same numbers in the same order, their axes cut or joined."""
    return Piece(name, theirs, lambda array: array.reshape(ours), at, lambda part: part.reshape(theirs))


def filters(name: str, shape: Shape, at: tuple = ALL) -> Piece:
    """PyTorch's convolution is (out, in, row, column), ours (row, column, in, out): `shape` is ours."""
    theirs = tuple(shape[axis] for axis in (3, 2, 0, 1))
    return Piece(name, theirs, lambda array: array.transpose(2, 3, 1, 0), at, lambda part: part.transpose(3, 2, 0, 1))


def convolved(name: str, patch_size: Shape, shape: Shape) -> Piece:
    """A dense layer of patches is a convolution of PyTorch's, (D, C, row, column), 1 x 1 where a patch is one place.
    A patch of ours is (row, column, channel), and `shape` is ours, (P·P·C, D)."""
    channels, width = shape[0] // math.prod(patch_size), shape[1]
    return Piece(
        name,
        (width, channels, *patch_size),
        lambda array: array.transpose(2, 3, 1, 0).reshape(-1, width),
        restore=lambda part: part.reshape(*patch_size, channels, width).transpose(3, 2, 0, 1),
    )


def depthwise(name: str, shape: Shape) -> Piece:
    """PyTorch's depthwise convolution is (C, 1, row, column), ours (row, column, C): `shape` is ours."""
    return Piece(
        name,
        (shape[2], 1, *shape[:2]),
        lambda array: array[:, 0].transpose(1, 2, 0),
        restore=lambda part: part.transpose(2, 0, 1)[:, None],
    )


def torch_pieces(theirs: str | tuple[str, ...], shape: Shape) -> list[Piece]:
    """What PyTorch makes of a layer's numbers, by their axes; `shape` is ours. Several tensors, where queries, keys and
    values lie apart there, and side by side here."""
    piece = {2: transposed, 4: filters}.get(len(shape), same)
    if isinstance(theirs, str):
        return [piece(theirs, shape)]
    width = shape[-1] // len(theirs)
    return [piece(name, (*shape[:-1], width), beside(i, width)) for i, name in enumerate(theirs)]


def beside(i: int, width: int) -> tuple:
    """Where the queries (0), the keys (1) or the values (2) lie in qkv: (…, 3D)."""
    return (..., slice(i * width, (i + 1) * width))


def check_layout(layout: Layout, tensors: Mapping[str, Tensor], ignored: Callable[[str], bool]) -> None:
    """Raise ValueError, naming tensors of the file, unless they are those of the layout, each with its shape."""
    expected = {piece.name: piece.shape for pieces in layout.values() for piece in pieces}
    if missing := [name for name in expected if name not in tensors]:
        raise ValueError(f"it lacks {len(missing)} tensors: {', '.join(missing[:5])}")
    if extra := sorted(name for name in tensors if name not in expected and not ignored(name)):
        raise ValueError(f"it has {len(extra)} tensors that the model does not know: {', '.join(extra[:5])}")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise ValueError(f"{name} has shape {tensors[name].shape}, expected {shape}")
        if tensors[name].dtype not in FLOATS:
            raise ValueError(f"{name} holds {tensors[name].dtype}, expected one of {', '.join(FLOATS)}")


def fill(
    layout: Layout, shapes: Mapping[str, Shape], tensors: Mapping[str, Tensor], dtype: type
) -> dict[str, np.ndarray]:
    """Our parameters of these shapes. Each tensor is read once, and let go before the next one is.

    What no piece fills is zero: a position that the source does not have, a new head.
    """
    uses: dict[str, list[tuple[str, Piece]]] = {}
    for ours in shapes:
        for piece in layout.get(ours, ()):
            uses.setdefault(piece.name, []).append((ours, piece))
    params: dict[str, np.ndarray] = {}
    for name, pieces in uses.items():
        array = tensors[name].floats(dtype)
        for ours, piece in pieces:
            part = piece.arrange(array)
            if part.shape == shapes[ours] and part.dtype == dtype and part.flags.c_contiguous and part.flags.writeable:
                params[ours] = part  # nothing to move: of blocks that are stacked in the file, this is a view
                continue
            if ours not in params:
                params[ours] = np.zeros(shapes[ours], dtype)
            params[ours][piece.at] = part
        del array, part
    return {ours: params[ours] if ours in params else np.zeros(shape, dtype) for ours, shape in shapes.items()}


def unfill(layout: Layout, params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`fill` the other way: the tensors of the file, by their names there. Raises ValueError where the layout has no
    way back."""
    tensors: dict[str, np.ndarray] = {}
    for ours, pieces in layout.items():
        for piece in pieces:
            if piece.restore is None or piece.name in tensors:
                raise ValueError(f"how {ours} is written as {piece.name} is not known")
            tensors[piece.name] = piece.restore(params[ours][piece.at])
    return tensors


def shape_of(tensors: Mapping[str, Tensor], name: str, axes: int) -> Shape:
    """A tensor's shape. Raises ValueError where it is missing, or has another number of axes."""
    if name not in tensors:
        raise ValueError(f"it lacks {name}")
    shape = tensors[name].shape
    if len(shape) != axes or 0 in shape:
        raise ValueError(f"{name} has shape {shape}, expected {axes} axes, none of them empty")
    return shape


def count_blocks(names: Iterable[str], before: str, after: str) -> int:
    """How many different i there are in names of the form "{before}{i}{after}…"."""
    rest = (name.removeprefix(before).partition(after) for name in names if name.startswith(before))
    return len({i for i, found, _ in rest if found and i.isdecimal()})


def mlp_options(width: int, first: int, second: int) -> dict[str, Any]:
    """The MLP's kind and ratio: `first` numbers come out of its first dense layer, `second` go into its second."""
    if first != 2 * second:
        return {"mlp": "gelu", "mlp_ratio": ratio(width, first)}
    # SwiGLU: M is rounded up to a multiple of 8 from 2/3 of the usual, so that several ratios give it.
    usual = 4.0 if (int(width * 4 * 2 / 3) + 7) // 8 * 8 == second else ratio(width, math.ceil(second * 3 / 2))
    return {"mlp": "swiglu", "mlp_ratio": usual}


def ratio(width: int, mlp_width: int) -> float:
    """An MLP's, with int(width · ratio) == mlp_width whichever way the division was rounded."""
    quotient = mlp_width / width
    return quotient if int(width * quotient) == mlp_width else math.nextafter(quotient, math.inf)
