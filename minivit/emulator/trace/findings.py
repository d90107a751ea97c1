"""What the checker finds: first as facts, numbers from the traced library; then in words (words.py) as findings."""

from dataclasses import dataclass, replace

from ..errors import EmulatorError

READ, WRITE, ATOMIC = 0, 1, 2
SHARED, NOWHERE = -1, -2  # instead of a buffer's number
NOBODY = 0xFFFFFFFF  # instead of a block's or a thread's

Three = tuple[int, int, int]
Place = tuple[str, int]  # file and line; ("", 0) is nowhere


@dataclass(frozen=True)
class Finding:
    """One mistake. `kind` names it in a word or two; `line` of `file` shows it; block and thread are an example.

    A race has two sides. Which of them ran first is chance; here the one that reads is first, the other is other_….
    """

    kind: str
    message: str
    mend: str = ""  # what would mend it
    file: str = ""
    line: int = 0
    source: str = ""  # the text of that line
    called_in: Place = ("", 0)  # the kernel's own line, if the mistake shows in a function that it calls
    called_source: str = ""
    block: Three | None = None
    thread: Three | None = None
    array: str = ""
    other_file: str = ""
    other_line: int = 0
    other_source: str = ""
    other_block: Three | None = None
    other_thread: Three | None = None
    count: int = 1

    def places(self) -> list[tuple[str, int, str]]:
        """File, line and array of either side."""
        return [(self.file, self.line, self.array), (self.other_file, self.other_line, self.array)]

    def __str__(self) -> str:
        caller = f", called in {self.called_in[0]}:{self.called_in[1]}" if self.called_in[0] else ""
        where = f"{self.file}:{self.line}{caller}: " if self.file else ""
        lines = [f"{where}{self.kind}: {self.message}"]
        shown = {
            self.called_in: self.called_source,
            (self.file, self.line): self.source,
            (self.other_file, self.other_line): self.other_source,
        }
        lines += [f"    {line:>4} | {source.strip()}" for (_, line), source in sorted(shown.items()) if source]
        if self.count > 1 and self.kind != "unwritten":
            lines.append(f"    seen {self.count:,} times")
        if self.mend:
            lines.append(f"    {self.mend}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Rounds:
    """Of a race between two rounds of a loop: the line that comes last in the loop, and the one that comes first."""

    last: int
    first: int


@dataclass(frozen=True)
class Facts:
    """One mistake as the library tells it (check.h)."""

    kind: str
    text: str
    count: int
    offset: int  # bytes from the array's start; for SHARED from the start of all shared memory
    size: int
    place: Place
    caller: Place  # of the function that holds the place, where that was inlined into the kernel
    earlier_place: Place
    earlier_caller: Place
    block: int
    thread: int
    earlier_block: int
    earlier_thread: int
    buffer: int
    act: int
    earlier_act: int
    after: bool = False  # of a race: it is known that a thread comes to the earlier place first
    rounds: Rounds | None = None

    @property
    def reach(self) -> int:
        """How far apart a race's sides are: 0 in one warp, 1 in one block, 2 in two blocks."""
        if self.block != self.earlier_block:
            return 2
        return int(self.thread // 32 != self.earlier_thread // 32)

    def reading_first(self) -> "Facts":
        """A race with its sides in an order that does not depend on which of them ran first."""
        if self.kind != "race" or (self.act, *self.place) <= (self.earlier_act, *self.earlier_place):
            return self
        return replace(
            self,
            place=self.earlier_place,
            caller=self.earlier_caller,
            block=self.earlier_block,
            thread=self.earlier_thread,
            act=self.earlier_act,
            earlier_place=self.place,
            earlier_caller=self.caller,
            earlier_block=self.block,
            earlier_thread=self.thread,
            earlier_act=self.act,
        )


def refuse_without_room(facts: list[Facts]) -> None:
    """Raise EmulatorError where a launch could not be checked for want of memory: that is no mistake of the kernel."""
    if any(fact.kind == "no room" for fact in facts):
        raise EmulatorError(
            "the checker notes who touched what, in some 25 times the memory of the arrays, and for that there is no "
            "room: give a program more (--memory, or memory=), or check a smaller size"
        )


def index_of(number: int, size: Three) -> Three:
    """(x, y, z) of a thread in its block, or of a block in its grid."""
    x, y, _ = size
    return number % x, number // x % y, number // (x * y)
