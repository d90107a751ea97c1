"""The checker's words: what a mistake means, in a sentence, and what would mend it, in another."""

import math
import signal
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .findings import ATOMIC, NOBODY, READ, SHARED, WRITE, Facts, Finding, Three, index_of
from .library_file import SharedArray

DYNAMIC_ROOM = 228 * 1024  # bytes that the dynamic shared memory may take, with the guard behind it (runtime.h)
DOES = ("reads", "writes", "does an atomic on")


@dataclass(frozen=True)
class Words:
    """Makes findings of facts. It knows the launch, so that it can call things by the names that they have there."""

    grid: Three
    block: Three
    arrays: list[tuple[str, tuple[int, ...], np.dtype]]  # name, shape and dtype of each buffer
    shared_arrays: list[SharedArray]
    dynamic_offset: int  # of the dynamic shared memory in all shared memory
    dynamic_bytes: int
    source_line: Callable[[str, int], str]
    variables: frozenset[int] = frozenset()  # those of the arrays that are variables of the file
    program: bool = False  # the launch is a program's, and not Python's

    def finding(self, facts: Facts) -> Finding:
        race = facts.kind == "race"
        file, line = facts.place
        other_file, other_line = facts.earlier_place if race else ("", 0)
        message, mend = _SENTENCES.get(facts.kind, _as_the_runtime_says)(self, facts)
        return Finding(
            kind=facts.kind,
            message=message,
            mend=mend,
            file=file,
            line=line,
            source=self.source_line(file, line),
            called_in=facts.caller,
            called_source=self.source_line(*facts.caller),
            block=None if facts.block == NOBODY else index_of(facts.block, self.grid),
            thread=None if facts.thread == NOBODY else index_of(facts.thread, self.block),
            array=self.array(facts),
            other_file=other_file,
            other_line=other_line,
            other_source=self.source_line(other_file, other_line),
            other_block=None if facts.earlier_block == NOBODY else index_of(facts.earlier_block, self.grid),
            other_thread=None if facts.earlier_thread == NOBODY else index_of(facts.earlier_thread, self.block),
            count=facts.count,
        )

    def who(self, facts: Facts) -> str:
        return f"thread {index_of(facts.thread, self.block)} of block {index_of(facts.block, self.grid)}"

    def does(self, facts: Facts) -> str:
        return f"{self.who(facts)} {DOES[facts.act]}"

    def array(self, facts: Facts) -> str:
        """The name of what was touched."""
        if facts.buffer >= 0:
            return self.arrays[facts.buffer][0]
        if facts.buffer != SHARED:
            return ""
        return self._shared(facts.offset).name

    def place(self, facts: Facts) -> str:
        """The name with an index: x[3], or byte 12 of the shared array tile."""
        if facts.buffer < 0:
            array = self._shared(facts.offset)
            what = array.name if array.name.startswith("the ") else f"the shared array {array.name}"
            return f"byte {facts.offset - array.offset} of {what}"
        name, shape, dtype = self.arrays[facts.buffer]
        index, rest = divmod(facts.offset, dtype.itemsize)
        text = f"{name}[{index}]" + (f", byte {rest} of that element" if rest else "")
        if len(shape) > 1 and index < math.prod(shape):
            text += f" (in its shape: {[int(i) for i in np.unravel_index(index, shape)]})"
        return text

    def repeated(self, file: str, line: int) -> str:
        """What repeats itself there: the kernel's loop; a function may be called again, too."""
        lines = (self.source_line(file, n) for n in range(line, 0, -1))
        head = next((text for text in lines if "__global__" in text or "__device__" in text), "")
        return "round" if "__global__" in head else "round or call"

    def in_fixed(self, offset: int) -> bool:
        """Whether an offset in shared memory belongs to the arrays of fixed size."""
        return not 0 <= offset - self.dynamic_offset <= DYNAMIC_ROOM

    def _shared(self, offset: int) -> SharedArray:
        dynamic = SharedArray("the dynamic shared memory", self.dynamic_offset, self.dynamic_bytes)
        arrays = [a for a in self.shared_arrays if a.offset != self.dynamic_offset] + [dynamic]
        return max((a for a in arrays if a.offset <= offset), key=lambda a: a.offset, default=dynamic)


