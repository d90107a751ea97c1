"""The types of a kernel's parameters, from its mangled name. PTX itself knows only that a parameter has 64 bits.

`void add<float>(float*, float const*, int)` is mangled to `_Z3addIfEvPT_PKS0_i`: its name, its template arguments, the
types. Types seen before are abbreviated to S_, S0_, …, template arguments to T_, T0_, … (The rules are those of
the Itanium C++ ABI, "Mangling"; here are the ones that kernels' parameters need.)
"""

import re
from dataclasses import dataclass, replace

from .parse import Function


@dataclass(frozen=True)
class Type:
    """As emulator::Parameter in kernel.h."""

    kind: str  # as in NumPy's dtypes: f, i, u, b; v: void, or a struct behind a pointer
    size: int  # bytes of one number
    count: int = 1  # 4 in a float4
    pointer: bool = False
    constant: bool = False  # what it points to


BUILTIN = {"v": Type("v", 1), "b": Type("b", 1), "c": Type("i", 1), "a": Type("i", 1), "h": Type("u", 1)}
BUILTIN |= {"s": Type("i", 2), "t": Type("u", 2), "i": Type("i", 4), "j": Type("u", 4), "l": Type("i", 8)}
BUILTIN |= {"m": Type("u", 8), "x": Type("i", 8), "y": Type("u", 8), "f": Type("f", 4), "d": Type("f", 8)}
VECTOR = re.compile(r"(uchar|char|ushort|short|uint|int|ulonglong|longlong|float|double)([1-4])$")
ELEMENT = {"char": "a", "uchar": "h", "short": "s", "ushort": "t", "int": "i", "uint": "j", "longlong": "x"}
ELEMENT |= {"ulonglong": "y", "float": "f", "double": "d"}
KIND = {"f": "f", "s": "i", "u": "i", "b": "i"}  # of PTX's types: it has int as u32, too


class _Strange(Exception):
    """A part of a mangled name that this file does not know."""


def parameter_types(function: Function) -> list[Type]:
    """In the kernel's order. Where the name tells nothing (extern "C"), all 64 bits count as a pointer to anything."""
    try:
        types = _Reader(function.name).parameters()
        if len(types) == len(function.parameters):
            return types
    except (_Strange, IndexError):
        pass
    return [_from_ptx(parameter.type) for parameter in function.parameters]


def _from_ptx(kind: str) -> Type:
    if kind in ("u64", "b64"):
        return replace(BUILTIN["v"], pointer=True)
    return Type(KIND[kind[0]], int(kind[1:]) // 8)


class _Reader:
    def __init__(self, mangled: str):
        if not mangled.startswith("_Z"):
            raise _Strange(mangled)
        self.text, self.place = mangled, 2
        self.seen: list[Type] = []  # S_, S0_, …
        self.arguments: list[Type] = []  # T_, T0_, …

    def parameters(self) -> list[Type]:
        is_template = self._name()
        if is_template:
            self._type()  # the result
        types = []
        while self.place < len(self.text):
            types.append(self._type())
        return [] if types == [BUILTIN["v"]] else types

    def _take(self, text: str) -> bool:
        if self.text.startswith(text, self.place):
            self.place += len(text)
            return True
        return False

    def _name(self) -> bool:
        """The function's name; whether template arguments follow it. The parts before the last can be abbreviated."""
        if not self._take("N"):
            self._word()
            if self.text[self.place : self.place + 1] == "I":
                self.seen.append(BUILTIN["v"])
                self.arguments = self._template_arguments()
                return True
            return False
        is_template = False
        while not self._take("E"):
            if self.text[self.place] == "I":
                self.arguments, is_template = self._template_arguments(), True
            else:
                self._word()
                is_template = False
            if self.text[self.place] != "E":
                self.seen.append(BUILTIN["v"])
        return is_template

    def _word(self) -> str:
        self._take("L")  # static
        found = re.compile(r"(\d+)").match(self.text, self.place)
        if not found:
            raise _Strange(self.text)
        self.place = found.end() + int(found[1])
        return self.text[found.end() : self.place]

    def _template_arguments(self) -> list[Type]:
        self._take("I")
        arguments = []
        while not self._take("E"):
            if self._take("L"):  # a number: L, type, digits, E
                arguments.append(self._type())
                self.place = self.text.index("E", self.place) + 1
            else:
                arguments.append(self._type())
        return arguments

    def _type(self) -> Type:
        letter = self.text[self.place]
        if letter in BUILTIN:
            self.place += 1
            return BUILTIN[letter]
        if self._take("S"):
            return self.seen[self._number()]
        if self._take("T"):
            found = self.arguments[self._number()]
        elif self._take("P"):
            found = self._type()
            found = replace(BUILTIN["v"] if found.pointer else found, pointer=True)
        elif self._take("K"):
            found = replace(self._type(), constant=True)
        elif self._take("V") or self._take("r"):  # volatile, __restrict__
            found = self._type()
        elif letter.isdigit():
            found = self._class()
        else:
            raise _Strange(self.text)
        self.seen.append(found)
        return found

    def _class(self) -> Type:
        vector = VECTOR.match(self._word())
        if self.text[self.place : self.place + 1] == "I":
            self.seen.append(BUILTIN["v"])
            self._template_arguments()
        return replace(BUILTIN[ELEMENT[vector[1]]], count=int(vector[2])) if vector else BUILTIN["v"]

    def _number(self) -> int:
        """ "_" is 0, "0_" is 1, …, in base 36."""
        end = self.text.index("_", self.place)
        digits, self.place = self.text[self.place : end], end + 1
        return int(digits, 36) + 1 if digits else 0
