"""What a built library says of its source: the line that each machine instruction came from, and its shared arrays.

Read straight from the file (elf.py, macho.py) and its DWARF line table, so no binutils are needed.
"""

import re
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from . import elf, macho
from .dwarf import inlined_calls, line_rows
from .symbols import FUNCTION, OBJECT, THREAD_LOCAL, Symbol

# C++'s own library, and the emulator's, which has what nobody else sees in a namespace without a name.
_NOT_THE_FILES = re.compile(r"_ZGV|_ZTV|_ZZ?St|_ZZ?NK?(?:St|10__cxxabiv1|9libunwind)|_ZZN12_GLOBAL__N_1")


class SharedArray(NamedTuple):
    name: str
    offset: int  # bytes from the start of the library's shared memory
    size: int


class FileVariable(NamedTuple):
    """A variable of the reader's file: where it lies in the library."""

    name: str
    address: int  # bytes from the library's start
    size: int


class LibraryFile:
    """One built library: places_of(address) and shared_arrays."""

    def __init__(self, path: str | Path) -> None:
        data = Path(path).read_bytes()
        system = macho if data[:4] == macho.MAGIC else elf
        try:
            sections, self.symbols = system.contents(data)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        rows, files = line_rows(sections.get(".debug_line", b""))
        self.rows = [row for row in rows if row.line or not row.file]  # code of no line belongs to the line before it
        info, abbreviations, ranges = (sections.get(f".debug_{name}", b"") for name in ("info", "abbrev", "ranges"))
        self.calls = inlined_calls(info, abbreviations, ranges, files)
        self.shared_arrays = _shared_arrays(self.symbols)
        # g++ asks a byte of its own whether an array of structs has been made; in shared memory none ever is.
        self.guards = [at for name, kind, at, _ in self.symbols if kind == THREAD_LOCAL and name.startswith("_ZGV")]
        self._addresses = [row.address for row in self.rows]

    def variables(self, names: frozenset[str]) -> list[FileVariable]:
        """Those that the file declares by these names, and those that its functions keep (static)."""
        found = {}
        for symbol, kind, address, size in self.symbols:
            if kind != OBJECT or not size or "emulator" in symbol or _NOT_THE_FILES.match(symbol):
                continue
            plain = _plain_name(symbol[:-1] if re.match(r"_ZN\w*E$", symbol) else symbol)
            if plain in names or symbol.startswith("_ZZ"):
                found[address] = FileVariable(plain, address, size)
        return [found[address] for address in sorted(found)]

    def address_of(self, function: str) -> int:
        """Of a function, in bytes from the library's start."""
        return next(address for symbol, kind, address, _ in self.symbols if symbol == function and kind == FUNCTION)

    def function_of(self, address: int) -> str:
        """The function that an instruction belongs to, as the linker calls it; "" if it belongs to none."""
        there = (n for n, kind, start, size in self.symbols if kind == FUNCTION and start <= address < start + size)
        return next(there, "")

    def line_of(self, address: int) -> tuple[str, int]:
        """(file, line) of the instruction at an address counted from the library's start; ("", 0) if there is none."""
        place = bisect_right(self._addresses, address) - 1
        return self.rows[place][1:] if place >= 0 else ("", 0)

    def places_of(self, address: int) -> list[tuple[str, int]]:
        """The line of an instruction, then the line that called the function it is in, and so on as far as inlined."""
        around = [call for call in reversed(self.calls) if call.start <= address < call.end]  # inner ones come later
        around.sort(key=lambda call: call.end - call.start)
        return [self.line_of(address), *((call.file, call.line) for call in around)]


def _shared_arrays(symbols: list[Symbol]) -> list[SharedArray]:
    """`static thread_local` symbols: _ZZ<function>E<length><name>, by offset."""
    arrays = {
        SharedArray(_plain_name(name), offset, size) for name, kind, offset, size in symbols
        if kind == THREAD_LOCAL and size and not name.startswith("_ZGV")
    }  # fmt: skip
    return sorted(arrays, key=lambda array: array.offset)


def _plain_name(symbol: str) -> str:
    """The last name of a mangled symbol: _ZZ3sumPfE4tile is tile."""
    for match in re.finditer(r"(?=(\d+)([A-Za-z_]\w*?)(_\d+)?$)", symbol):
        length, name = int(match[1]), symbol[match.start(2) :]
        if len(name) >= length and (len(name) == length or match[3]):
            name = name[:length]
            return _plain_name(name) if "_ZZ" in name else name  # by way of PTX it is a name within a name
    return symbol
