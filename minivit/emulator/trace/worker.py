"""The process in which kernels are checked and profiled: what a wrong kernel ruins is this process, not the reader's.

It reads requests from its standard input and answers on its standard output, until there are no more.
"""

import contextlib
import io
import mmap
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .findings import Facts, Place
from .library_file import SharedArray
from .traced import PROFILE, SPOILED, SiteCount, TracedLibrary

GAP = 16 << 20  # bytes of nothing between two arrays: an index that is far too large still hits none of the others
ALIGNMENT = 256  # as cudaMalloc gives


@dataclass(frozen=True)
class Memory:
    """An array argument, or several that share memory: its bytes, and which arguments point where into it."""

    content: np.ndarray
    element: int  # bytes
    read_only: bool
    output: bool
    pointers: tuple[tuple[int, int], ...]  # argument's number, bytes from the start


@dataclass(frozen=True)
class Variable:
    """A variable of the file: `content`, if it was set from here."""

    name: str
    constant: bool
    initialised: bool
    content: bytes | None


@dataclass(frozen=True)
class Request:
    """A launch to be carried out. `slots` has a row for each argument: a number's bytes, or room for a pointer."""

    library: Path
    kernel: int
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    slots: np.ndarray
    memories: tuple[Memory, ...]
    variables: tuple[Variable, ...]
    files: frozenset[str]  # the reader's own: lines of others are not shown
    one_call: frozenset[Place]  # nor are these, which only say what the kernel is called
    mode: int
    seconds: int
    order: int


@dataclass(frozen=True)
class Reply:
    error: str | None  # why the launch did not come to its end
    facts: list[Facts]
    sites: list[SiteCount]
    sectors: list[tuple[int, int]]  # of each memory and variable, distinct: read, written
    variables: list[tuple[str, int]]  # name and bytes of those of the file, which are counted after the memories
    barriers: int
    warp_operations: int
    shared_arrays: list[SharedArray]
    dynamic_offset: int
    printed: str
    spoiled: bool  # this process must not be used again


def main() -> None:
    """Answer requests until the other process closes its end."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever writes to the standard output must not get between the replies
    while True:
        try:
            request = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(carry_out(request), replies)
        replies.flush()


def carry_out(request: Request) -> Reply:
    """Launch, and collect what the traced library has noted."""
    library = TracedLibrary.load(request.library)
    room, addresses = _lay_out(request.memories)
    buffers = []
    for address, memory in zip(addresses, request.memories, strict=True):
        buffers.append((address, memory.content.nbytes, memory.element, memory.read_only, memory.output, None))
        for argument, offset in memory.pointers:
            request.slots[argument, :8].view(np.uint64)[0] = address + offset
    variables, more, _kept = _variables(library, request.variables)
    buffers += more
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        error = library.launch(
            request.kernel,
            request.grid,
            request.block,
            request.shared,
            request.slots,
            buffers,
            request.mode,
            request.seconds,
            request.order,
        )
    room.close()
    library.files, library.one_call = request.files, request.one_call
    facts, profiled = library.findings(), request.mode == PROFILE
    barriers, warp_operations = library.counts()
    return Reply(
        error=error,
        facts=facts,
        sites=library.sites() if profiled else [],
        sectors=[library.sectors(i) for i in range(len(buffers))] if profiled else [],
        variables=variables,
        barriers=barriers,
        warp_operations=warp_operations,
        shared_arrays=library.file.shared_arrays,
        dynamic_offset=library.dynamic_offset(),
        printed=printed.getvalue(),
        spoiled=any(fact.kind in SPOILED for fact in facts),
    )


def _variables(library: TracedLibrary, known: tuple[Variable, ...]) -> tuple[list, list, list]:
    """Set the file's variables as they are to be before the launch: their names and bytes, their buffers, and what
    must live as long as the launch."""
    named, buffers, kept = [], [], []
    by_name = {variable.name: variable for variable in known}
    for found, memory, start in library.variables(frozenset(by_name)):
        told = by_name.get(found.name)
        memory[:] = np.frombuffer(told.content, np.uint8)[: found.size] if told and told.content is not None else start
        unset = told is not None and told.constant and not told.initialised and told.content is None
        written = np.zeros(found.size // 4 + 1, np.uint8)
        kept.append(written)
        constant = bool(told and told.constant)
        buffers.append((memory.ctypes.data, found.size, 4, constant, unset, written.ctypes.data if unset else None))
        named.append((found.name, found.size))
    return named, buffers, kept


def _lay_out(memories: tuple[Memory, ...]) -> tuple[mmap.mmap, list[int]]:
    """Copies of the arrays, far from one another, and their addresses."""
    starts, end = [], GAP
    for memory in memories:
        starts.append(end)
        end += -(-memory.content.nbytes // ALIGNMENT) * ALIGNMENT + GAP
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    room = mmap.mmap(-1, end, flags=flags)
    for start, memory in zip(starts, memories, strict=True):
        room[start : start + memory.content.nbytes] = memory.content.tobytes()
    view = np.frombuffer(room, np.uint8)
    base = view.ctypes.data
    del view  # else the room could not be given back
    return room, [base + start for start in starts]