def _out_of_bounds(words: Words, facts: Facts) -> tuple[str, str]:
    does = f"{words.does(facts)} {facts.size} bytes"
    if facts.buffer == SHARED and words.in_fixed(facts.offset):
        array = words._shared(facts.offset)
        message = (
            f"{does} at byte {facts.offset - array.offset} of the shared array {array.name}, which has {array.size}"
        )
        return message, "Mend the index, or make the array larger."
    if facts.buffer == SHARED:
        message = (
            f"{does} at byte {facts.offset - words.dynamic_offset} of the dynamic shared memory, of which the launch "
            f"asked for {words.dynamic_bytes}"
        )
        how = "<<<grid, block, bytes>>>" if words.program else "shared=..."
        return message, f"Ask for more at the launch ({how}), or mend the index."
    name, shape, dtype = words.arrays[facts.buffer]
    if facts.offset < 0:
        message = f"{does} that begin {-facts.offset} bytes before {name}"
    else:
        message = (
            f"{does} of {name}[{facts.offset // dtype.itemsize}], at byte {facts.offset}, but the {math.prod(shape):,} "
            f"elements of {name} end at byte {math.prod(shape) * dtype.itemsize}"
        )
    return message, "Before the access, test the very index that is used: if (i < n) ..."


def _wild_pointer(words: Words, facts: Facts) -> tuple[str, str]:
    address = facts.offset & (1 << 64) - 1
    message = f"{words.does(facts)} {facts.size} bytes at the address {address:#x}, which belongs to " + (
        "no memory of the device" if words.program else "no array of this launch"
    )
    if address < 65536:
        instead = "hand over memory that cudaMalloc gave" if words.program else "pass an array instead of None"
        return message + ": a null pointer", f"Test the pointer first, or {instead}."
    return message, "Mend the pointer's arithmetic, and compute offsets of large arrays in size_t."


def _read_only(words: Words, facts: Facts) -> tuple[str, str]:
    message = f"{words.does(facts)} {words.place(facts)}, but {words.array(facts)} is "
    if facts.buffer in words.variables:
        return message + "__constant__", "Make it __device__, or write to an output."
    message += "an input: its pointer is const"
    return message, "Write to an output, or take the const away from the parameter."


def _misaligned(words: Words, facts: Facts) -> tuple[str, str]:
    message = (
        f"{words.does(facts)} {facts.size} bytes at once at {words.place(facts)}, an address that is not a multiple "
        f"of {facts.size}"
    )
    return message, f"Let each row begin at a multiple of {facts.size} bytes, or go element by element."


def _uninitialised(words: Words, facts: Facts) -> tuple[str, str]:
    if facts.buffer == SHARED:
        message = f"{words.does(facts)} {words.place(facts)}, which no thread of its block has written"
        return message, "Shared memory starts with anything in it: write it first, be it zeros."
    name = words.array(facts)
    if facts.buffer in words.variables:
        message = f"{words.does(facts)} {words.place(facts)}, and nothing has set it: {name} is __constant__"
        how = f'module.set_symbol("{name}", values), or cudaMemcpyToSymbol'
        return message, f"Set it before the launch: {f'cudaMemcpyToSymbol({name}, ...)' if words.program else how}."
    if words.program:
        message = f"{words.does(facts)} {words.place(facts)}, which neither the host nor any kernel has written"
        return message, "Set it first, by cudaMemcpy, cudaMemset or a kernel."
    message = f"{words.does(facts)} {words.place(facts)} before any thread has written it, and {name} is an output"
    return (
        message,
        f"Write it first; if {name} is to hold something already, it is no output: fill it before the launch.",
    )


def _unwritten(words: Words, facts: Facts) -> tuple[str, str]:
    name, shape, _ = words.arrays[facts.buffer]
    first = f"{facts.count:,} of the {math.prod(shape):,} elements of {name} are never written"
    return (
        f"{first}, to begin with {words.place(facts)}",
        "Start more threads or blocks, or mend the test that leaves them out.",
    )


def _perhaps_unwritten(words: Words, facts: Facts) -> tuple[str, str]:
    name, message = words.array(facts), _unwritten(words, facts)[0]
    return (
        f"{message}. Is that right? Nobody has said that {name} is an output",
        f'outputs=["{name}"], or an array filled with NaN, makes it a mistake.',
    )


