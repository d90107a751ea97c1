"""A library with a traced kernel, loaded: launches it, and reads what the library has noted (check.h, profile.cpp)."""

import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..library import open_library
from .findings import Facts, Place, Rounds
from .library_file import FileVariable, LibraryFile

CHECK, PROFILE = 1, 2
NAMED_SITE = 0x80000000
NO_PLACE: Place = ("", 0)
KEPT = 8  # requests of a line whose addresses are kept
SPOILED = ("crash", "stack overflow", "endless loop")  # after these the process is not used again


@dataclass(frozen=True)
class SiteCount:
    """What one instruction did to one array: the numbers behind a ProfileLine."""

    place: Place
    caller: Place
    buffer: int
    act: int
    size: int
    requests: int
    lanes: int
    moved: int
    ideal: int
    most: int
    kept: list[tuple[int, np.ndarray]]  # lanes that took part, their addresses


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("start", ctypes.c_void_p),
        ("bytes", ctypes.c_size_t),
        ("element", ctypes.c_size_t),
        ("read_only", ctypes.c_int),
        ("output", ctypes.c_int),
        ("set", ctypes.c_void_p),
    ]


class _Finding(ctypes.Structure):  # check.h
    _fields_ = [
        ("kind", ctypes.c_char_p),
        ("text", ctypes.c_char_p),
        ("count", ctypes.c_ulonglong),
        ("offset", ctypes.c_longlong),
        *((name, ctypes.c_uint) for name in ("size", "site", "earlier_site", "block", "thread", "earlier_block")),
        ("earlier_thread", ctypes.c_uint),
        *((name, ctypes.c_int) for name in ("buffer", "act", "earlier_act", "after")),
    ]


class _Site(ctypes.Structure):  # profile.cpp
    _fields_ = [
        *((name, ctypes.c_ulonglong) for name in ("site", "requests", "lanes", "moved", "ideal")),
        *((name, ctypes.c_uint) for name in ("most", "size")),
        *((name, ctypes.c_int) for name in ("buffer", "act")),
        ("kept", ctypes.c_uint),
        ("kept_lanes", ctypes.c_uint * KEPT),
        ("kept_at", (ctypes.c_longlong * 32) * KEPT),
    ]


