"""The process in which a program runs (program.py): it tells of each launch as soon as that is over."""

import ctypes
import os
import pickle
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..library import open_library
from .findings import Place
from .traced import PROFILE, TracedLibrary
from .worker import Reply, Variable

Three = tuple[int, int, int]
_LAUNCHED = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint), ctypes.c_uint, ctypes.c_int, ctypes.c_char_p
)
_OVER = ctypes.CFUNCTYPE(None)


@dataclass(frozen=True)
class Given:
    """An array for a function of the host: in which argument, its name, and whether it starts as nothing."""

    argument: int
    name: str
    content: np.ndarray
    output: bool


@dataclass(frozen=True)
class Call:
    """A function of the host to call, instead of main(). slots: a row of bytes for each argument."""

    slots: np.ndarray
    given: tuple[Given, ...]
    home: int  # of the arrays, as host.cpp numbers them


@dataclass(frozen=True)
class Returned:
    """The function has returned: what the arrays hold now, and why it failed."""

    arrays: tuple[bytes | None, ...]  # None: the function has freed it
    error: str | None


@dataclass(frozen=True)
class ProgramRequest:
    """A program to run. arguments: main's, its name first."""

    library: Path
    arguments: tuple[str, ...]
    mode: int  # 0: run, without looking at each access
    seconds: int
    memory: int
    order: int
    variables: tuple[Variable, ...]
    files: frozenset[str]
    one_call: frozenset[Place]
    call: Call | None = None


@dataclass(frozen=True)
class Launch:
    """A launch that is over. memories: name, bytes, kind and bytes of an element."""

    name: str
    grid: Three
    block: Three
    shared: int
    memories: list[tuple[str, int, str, int]]
    reply: Reply


@dataclass(frozen=True)
class Told:
    """What was found in the host's code."""

    kind: str
    text: str
    file: str
    line: int
    remark: bool


@dataclass(frozen=True)
class Over:
    """The program has come to its end."""

    told: list[Told]


class _Told(ctypes.Structure):  # host.cpp
    _fields_ = [
        *((name, ctypes.c_char_p) for name in ("kind", "text", "file")),
        ("line", ctypes.c_int),
        ("remark", ctypes.c_int),
    ]


class _Variable(ctypes.Structure):  # host.cpp
    _fields_ = [("start", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("read_only", ctypes.c_size_t)]


def main() -> None:
    """Read the request, run it, and end with the program's exit status. Standard input and output are the program's."""
    with os.fdopen(int(sys.argv[2]), "rb") as file:
        request: ProgramRequest = pickle.load(file)
    # The emulator reserves address space that it hardly uses: 256 MB of stacks, and the shadow of what is watched.
    limit = request.memory * (4 if request.mode else 1) + (2 << 30)
    if sys.platform != "darwin":  # which counts otherwise, and does not hold to it
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    status = _Run(request, os.fdopen(int(sys.argv[1]), "wb")).run()
    ctypes.CDLL(None).exit(status)  # which also tells, and writes out what the program has printed


class _Run:
    def __init__(self, request: ProgramRequest, out: object) -> None:
        self.request, self.out, self.over = request, out, False
        self.c = open_library(request.library)
        if request.mode:
            self.library = TracedLibrary.load(request.library)
            self.library.files, self.library.one_call = request.files, request.one_call
        self.variables: list[tuple[str, int]] = []
        self._callbacks = _LAUNCHED(self.launched), _OVER(self.tell_over)

    def run(self) -> int:
        request = self.request
        if request.mode:
            found = self.library.variables(frozenset(variable.name for variable in request.variables))
            constant = {variable.name for variable in request.variables if variable.constant}
            table = (_Variable * len(found))(
                *((memory.ctypes.data, v.size, v.name in constant) for v, memory, _ in found)
            )
            self.variables = [(v.name, v.size) for v, _, _ in found]
            self.c.emulator_program_traced(request.mode, table, ctypes.c_size_t(len(found)))
            self.library.tell_lines()
        launched, over = self._callbacks
        self.c.emulator_program(launched if request.mode else _LAUNCHED(0), over, request.seconds, request.order)
        if request.call:
            self.tell(self.called(request.call))
            return 0
        words = [word.encode() for word in request.arguments]
        return self.c.emulator_main(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None))

    def called(self, call: Call) -> Returned:
        c, memories = self.c, []
        c.emulator_give.restype, c.emulator_call.restype, c.emulator_take.restype = (
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_bool
        )  # fmt: skip
        for given in call.given:
            content, size = given.content.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(given.content.nbytes)
            memories.append(c.emulator_give(content, size, given.name.encode(), call.home, int(given.output)))
            call.slots[given.argument, :8].view(np.uint64)[0] = memories[-1]
        pointers = call.slots.ctypes.data + call.slots.strides[0] * np.arange(len(call.slots), dtype=np.uint64)
        error = c.emulator_call(0, pointers.ctypes.data_as(ctypes.c_void_p))
        arrays = []
        for given, memory in zip(call.given, memories, strict=True):
            content = np.empty_like(given.content)
            size = ctypes.c_size_t(content.nbytes)
            there = c.emulator_take(ctypes.c_void_p(memory), content.ctypes.data_as(ctypes.c_void_p), size)
            arrays.append(content.tobytes() if there else None)
        return Returned(tuple(arrays), error.decode(errors="replace") if error else None)

    def launched(self, name: bytes, sizes: object, shared: int, ok: int, message: bytes) -> None:
        memories = self.memories()
        profiled = self.request.mode == PROFILE
        barriers, operations = self.library.counts()
        count = len(memories) + len(self.variables)
        reply = Reply(
            error=None if ok else message.decode(errors="replace"),
            facts=self.library.findings(),
            sites=self.library.sites() if profiled else [],
            sectors=[self.library.sectors(i) for i in range(count)] if profiled else [],
            variables=self.variables,
            barriers=barriers,
            warp_operations=operations,
            shared_arrays=self.library.file.shared_arrays,
            dynamic_offset=self.library.dynamic_offset(),
            printed="",
            spoiled=False,
        )
        grid, block = tuple(sizes[:3]), tuple(sizes[3:6])
        self.tell(Launch(name.decode(), grid, block, shared, memories, reply))

    def memories(self) -> list[tuple[str, int, str, int]]:
        """Of each piece of device memory its name, bytes, and the kind and bytes of its elements."""
        size, kind, width = ctypes.c_size_t(), ctypes.c_char(), ctypes.c_uint()
        self.c.emulator_memory.restype = ctypes.c_char_p
        found = []
        while name := self.c.emulator_memory(
            ctypes.c_size_t(len(found)), ctypes.byref(size), ctypes.byref(kind), ctypes.byref(width)
        ):
            found.append((name.decode(), size.value, kind.value.decode(), width.value))
        return found

    def tell_over(self) -> None:
        if self.over:
            return
        self.over = True
        first = ctypes.c_void_p()
        self.c.emulator_told.restype = ctypes.c_size_t
        count = self.c.emulator_told(ctypes.byref(first))
        told = ctypes.cast(first, ctypes.POINTER(_Told))
        self.tell(Over([
            Told(t.kind.decode(), t.text.decode(errors="replace"), (t.file or b"").decode(), t.line, bool(t.remark))
            for t in (told[i] for i in range(count))
        ]))  # fmt: skip

    def tell(self, message: Launch | Returned | Over) -> None:
        pickle.dump(message, self.out)
        self.out.flush()
