"""The arguments of a launch: checked against the kernel's parameters, and laid out as a GPU would have them.

Arrays are copied between guards, bytes that must not change: a kernel that writes a little beyond an array is caught.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import LaunchError

GUARD = 256  # bytes on either side of an array, and the alignment, which is that of cudaMalloc
FILLING = 0xFF  # beside an input: whoever reads it gets NaN, or -1
FILLING_OF_OUTPUTS = 0xA5  # a NaN that was read beside an input and written beside an output must not look untouched
SLOT = 32  # bytes for each argument: a pointer, a number, at most a double4

_C_NAMES = {
    "f2": "half",
    "f4": "float",
    "f8": "double",
    "b1": "bool",
    "v1": "void",
    "i1": "char",
    "u1": "unsigned char",
} | {
    f"{kind}{size}": sign + name
    for kind, sign in (("i", ""), ("u", "unsigned "))
    for size, name in ((2, "short"), (4, "int"), (8, "long long"))
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: its name, and its type with numbers as NumPy writes them.

    "f4" is float, "f4x4" float4, "f4*" float*, "const i4*" const int*, "v1*" void*.
    """

    name: str
    code: str

    @property
    def pointer(self) -> bool:
        return self.code.endswith("*")

    @property
    def constant(self) -> bool:
        return self.code.startswith("const ")

    @property
    def number(self) -> str:
        """The type of one number: "f4" also for float4."""
        return self.code.removeprefix("const ").removesuffix("*").split("x")[0]

    @property
    def count(self) -> int:
        """How many numbers one has: 4 in a float4."""
        return int(self.code.removesuffix("*").partition("x")[2] or 1)

    def __str__(self) -> str:
        count = str(self.count) if self.count > 1 else ""
        return f"{'const ' * self.constant}{_C_NAMES.get(self.number, 'struct')}{count}{'*' * self.pointer}"


class Arguments:
    """A launch's arguments in memory. `pointers` is what the launch wants; `finish` then brings the results back."""

    def __init__(self, kernel: str, parameters: Sequence[Parameter], values: Sequence):
        if len(values) != len(parameters):
            expected = ", ".join(f"{p} {p.name}" for p in parameters)
            raise TypeError(f"{kernel} takes {len(parameters)} arguments ({expected}), got {len(values)}")
        self.kernel = kernel
        self.slots = np.zeros((len(values) + 1, SLOT), np.uint8)
        arrays = []
        for parameter, value, slot in zip(parameters, values, self.slots, strict=False):
            if not parameter.pointer:
                number = _number(kernel, parameter, value)
                slot[: number.nbytes] = number.view(np.uint8)
            elif value is not None:
                arrays.append((parameter, _array(kernel, parameter, value), slot))
        self.buffers = [Buffer(group) for group in _overlapping(arrays)]
        self.pointers = _address(self.slots) + SLOT * np.arange(len(values) + 1, dtype=np.uint64)

    def finish(self) -> None:
        """Copy what the kernel wrote into the arrays. If it wrote elsewhere, leave them alone and raise LaunchError."""
        for buffer in self.buffers:
            buffer.check(self.kernel)
        for buffer in self.buffers:
            buffer.copy_back()


class Buffer:
    """A guarded copy of an array, or of several that share memory: what is written through one is seen through all."""

    def __init__(self, group: list):
        self.arrays = [(parameter, array) for parameter, array, _ in group]
        starts = [_address(array) for _, array in self.arrays]
        self.bytes = (
            max(start + array.nbytes for start, (_, array) in zip(starts, self.arrays, strict=True)) - starts[0]
        )
        self.memory = np.empty(self.bytes + 3 * GUARD, np.uint8)
        first = GUARD + -(_address(self.memory) + GUARD) % GUARD
        self.before, self.inside, self.behind = np.split(self.memory, [first, first + self.bytes])
        constant = all(parameter.constant for parameter, _ in self.arrays)
        self.filling = FILLING if constant else FILLING_OF_OUTPUTS
        self.before[:] = self.behind[:] = self.filling
        self.address = _address(self.memory) + first
        self.parts = [
            self.inside[start - starts[0] :][: a.nbytes] for start, (_, a) in zip(starts, self.arrays, strict=True)
        ]
        for part, start, (_, array, slot) in zip(self.parts, starts, group, strict=True):
            part[:] = _bytes(array)
            slot[:8].view(np.uint64)[0] = self.address + start - starts[0]

    def check(self, kernel: str) -> None:
        names = " and ".join(parameter.name for parameter, _ in self.arrays)
        size = f"its {self.bytes} bytes"
        for guard, where in ((self.before, "before the start"), (self.behind, "behind the end")):
            changed = np.flatnonzero(guard != self.filling)
            if changed.size:
                raise LaunchError(
                    f"{kernel} wrote outside {names}: at least {changed.size} bytes {where} of {size} have changed. "
                    "Does each thread compare its index with the size? kernel.check(...) tells which line it was."
                )
        if all(parameter.constant for parameter, _ in self.arrays):
            for part, (parameter, array) in zip(self.parts, self.arrays, strict=True):
                if not np.array_equal(part, _bytes(array)):
                    raise LaunchError(f"{kernel} wrote to its input {parameter.name}, which is {parameter}")

    def copy_back(self) -> None:
        for part, (parameter, array) in zip(self.parts, self.arrays, strict=True):
            if not parameter.constant:
                _bytes(array)[:] = part


