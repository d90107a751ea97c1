"""DWARF, the debugging information of a library: which line each instruction came from, and by way of which calls.

Only what that takes is read, of the versions 2 to 4 that compilers write with -gdwarf-4.
"""

import struct
from collections.abc import Iterator
from posixpath import join, normpath
from typing import NamedTuple

from .symbols import text_at


class Row(NamedTuple):
    """From this address on the code is that of this line; the line is 0 where the code ends."""

    address: int
    file: str
    line: int


class Call(NamedTuple):
    """The code from start to end is that of a function that was inlined: it was called in this line."""

    start: int
    end: int
    file: str
    line: int


def _number(data: bytes, at: int, signed: bool = False) -> tuple[int, int]:
    """A number in DWARF's LEB128: seven bits a byte, the lowest first."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value - (1 << shift) if signed and byte & 64 else value, at


def line_rows(data: bytes) -> tuple[list[Row], dict[int, list[str]]]:
    """All rows of the line table, and the names of each unit's files by the unit's place in the table."""
    rows, files, unit = [], {}, 0
    while unit + 4 <= len(data):
        length, version = struct.unpack_from("<IH", data, unit)
        if 2 <= version <= 4:
            files[unit] = _unit_rows(data, unit, unit + 4 + length, version, rows)
        unit += 4 + length
    rows.sort(key=lambda row: (row.address, row.line > 0))  # at one address an end comes before a start
    return rows, files


def _unit_rows(data: bytes, unit: int, end: int, version: int, rows: list[Row]) -> list[str]:
    """Run one unit's line program: opcodes that move an address and a line forward and now and then emit a row."""
    (header_length,) = struct.unpack_from("<I", data, unit + 6)
    at = unit + 10
    step, at = data[at], at + (2 if version == 4 else 1)  # version 4 has a count for other machines here
    line_base, line_range, opcode_base = struct.unpack_from("<bBB", data, at + 1)
    operands = data[at + 4 : at + 3 + opcode_base]
    at += 3 + opcode_base
    folders = ["."]  # the first is the one that the compiler was started in
    while data[at]:
        name, at = text_at(data, at)
        folders.append(name)
    at += 1
    files = [""]
    while data[at]:
        name, at = text_at(data, at)
        folder, at = _number(data, at)
        files.append(normpath(join(folders[folder], name)))
        for _ in range(2):  # when it was changed, and its size
            _, at = _number(data, at)

    at = unit + 10 + header_length
    sequence: list[Row] = []
    address, file, line = 0, 1, 1
    while at < end:
        opcode, at = data[at], at + 1
        if opcode >= opcode_base:  # one byte moves both
            address += (opcode - opcode_base) // line_range * step
            line += line_base + (opcode - opcode_base) % line_range
            sequence.append(Row(address, files[file], line))
        elif opcode == 0:  # extended
            size, at = _number(data, at)
            kind, following = data[at], at + size
            if kind == 1:  # the end of a run of code; one that starts at 0 was dropped by the linker
                sequence.append(Row(address, "", 0))
                rows += sequence if sequence[0].address else []
                sequence, address, file, line = [], 0, 1, 1
            elif kind == 2:
                (address,) = struct.unpack_from("<Q", data, at + 1)
            at = following
        elif opcode == 1:
            sequence.append(Row(address, files[file], line))
        elif opcode == 2:
            move, at = _number(data, at)
            address += move * step
        elif opcode == 3:
            move, at = _number(data, at, signed=True)
            line += move
        elif opcode == 4:
            file, at = _number(data, at)
        elif opcode == 8:
            address += (255 - opcode_base) // line_range * step
        elif opcode == 9:
            address, at = address + struct.unpack_from("<H", data, at)[0], at + 2
        else:
            for _ in range(operands[opcode - 1]):
                _, at = _number(data, at)
    return files


# ---- inlined calls: the tree of entries in .debug_info, each laid out as an abbreviation says ----

