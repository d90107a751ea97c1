"""A symbol of a built library, whichever the format of its file."""

from typing import NamedTuple

OBJECT, FUNCTION, THREAD_LOCAL = 1, 2, 6  # kinds, as ELF numbers them; the last is our shared memory


class Symbol(NamedTuple):
    name: str
    kind: int
    address: int  # bytes from the library's start; of what is thread-local, from the start of each thread's copy
    size: int


def text_at(data: bytes, start: int) -> tuple[str, int]:
    """The zero-ended string at `start`, and where the next thing begins."""
    end = data.index(0, start)
    return data[start:end].decode(errors="replace"), end + 1