class TracedLibrary:
    """The functions of a library that was built in mode "trace"."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: frozenset[str] = frozenset()  # the reader's own
        self.one_call: frozenset[Place] = frozenset()  # the lines of kernels that only call another function
        self.library = open_library(path)
        self._variables: list[tuple[FileVariable, np.ndarray, np.ndarray]] | None = None
        self.library.emulator_place.restype = ctypes.c_char_p
        for function in ("findings", "sites", "dynamic_offset"):
            getattr(self.library, f"emulator_{function}").restype = ctypes.c_size_t

    @staticmethod
    @functools.cache
    def load(path: Path) -> "TracedLibrary":
        return TracedLibrary(path)

    @functools.cached_property
    def file(self) -> LibraryFile:
        return LibraryFile(self.path)

    @property
    def base(self) -> int:
        """The address at which the library lies."""
        here = ctypes.cast(self.library.emulator_message, ctypes.c_void_p).value
        return here - self.file.address_of("emulator_message")

    def variables(self, names: frozenset[str]) -> list[tuple[FileVariable, np.ndarray, np.ndarray]]:
        """The variables of the file: each with its memory, and what that held at first."""
        if self._variables is None:
            self._variables = []
            for variable in self.file.variables(names):
                bytes_there = (ctypes.c_ubyte * variable.size).from_address(self.base + variable.address)
                memory = np.frombuffer(bytes_there, np.uint8)
                self._variables.append((variable, memory, memory.copy()))
        return self._variables

    @functools.cached_property
    def _line_numbers(self) -> list[tuple[int, int]]:
        """Where each line's code begins, and a number for the line."""
        numbers: dict[tuple[str, int], int] = {}
        return [(row.address, numbers.setdefault((row.file, row.line), len(numbers))) for row in self.file.rows] or [
            (0, 0)
        ]

    def launch(
        self,
        kernel: int,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        shared: int,
        slots: np.ndarray,
        buffers: list[tuple[int, int, int, bool, bool, int | None]],
        mode: int,
        seconds: int,
        order: int,
    ) -> str | None:
        """Returns what went wrong, or None. slots: a row of bytes for each argument.

        buffers: address, bytes, an element's bytes, read only?, output?, the address of what of it is written
        """
        pointers = slots.ctypes.data + slots.strides[0] * np.arange(len(slots), dtype=np.uint64)
        buffers = (_Buffer * len(buffers))(*buffers)
        self.tell_lines()
        self.library.emulator_trace(mode, buffers, ctypes.c_size_t(len(buffers)), seconds)
        error = self.library.launch(kernel, grid, block, pointers, shared, order)
        self.library.emulator_trace_end(error is None)
        return error

    def tell_lines(self) -> None:
        """Tell the library where each line's code begins, so that it can count by lines, and its shared arrays."""
        self._lines = [np.array(column, np.uint32) for column in zip(*self._line_numbers, strict=True)]
        addresses, lines = self._lines
        guards = (ctypes.c_longlong * len(self.file.guards))(*self.file.guards)
        self.library.emulator_guards(guards, ctypes.c_size_t(len(guards)))
        self.library.emulator_lines(addresses.ctypes, lines.ctypes, ctypes.c_size_t(len(lines)))
        arrays = np.array([(array.offset, array.size) for array in self.file.shared_arrays], np.int64)
        self.library.emulator_shared_arrays(arrays.ctypes, ctypes.c_size_t(len(arrays)))

    def findings(self) -> list[Facts]:
        first = ctypes.c_void_p()
        count = self.library.emulator_findings(ctypes.byref(first))
        found = ctypes.cast(first, ctypes.POINTER(_Finding))
        return [self._facts(found[i]) for i in range(count)]

    def _facts(self, f: _Finding) -> Facts:
        here, earlier = self.place(f.site), self.place(f.earlier_site)
        if f.kind.decode() in SPOILED and here[0] == NO_PLACE:
            here = earlier  # it was in a function of the C library: the kernel's last access says where
        return Facts(
            f.kind.decode(),
            (f.text or b"").decode(errors="replace"),
            f.count,
            f.offset,
            f.size,
            *here,
            *earlier,
            f.block,
            f.thread,
            f.earlier_block,
            f.earlier_thread,
            f.buffer,
            f.act,
            f.earlier_act,
            bool(f.after),
            self._rounds(f) if f.after else None,
        )

    def _rounds(self, f: _Finding) -> Rounds | None:
        """Then a thread, between two barriers, goes from a later place of a function to an earlier one."""
        last, first = f.earlier_site, f.site
        if (last | first) & NAMED_SITE or self.file.function_of(last - 1) != self.file.function_of(first - 1):
            return None
        (inner_last, outer_last), (inner_first, outer_first) = self.place(last), self.place(first)
        if outer_last != outer_first:  # in functions that were inlined: the lines that call them
            inner_last = outer_last if outer_last != NO_PLACE else inner_last
            inner_first = outer_first if outer_first != NO_PLACE else inner_first
        if inner_last[0] != inner_first[0]:
            return None
        back = inner_last[1] > inner_first[1] or (inner_last == inner_first and f.act != f.earlier_act and last > first)
        return Rounds(inner_last[1], inner_first[1]) if back else None

    def place(self, site: int) -> tuple[Place, Place]:
        """Where an instruction stands, and the kernel's line that called the function it stands in, if one did.

        A site is the address to which the instruction's call returns. Lines of the emulator's own headers do not count.
        """
        if site & NAMED_SITE:
            line = ctypes.c_int()
            file = self.library.emulator_place(ctypes.c_uint(site), ctypes.byref(line))
            return ((file or b"").decode(), line.value), NO_PLACE
        places = (
            [place for place in self.file.places_of(site - 1) if place[0] in self.files and place[1]] if site else []
        )
        if len(places) > 1 and places[-1] in self.one_call:
            places.pop()
        if not places:
            return NO_PLACE, NO_PLACE
        return places[0], places[-1] if places[-1] != places[0] else NO_PLACE

    def sites(self) -> list[SiteCount]:
        first = ctypes.c_void_p()
        count = self.library.emulator_sites(ctypes.byref(first))
        sites = ctypes.cast(first, ctypes.POINTER(_Site))
        return [
            SiteCount(
                *self.place(s.site),
                s.buffer,
                s.act,
                s.size,
                s.requests,
                s.lanes,
                s.moved,
                s.ideal,
                s.most,
                [(s.kept_lanes[k], np.array(s.kept_at[k], np.int64)) for k in range(s.kept)],
            )
            for s in (sites[i] for i in range(count))
        ]

    def sectors(self, buffer: int) -> tuple[int, int]:
        read, written = ctypes.c_ulonglong(), ctypes.c_ulonglong()
        self.library.emulator_sectors(buffer, ctypes.byref(read), ctypes.byref(written))
        return read.value, written.value

    def counts(self) -> tuple[int, int]:
        barriers, operations = ctypes.c_ulonglong(), ctypes.c_ulonglong()
        self.library.emulator_counts(ctypes.byref(barriers), ctypes.byref(operations))
        return barriers.value, operations.value

    def dynamic_offset(self) -> int:
        return self.library.emulator_dynamic_offset()