INLINED, UNIT = 0x1D, 0x11  # kinds of entries
LOW, HIGH, LINES, RANGES, CALL_FILE, CALL_LINE = 0x11, 0x12, 0x10, 0x55, 0x58, 0x59  # attributes
FIXED = {0x01: 8, 0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x0E: 4, 0x10: 4, 0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8,
         0x17: 4, 0x19: 0, 0x20: 8}  # fmt: skip
BLOCKS = {0x03: 2, 0x04: 4, 0x0A: 1}  # bytes of the length that comes first
ADDRESS, STRING, SIGNED, UNSIGNED, REFERENCE, BLOCK, EXPRESSION = 0x01, 0x08, 0x0D, 0x0F, 0x15, 0x09, 0x18


def inlined_calls(info: bytes, abbreviations: bytes, ranges: bytes, files: dict[int, list[str]]) -> list[Call]:
    calls, unit = [], 0
    while unit + 11 <= len(info):
        length, version, place = struct.unpack_from("<IHI", info, unit)
        if 2 <= version <= 4:
            known, base, names = _abbreviations(abbreviations, place), 0, []
            for kind, entry in _entries(info, unit + 11, unit + 4 + length, known):
                if kind == UNIT:
                    base, names = entry.get(LOW, 0), files.get(entry.get(LINES), [])
                elif kind == INLINED and entry.get(CALL_FILE, 0) < len(names):
                    where = names[entry.get(CALL_FILE, 0)], entry.get(CALL_LINE, 0)
                    calls += [Call(start, end, *where) for start, end in _extents(entry, ranges, base)]
        unit += 4 + length
    return calls


def _abbreviations(data: bytes, at: int) -> dict[int, tuple[int, list[tuple[int, int]]]]:
    """Number -> kind of entry, and its attributes with the form of each."""
    known = {}
    while data[at]:
        number, at = _number(data, at)
        kind, at = _number(data, at)
        at += 1  # whether it has children: the tree's shape is of no use here
        attributes = []
        while data[at] or data[at + 1]:
            attribute, at = _number(data, at)
            form, at = _number(data, at)
            attributes.append((attribute, form))
        at += 2
        known[number] = kind, attributes
    return known


def _entries(data: bytes, at: int, end: int, known: dict) -> Iterator[tuple[int, dict[int, int]]]:
    while at < end:
        number, at = _number(data, at)
        if number == 0:  # the end of some entry's children
            continue
        kind, attributes = known[number]
        entry = {}
        for attribute, form in attributes:
            value, at = _value(data, at, form)
            if attribute == HIGH and form != ADDRESS:  # it is counted from the low one
                value += entry[LOW]
            entry[attribute] = value
        yield kind, entry


def _value(data: bytes, at: int, form: int) -> tuple[int, int]:
    """A number, and where the next thing begins; for texts and blocks the number means nothing."""
    if form in FIXED:
        return int.from_bytes(data[at : at + FIXED[form]], "little"), at + FIXED[form]
    if form in BLOCKS:
        return 0, at + BLOCKS[form] + int.from_bytes(data[at : at + BLOCKS[form]], "little")
    if form == STRING:
        return 0, text_at(data, at)[1]
    if form in (BLOCK, EXPRESSION):
        size, at = _number(data, at)
        return 0, at + size
    if form in (SIGNED, UNSIGNED, REFERENCE):
        return _number(data, at, signed=form == SIGNED)
    raise ValueError(f"unknown form {form:#x}")


def _extents(entry: dict[int, int], ranges: bytes, base: int) -> Iterator[tuple[int, int]]:
    if HIGH in entry:
        yield entry[LOW], entry[HIGH]
        return
    at = entry.get(RANGES, len(ranges))
    while at + 16 <= len(ranges):
        start, end = struct.unpack_from("<QQ", ranges, at)
        at += 16
        if start == end == 0:
            return
        if start == (1 << 64) - 1:
            base = end
        else:
            yield base + start, base + end
