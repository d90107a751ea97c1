"""A launch written as in CUDA: add<float><<<(4, 2), 256>>>(y[1000], x[1000], 1000)."""

import ast
import math
import re
from dataclasses import dataclass

from ..messages import brief, short
from .source import find_functions, find_kernels, split

LAUNCH_COMMENT = re.compile(r"//\s*launch:\s*(.+)")
EXAMPLE = "add<float><<<4, 256>>>(y[1000], x[1000], 1000)"


@dataclass(frozen=True)
class Array:
    """An array argument: its name, its shape, and what fills it where that is said."""

    name: str
    shape: tuple[int, ...]
    fill: float | None = None


@dataclass(frozen=True)
class LaunchText:
    kernel: str
    grid: tuple[int, ...]  # of a call of a function of the host: ()
    block: tuple[int, ...]
    shared: int
    arguments: tuple[Array | int | float | None, ...]


def launch_in(source: str) -> str | None:
    """The first launch that a file's comments give: // launch: add<float><<<4, 256>>>(...)."""
    return next((text for _, text in launches_in(source)), None)


def launches_in(source: str) -> list[tuple[int, str]]:
    """All of them, each with its line."""
    found = LAUNCH_COMMENT.finditer(source)
    return [(source.count("\n", 0, match.start()) + 1, match[1].strip()) for match in found]


def which_launch(path: object, source: str) -> str:
    """What to say where nobody has told how a file's kernels are launched: how it could be told, by an example."""
    kernels, functions = find_kernels(source), find_functions(source)
    if not kernels:
        return f"{path} has neither a kernel nor a main(): there is nothing to run"
    kernel = next(iter(kernels.values()))
    arguments = [
        f"{name}[1000]" if is_array else "1000"
        for name, is_array in zip(kernel.parameters, kernel.pointers, strict=True)
    ]
    example = f"{kernel.name}{'<float>' * kernel.template}<<<4, 256>>>({', '.join(arguments)})"
    call = f"; or call a function of the host: '{next(iter(functions))}(...)'" if functions else ""
    return (
        f"which launch? {path} has no main(). Give one, like '{example}', or write it into the file, as // launch: ..."
        f"{call}"
    )


def parse_launch(text: str) -> LaunchText:
    """Raises ValueError, which says what a launch looks like."""
    found = re.fullmatch(r"\s*(.+?)\s*<<<(.+?)>>>\s*\((.*)\)\s*;?\s*", text)
    if not found:
        raise ValueError(f"{short(text)} is not a launch; one looks like {EXAMPLE}")
    kernel, sizes, arguments = found.groups()
    sizes = _split(sizes)
    if len(sizes) not in (2, 3):
        raise ValueError(
            f"<<<{brief(found[2])}>>> has {len(sizes)} values, expected the grid, the block and, if any, shared bytes"
        )
    grid, block = _extent(sizes[0]), _extent(sizes[1])
    shared = _whole(sizes[2]) if len(sizes) == 3 else 0
    return LaunchText(kernel, grid, block, shared, tuple(_argument(part) for part in _split(arguments)))


def parse_call(text: str) -> LaunchText:
    """A call of a function of the host: solve(y[1000], x[1000], 1000). It has no grid. Raises ValueError."""
    found = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*;?\s*", text)
    if not found:
        raise ValueError(f"{short(text)} is neither a launch, like {EXAMPLE}, nor a call, like solve(x[1000], 1000)")
    return LaunchText(found[1], (), (), 0, tuple(_argument(part) for part in _split(found[2])))


def _split(text: str) -> list[str]:
    return [part.strip() for part in split(text, "([{", ")]}") if part.strip()]


def _extent(text: str) -> tuple[int, ...]:
    inner = re.fullmatch(r"(?:dim3)?\s*\((.*)\)", text)
    parts = _split(inner[1]) if inner and len(_split(inner[1])) > 1 else [text.removeprefix("dim3")]
    return tuple(_whole(part) for part in parts)


def _argument(text: str) -> Array | int | float | None:
    array = re.fullmatch(r"([A-Za-z_]\w*)\s*\[(.+?)\](?:\s*=\s*(.+))?", text)
    if array:
        shape = tuple(_whole(part) for part in _split(array[2]))
        return Array(array[1], shape, None if array[3] is None else _fill(array[3]))
    if text in ("null", "nullptr", "NULL", "None"):
        return None
    return _number(text)


def _fill(text: str) -> float:
    value = _number(text)
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{short(text)} is larger than any number that an array holds") from None


def _whole(text: str) -> int:
    value = _number(text)
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{short(text)} is {short(value)}, expected a whole number from 0, below 2**63")
    return value


def _number(text: str) -> int | float:
    """A number, or a sum of numbers as C means it: 4 * 256, (1000 + 255) / 256, 1e-5f."""
    plain = re.sub(r"\b(?!0[xX])(\d*\.?\d*(?:[eE][+-]?\d+)?)[fFuUlL]+\b", r"\1", text)
    try:
        return _value(ast.parse(plain, mode="eval").body)
    except (SyntaxError, TypeError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError) as error:
        name = text if len(text) < 30 else "y"
        raise ValueError(f"{short(text)} is not a number; an array has a shape: {name}[1000]") from error


def _value(node: ast.AST) -> int | float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if not isinstance(node, ast.BinOp):
        raise TypeError
    a, b = _value(node.left), _value(node.right)
    whole = isinstance(a, int) and isinstance(b, int)
    match node.op:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
        case ast.Div():
            return _truncated(a, b) if whole else a / b
        case ast.Mod():
            return math.fmod(a, b) if not whole else a - b * _truncated(a, b)
    raise TypeError


def _truncated(a: int, b: int) -> int:
    """a / b as C divides whole numbers: towards zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