def _race(words: Words, facts: Facts) -> tuple[str, str]:
    same_block = facts.block == facts.earlier_block
    other = f"thread {index_of(facts.earlier_thread, words.block)}"
    other += " of the same block" if same_block else f" of block {index_of(facts.earlier_block, words.grid)}"
    if facts.earlier_place != facts.place:
        other += f", in line {facts.earlier_place[1]},"
    message = f"{words.does(facts)} {words.place(facts)}, and {other} {DOES[facts.earlier_act]} it; "
    if not same_block:
        mend = "Use an atomic, give each block a place of its own, or make two launches of it."
        return message + "nothing orders two blocks of a launch", mend
    barrier = "__syncwarp()" if facts.thread // 32 == facts.earlier_thread // 32 else "__syncthreads()"
    if facts.rounds:
        last, first = facts.rounds.last, facts.rounds.first
        message += f"line {last} of one {words.repeated(facts.place[0], first)} and "
        message += "of the next" if last == first else f"line {first} of the next"
        return f"{message}: no {barrier} lies between", f"The barrier belongs after line {last}: put {barrier} there."
    if facts.place == facts.earlier_place and {facts.act, facts.earlier_act} == {READ, WRITE}:
        mend = (
            f"Put {barrier} between them: after the line, if it is one round of a loop against the next; else read "
            f"into a variable first, then {barrier}, then write."
        )
        return f"{message}in the same line, no {barrier} lies between", mend
    if ATOMIC in (facts.act, facts.earlier_act):
        mend = "Make both of them atomics, or put __syncthreads() between them."
        return message + "one of them is no atomic, and no barrier lies between", mend
    if facts.act == facts.earlier_act == WRITE:
        message += "no __syncthreads() lies between"
        mend = (
            "Both write it: does each thread have an element of its own? Else let one thread write, "
            "if (threadIdx.x == 0) ..., or put __syncthreads() between the two."
        )
        return message, mend
    if facts.thread // 32 == facts.earlier_thread // 32:
        message += "no __syncwarp() or __syncthreads() lies between, and lanes run in no fixed order"
        return message, "Put __syncwarp() between them."
    return message + "no __syncthreads() lies between", "Put __syncthreads() between them."


def _barrier_after_return(words: Words, facts: Facts) -> tuple[str, str]:
    message = (
        f"the threads of block {index_of(facts.block, words.grid)} meet here without thread "
        f"{index_of(facts.earlier_thread, words.block)}, which has returned from the kernel"
    )
    return message, "Every thread of a block must come to every __syncthreads(): guard the work, not the barrier."


def _endless_loop(words: Words, facts: Facts) -> tuple[str, str]:
    message = f"{words.who(facts)} was still running when the time was up"
    return (
        message,
        "Mend the loop's end. Who waits for another thread must ask by an atomic; who waits for another block waits "
        "for ever here, where one block runs after the other.",
    )


def _stack_overflow(words: Words, facts: Facts) -> tuple[str, str]:
    message = f"{words.who(facts)} needs more stack than it has"
    return message, "End the recursion, or make the thread's own arrays smaller."


def _crash(words: Words, facts: Facts) -> tuple[str, str]:
    what = signal.strsignal(facts.offset) or f"signal {facts.offset}"
    return f"{words.who(facts)} was stopped by the processor: {what}", "It touched memory that is not its own."


_MENDS = {
    "array index": "Mend the index, or make the array larger.",
    "shift": "Shift a wider number, 1ull << n, or by fewer bits.",
    "integer overflow": "Compute offsets in size_t: (size_t)row * width + column.",
    "division by zero": "Test the divisor first.",
    "divergent barrier": "All threads of a block must come to the same barrier: take it out of the branch.",
    "divergent warp operation": "All lanes of a mask must come to the same operation: take it out of the branch.",
    "shuffle from an absent lane": "Let every lane of the mask take part, and guard what is done with the value.",
    "mask without its caller": "Name in the mask exactly the lanes that come here; 0xffffffff is all of them.",
    "deadlock": "Every thread that a barrier or a mask waits for must come to it: take it out of the branch.",
    "assert": "The kernel itself has tested this.",
    "trap": "The kernel itself has ended the launch.",
}


def _as_the_runtime_says(words: Words, facts: Facts) -> tuple[str, str]:
    text = facts.text.removeprefix(f"{facts.kind}: ").removeprefix(f"{facts.kind}, ")
    return f"{words.who(facts)}: {text}", _MENDS.get(facts.kind, "")


_SENTENCES = {
    "out of bounds": _out_of_bounds,
    "wild pointer": _wild_pointer,
    "read-only": _read_only,
    "misaligned": _misaligned,
    "uninitialised": _uninitialised,
    "unwritten": _unwritten,
    "perhaps unwritten": _perhaps_unwritten,
    "race": _race,
    "barrier after return": _barrier_after_return,
    "endless loop": _endless_loop,
    "stack overflow": _stack_overflow,
    "crash": _crash,
}
