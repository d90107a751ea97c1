"""What a Mach-O library, the format of macOS, says of itself. Written after Apple's headers, and read from files that
were compiled for macOS elsewhere; none was ever run.

The linker leaves DWARF where it was, and Apple's dsymutil gathers it in a file that build.py puts behind the library.
"""

import struct
from typing import NamedTuple

from .symbols import FUNCTION, OBJECT, THREAD_LOCAL, Symbol, text_at

MAGIC = b"\xcf\xfa\xed\xfe"  # 64 bits, little-endian
_SEGMENT, _SYMTAB = 0x19, 0x02  # kinds of commands
_CODE = 0x80000000  # of a section's flags
_THREAD_DATA, _THREAD_ZEROS, _THREAD_PLACES = 0x11, 0x12, 0x13  # kinds of sections
_INITIAL = "$tlv$init"  # what a thread-local variable starts as; the bare name is that of where to find it


class _Section(NamedTuple):
    name: str
    address: int
    size: int
    content: bytes
    flags: int


def contents(data: bytes) -> tuple[dict[str, bytes], list[Symbol]]:
    """Each section by its name as ELF has it, and the symbols. Raises ValueError for what is no such file."""
    if data[:4] != MAGIC:
        raise ValueError("it is not a 64-bit little-endian Mach-O library")
    sections, symbols, end = _read(data)
    behind = data[end:]
    more = _read(behind)[0] if behind[:4] == MAGIC else []
    named = {section.name.replace("__", ".", 1): section.content for section in [*sections, *more] if section.content}
    return named, symbols


def _read(data: bytes) -> tuple[list[_Section], list[Symbol], int]:
    """The sections, the symbols, and where the library ends in the file."""
    (count,) = struct.unpack_from("<I", data, 16)
    sections, table, at, end = [], None, 32, 0
    for _ in range(count):
        command, size = struct.unpack_from("<II", data, at)
        if command == _SEGMENT:
            place, length, _, _, number = struct.unpack_from("<QQIII", data, at + 40)
            end = max(end, place + length)
            sections += [_section(data, at + 72 + 80 * i) for i in range(number)]
        elif command == _SYMTAB:
            table = struct.unpack_from("<IIII", data, at + 8)
        at += size
    return sections, _symbols(data, table, sections) if table else [], end


def _section(data: bytes, at: int) -> _Section:
    name, _, address, size, place, _, _, _, flags = struct.unpack_from("<16s16sQQIIIII", data, at)
    zeros = flags & 0xFF in (0x01, _THREAD_ZEROS)  # which the file does not hold
    content = b"" if zeros else data[place : place + size]
    return _Section(name.rstrip(b"\0").decode(), address, size, content, flags)


def _symbols(data: bytes, table: tuple[int, int, int, int], sections: list[_Section]) -> list[Symbol]:
    """Those that are defined in a section. None has a size: each is taken to reach to the next one."""
    place, count, names, length = table
    strings = data[names : names + length]
    found = []
    for name, kind, section, _, address in struct.iter_unpack("<IBBHQ", data[place : place + 16 * count]):
        if kind & 0xE0 == 0 and kind & 0x0E == 0x0E:  # no debugging entry, and defined in a section
            found.append((section, address, text_at(strings, name)[0]))
    found.sort()
    threads = [s for s in sections if s.flags & 0xFF in (_THREAD_DATA, _THREAD_ZEROS)]
    first = min((s.address for s in threads), default=0)
    symbols = []
    for (section, address, name), following in zip(found, [*found[1:], (0, 0, "")], strict=True):
        holder = sections[section - 1]
        end = following[1] if following[0] == section else holder.address + holder.size
        plain = name.removeprefix("_")
        if holder in threads:
            symbols.append(Symbol(plain.removesuffix(_INITIAL), THREAD_LOCAL, address - first, end - address))
        elif holder.flags & 0xFF != _THREAD_PLACES:
            symbols.append(Symbol(plain, FUNCTION if holder.flags & _CODE else OBJECT, address, end - address))
    return symbols
