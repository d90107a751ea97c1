"""What an ELF library, the format of Linux, says of itself: its sections and symbols."""

import struct
from collections.abc import Iterator

from .symbols import Symbol, text_at


def contents(data: bytes) -> tuple[dict[str, bytes], list[Symbol]]:
    """Each section by its name, and the symbols. Raises ValueError for what is no 64-bit little-endian ELF file."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("it is not a 64-bit little-endian ELF library")
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)]
    strings = data[headers[names][4] :]
    sections = {text_at(strings, header[0])[0]: data[header[4] : header[4] + header[5]] for header in headers}
    return sections, list(_symbols(sections))


def _symbols(sections: dict[str, bytes]) -> Iterator[Symbol]:
    if ".symtab" not in sections:
        return
    strings = sections[".strtab"]
    for name, info, _, _, address, size in struct.iter_unpack("<IBBHQQ", sections[".symtab"]):
        yield Symbol(text_at(strings, name)[0], info & 15, address, size)
