"""The IDX format, in which MNIST is published: a short header, then the numbers, big-endian, last index fastest.

    offset 0   two zero bytes
    offset 2   the type of a number, one byte (TYPES below)
    offset 3   the number of dimensions n, one byte
    offset 4   n sizes, each an unsigned 32-bit integer
    then       the numbers

Source: the MNIST page of Y. LeCun, C. Cortes and C. Burges, "The IDX file format".
"""

import gzip
import io
import math
import os
import sys
import zlib
from typing import BinaryIO

import numpy as np

from ..files import ordinary

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 32  # what every version of NumPy can hold
CHUNK = 1 << 20
RATIO = 100  # how much gzip may have saved; MNIST's files are a fifth of what they hold


def read_idx(source: str | os.PathLike | bytes, ndim: int | None = None) -> np.ndarray:
    """Read an IDX file, gzipped or plain, from a path or from the bytes themselves, in native byte order.

    `ndim` is the number of dimensions that the caller expects; None takes any.
    Raises ValueError that names the file, what was found and what was expected, unless the file is exactly as long
    as its header says. Memory stays below the smaller of what the header claims and what the file holds; a packed one
    may hold a hundred times its size.
    """
    name = "IDX bytes" if isinstance(source, bytes) else str(source)
    with io.BytesIO(source) if isinstance(source, bytes) else open(ordinary(source), "rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            return _parse(gzip.GzipFile(fileobj=file) if gzipped else file, ndim, RATIO * size + CHUNK)
        except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{name}: {error}") from error


def _parse(stream: BinaryIO, ndim: int | None, most: int) -> np.ndarray:
    dtype, shape = _read_header(stream, ndim)
    expected = math.prod(shape) * dtype.itemsize
    if expected > most and isinstance(stream, gzip.GzipFile):
        raise ValueError(f"its header claims {expected:,} bytes of numbers, more than {RATIO} times the packed file")
    data = _read_at_most(stream, expected + 1)  # one more, to notice a trailing byte without reading them all
    if len(data) < expected:
        raise ValueError(f"truncated: found {len(data)} bytes of numbers, expected {expected} for shape {shape}")
    if len(data) > expected:
        raise ValueError(f"found trailing bytes, expected the end after {expected} bytes for shape {shape}")
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _read_header(stream: BinaryIO, ndim: int | None) -> tuple[np.dtype, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise ValueError(f"not an IDX file: found first bytes '{magic.hex(' ')}', expected '00 00', type, dimensions")
    code, dimensions = magic[2], magic[3]
    if code not in TYPES:
        raise ValueError(f"found type code 0x{code:02x}, expected one of {', '.join(f'0x{c:02x}' for c in TYPES)}")
    if not 1 <= dimensions <= MAX_DIMENSIONS or dimensions != (ndim or dimensions):
        raise ValueError(f"found {dimensions} dimensions, expected {ndim or f'1 to {MAX_DIMENSIONS}'}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(f"truncated: found {len(sizes)} bytes of sizes, expected {4 * dimensions}")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(TYPES[code])
    # Zeros are left out because NumPy, too, refuses an empty array whose other sizes overflow.
    if math.prod(size for size in shape if size) * dtype.itemsize > sys.maxsize:
        raise ValueError(f"found shape {shape}, expected one that fits the memory of a computer")
    return dtype, shape


def _read_at_most(stream: BinaryIO, limit: int) -> bytearray:
    """Up to `limit` bytes, piece by piece: `stream.read(limit)` would allocate all that a header claims."""
    data = bytearray()
    while piece := stream.read(min(CHUNK, limit - len(data))):
        data += piece
    return data