def _overlapping(arrays: list) -> list[list]:
    """Arrays in groups of those that share memory, each in the order of their addresses."""
    groups, end = [], -1
    for entry in sorted(arrays, key=lambda entry: _address(entry[1])):
        start, nbytes = _address(entry[1]), entry[1].nbytes
        if start < end:
            groups[-1].append(entry)
        else:
            groups.append([entry])
        end = max(end, start + nbytes)
    return groups


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _bytes(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)


def _array(kernel: str, parameter: Parameter, value: object) -> np.ndarray:
    name = parameter.name
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{kernel}: {name} is {_shown(value)}, expected a NumPy array for {parameter} (None: a null pointer)"
        )
    if parameter.number[0] not in "v?" and value.dtype != np.dtype(parameter.number):
        wanted = np.dtype(parameter.number)
        raise TypeError(
            f"{kernel}: {name} is an array of {value.dtype}, expected {wanted} for {parameter}: "
            f"pass {name}.astype(np.{wanted})"
        )
    if value.dtype.hasobject:
        raise TypeError(f"{kernel}: {name} holds Python objects, expected numbers")
    if not value.flags.c_contiguous:
        raise ValueError(f"{kernel}: {name} is not contiguous in memory: pass np.ascontiguousarray({name})")
    if not parameter.constant and not value.flags.writeable:
        raise ValueError(
            f"{kernel}: {name} is read-only, and the kernel may write through {parameter}: pass a copy, or make the "
            "parameter const"
        )
    return value


def _number(kernel: str, parameter: Parameter, value: object) -> np.ndarray:
    """The value as an array of the numbers that the parameter has."""
    name, code = parameter.name, parameter.number
    if code.startswith("?"):
        raise TypeError(
            f"{kernel}: {name} is a struct of the kernel's own: only numbers, vectors and pointers can be passed"
        )
    given = list(value) if parameter.count > 1 and isinstance(value, Sequence | np.ndarray) else [value]
    if len(given) != parameter.count:
        raise TypeError(f"{kernel}: {name} is {_shown(value)}, expected {parameter.count} numbers for {parameter}")
    if code == "b1":
        right = all(isinstance(v, bool | np.bool_) for v in given)
    elif code.startswith("f"):
        right = all(isinstance(v, int | float | np.integer | np.floating) for v in given)
    else:
        right = all(isinstance(v, int | np.integer) for v in given)
        for v in given if right else ():
            limits = np.iinfo(code)
            if not limits.min <= v <= limits.max:
                raise ValueError(
                    f"{kernel}: {name} is {v}, expected {limits.min} … {limits.max}, which {parameter} can hold"
                )
    if not right:
        raise TypeError(f"{kernel}: {name} is {_shown(value)}, expected {_wanted(code)} for {parameter}")
    with np.errstate(over="ignore"):
        numbers = np.array(given, np.float64 if code == "f8" else None).astype(code)
    if code == "f4" and not np.isfinite(numbers).all() and np.isfinite(np.array(given, np.float64)).all():
        raise ValueError(f"{kernel}: {name} is {_shown(value)}, which is too large for {parameter}")
    return numbers


def _wanted(code: str) -> str:
    return {"f": "a real number", "b": "True or False"}.get(code[0], "a whole number")


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, int | float | str | np.generic) or value is None else ""
    return f"{text if len(text) < 40 else ''} ({type(value).__name__})".strip()
