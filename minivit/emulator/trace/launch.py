"""A launch in a process of its own, every access traced. check.py and profile.py report what comes back."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..arguments import Arguments, Parameter
from ..errors import LaunchError
from ..sizes import launch_sizes
from ..source import lines_of_one_call, source_lines
from .findings import Facts, Finding, refuse_without_room
from .process import carry_out
from .words import Words
from .worker import Memory, Reply, Request, Variable

SECONDS = 60
PERHAPS = "perhaps unwritten"


@dataclass(frozen=True)
class TracedKernel:
    """A kernel as data: what a traced launch needs to know of it."""

    name: str
    parameters: tuple[Parameter, ...]
    source: str
    variables: tuple[Variable, ...]  # of the file
    build: Callable[[], tuple[Path, int]]  # compiles it for tracing: the library, and the kernel's number in it


@dataclass(frozen=True)
class Launched:
    """A traced launch: what came back, and what is needed to speak of it."""

    title: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arrays: list[tuple[str, tuple[int, ...], np.dtype]]  # name, shape and dtype of each buffer
    lines: dict[tuple[str, int], str]
    shared: int
    reply: Reply
    program: bool = False  # it is a program's, and not Python's

    def source_line(self, file: str, line: int) -> str:
        return self.lines.get((file, line), "")

    def findings(self) -> list[Finding]:
        """In words; those that say the same of the same lines are one.

        Whether a race's reader finds something already written depends on who ran first: it is no second mistake.
        """
        words = self._words()
        same: dict[tuple, list[Facts]] = {}
        for facts in map(Facts.reading_first, self.reply.facts):
            if facts.kind == PERHAPS:
                continue
            key = facts.kind, facts.place, facts.caller, facts.earlier_place, facts.buffer
            same.setdefault(key, []).append(facts)
        findings = []
        for group in same.values():
            farthest = max(group, key=lambda facts: facts.reach)  # what mends this one mends them all
            within = any(facts.after and not facts.rounds for facts in group)  # one round suffices
            rounds = None if within else next((facts.rounds for facts in group if facts.rounds), None)
            farthest = replace(farthest, rounds=rounds)
            findings.append(replace(words.finding(farthest), count=sum(facts.count for facts in group)))
        raced = {place for finding in findings if finding.kind == "race" for place in finding.places()}
        return [f for f in findings if f.kind != "uninitialised" or not raced & set(f.places())]

    def remarks(self) -> list[Finding]:
        """What was not checked because nobody has said whether an array is an output."""
        words, fixed = self._words(), len(self.arrays) - len(self.reply.variables)
        return [words.finding(f) for f in self.reply.facts if f.kind == PERHAPS and f.buffer < fixed]

    def _words(self) -> Words:
        variables = frozenset(range(len(self.arrays) - len(self.reply.variables), len(self.arrays)))
        return Words(
            self.grid, self.block, self.arrays, self.reply.shared_arrays, self.reply.dynamic_offset, self.shared,
            self.source_line, variables, self.program,
        )  # fmt: skip


def launch_traced(
    kernel: TracedKernel,
    grid: int | tuple,
    block: int | tuple,
    args: Sequence,
    shared: int,
    mode: int,
    outputs: Sequence[str] | None = None,
    seconds: int = SECONDS,
    order: int = 0,
) -> Launched:
    """Launch in the other process with every access traced, in mode CHECK or PROFILE."""
    grid, block = launch_sizes(kernel.name, grid, block, shared)
    arguments = Arguments(kernel.name, kernel.parameters, args)
    there = [p.name for p in kernel.parameters]
    outputs = _filled_with_nan(kernel.parameters, args) if outputs is None else outputs
    for name in outputs:
        if name not in [p.name for p in kernel.parameters if p.pointer and not p.constant]:
            raise ValueError(f"{kernel.name} has no output {name!r}; its parameters: {', '.join(there)}")
    memories, arrays = _memories(kernel.parameters, args, arguments, outputs)
    library, number = kernel.build()
    slots, lines = arguments.slots.copy(), source_lines(kernel.source)
    files = frozenset(file for file, _ in lines)
    one_call = lines_of_one_call(kernel.source)
    reply = carry_out(
        Request(
            library, number, grid, block, shared, slots, tuple(memories), kernel.variables, files, one_call, mode,
            seconds, order,
        )
    )  # fmt: skip
    refuse_without_room(reply.facts)
    arrays += [(name, (size // 4,), np.dtype("u4")) for name, size in reply.variables]
    if reply.printed:
        sys.stdout.write(reply.printed)
    if reply.error and not reply.facts:
        raise LaunchError(reply.error)
    return Launched(title_of(kernel.name, grid, block, shared), grid, block, arrays, lines, shared, reply)


def _memories(
    parameters: Sequence[Parameter], args: Sequence, arguments: Arguments, outputs: Sequence[str]
) -> tuple[list[Memory], list[tuple[str, tuple[int, ...], np.dtype]]]:
    """The arrays for the other process, in the order of the parameters, and the name, shape and dtype of each."""
    memories, arrays = [], []
    place = parameters.index
    for buffer in sorted(arguments.buffers, key=lambda buffer: min(place(parameter) for parameter, _ in buffer.arrays)):
        own = sorted((parameter for parameter, _ in buffer.arrays), key=place)
        first = buffer.arrays[0][1]
        memories.append(
            Memory(
                buffer.inside.copy(),
                min(array.itemsize for _, array in buffer.arrays),
                all(parameter.constant for parameter in own),
                all(parameter.name in outputs for parameter in own),
                tuple(_pointers_into(buffer, parameters, args, arguments.slots)),
            )
        )
        alone = len(own) == 1
        name = " and ".join(parameter.name for parameter in own)
        arrays.append((name, first.shape if alone else (buffer.bytes // first.itemsize,), first.dtype))
    return memories, arrays


def _filled_with_nan(parameters: Sequence[Parameter], args: Sequence) -> list[str]:
    return [
        parameter.name
        for parameter, array in zip(parameters, args, strict=True)
        if isinstance(array, np.ndarray)
        and not parameter.constant
        and array.dtype.kind == "f"
        and array.size
        and np.isnan(array).all()
    ]


def _pointers_into(buffer, parameters, args, slots):
    """The arguments that point into a buffer, and how far from its start."""
    for number, (parameter, value) in enumerate(zip(parameters, args, strict=True)):
        if parameter.pointer and value is not None:
            offset = int(slots[number, :8].view(np.uint64)[0]) - buffer.address
            if 0 <= offset < max(buffer.bytes, 1):
                yield number, offset


def title_of(name: str, grid: tuple[int, int, int], block: tuple[int, int, int], shared: int) -> str:
    """ "add<<<4, (16, 16)>>>": a launch as CUDA writes it."""
    return f"{name}<<<{_extent(grid)}, {_extent(block)}{f', {shared}' if shared else ''}>>>"


def _extent(size: tuple[int, int, int]) -> str:
    x, y, z = size
    return str(x) if y == z == 1 else f"({x}, {y})" if z == 1 else f"({x}, {y}, {z})"
