"""As much of the protobuf wire format as a file of weights needs: numbered fields, read without loading them.

A message is a sequence of (field number · 8 + wire type) and a value. Types 0 (a varint: 7 bits a byte, low ones
first), 1 and 5 (8 and 4 bytes) and 2 (a length, and so many bytes: a text, numbers, or another message).
"""

from collections.abc import Iterator
from typing import BinaryIO

from .tensor import read_exactly

VARINT, LENGTH = 0, 2
FIXED = {1: 8, 5: 4}


class Span:
    """The bytes begin … end of an open file: a message, a text or numbers."""

    def __init__(self, file: BinaryIO, begin: int, end: int) -> None:
        self.file, self.begin, self.end = file, begin, end

    def fields(self) -> Iterator[tuple[int, "int | Span"]]:
        """This span's fields, as a message: (field number, whole number or Span). A Span may be read in between.

        Raises ValueError where a field reaches beyond the span: lengths that lie cannot lead out of the file, nor back.
        """
        position = self.begin
        while position < self.end:
            key, position = self._varint(position)
            number, wire = key >> 3, key & 7
            if wire == VARINT:
                value, position = self._varint(position)
                yield number, value
                continue
            if wire == LENGTH:
                size, position = self._varint(position)
            elif wire in FIXED:
                size = FIXED[wire]
            else:
                raise ValueError(f"byte {position:,} has wire type {wire}, expected 0, 1, 2 or 5")
            if size > self.end - position:
                raise ValueError(f"field {number} at byte {position:,} claims {size:,} bytes, beyond its message's end")
            yield number, Span(self.file, position, position + size)
            position += size

    def text(self) -> str:
        """The span as a text of at most 1,000 bytes."""
        size = self.end - self.begin
        if size > 1000:
            raise ValueError(f"a name at byte {self.begin:,} has {size:,} bytes, expected at most 1,000")
        self.file.seek(self.begin)
        return read_exactly(self.file, size).decode()

    def varints(self) -> Iterator[int]:
        """The span as packed whole numbers."""
        position = self.begin
        while position < self.end:
            value, position = self._varint(position)
            yield value

    def _varint(self, position: int) -> tuple[int, int]:
        """The number at `position`, and the position after it."""
        self.file.seek(position)
        value = 0
        for i, byte in enumerate(self.file.read(min(10, self.end - position))):
            value |= (byte & 127) << 7 * i
            if byte < 128:
                return value, position + i + 1
        raise ValueError(f"the number at byte {position:,} does not end")
