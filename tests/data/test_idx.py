"""An IDX file is read exactly, or refused with the file's name, what was found and what was expected."""

import gzip
import re
import struct
import tracemalloc

import numpy as np
import pytest

from minivit.data import read_idx
from minivit.data.idx import CHUNK, TYPES


def idx_bytes(array: np.ndarray) -> bytes:
    """`array` as an IDX file, written independently of the reader."""
    codes = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


GOOD = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("from_file", [False, True], ids=["bytes", "file"])
def test_every_type_is_read_in_native_order(tmp_path, dtype, pack, from_file):
    array = (np.arange(30).reshape(2, 5, 3) * 3 - 40).astype(dtype)
    source = pack(idx_bytes(array))
    if from_file:
        (tmp_path / "x-idx3").write_bytes(source)
        source = tmp_path / "x-idx3"
    result = read_idx(source, ndim=3)
    assert np.array_equal(result, array)
    assert result.dtype == np.dtype(dtype) and result.dtype.isnative and result.flags.writeable


def test_known_bytes():
    # Written out by hand, so that the reader and idx_bytes cannot share a mistake.
    assert read_idx(b"\x00\x00\x08\x01\x00\x00\x00\x02\x05\x00").tolist() == [5, 0]
    assert read_idx(b"\x00\x00\x0b\x01\x00\x00\x00\x01\x01\x02").tolist() == [258]
    assert len(TYPES) == 6


def test_one_dimension_and_empty_arrays():
    assert read_idx(idx_bytes(np.array([7], np.int16))).tolist() == [7]
    assert read_idx(idx_bytes(np.zeros((0, 28, 28), np.uint8)), ndim=3).shape == (0, 28, 28)


def test_more_than_one_chunk_is_read():
    array = np.random.default_rng(0).integers(0, 256, CHUNK + 5, dtype=np.uint8)
    assert np.array_equal(read_idx(gzip.compress(idx_bytes(array), 1)), array)


def header(code: int, *sizes: int) -> bytes:
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, code, len(sizes), *sizes)


MALFORMED = {
    "empty": (b"", "not an IDX file: found first bytes ''"),
    "short magic": (GOOD[:3], "not an IDX file: found first bytes '00 00 08'"),
    "bad magic": (b"PK" + GOOD[2:], "not an IDX file: found first bytes '50 4b 08 03', expected '00 00'"),
    "unknown type": (header(0x0A, 2) + b"ab", "found type code 0x0a, expected one of 0x08, 0x09, 0x0b"),
    "no dimension": (header(0x08) + b"a", "found 0 dimensions, expected 1 to 32"),
    "many dimensions": (header(0x08, *[1] * 33) + b"a", "found 33 dimensions, expected 1 to 32"),
    "sizes cut": (GOOD[:13], "truncated: found 9 bytes of sizes, expected 12"),
    "numbers cut": (GOOD[:-1], "truncated: found 23 bytes of numbers, expected 24 for shape (2, 3, 4)"),
    "no numbers": (GOOD[:16], "truncated: found 0 bytes of numbers, expected 24"),
    "trailing byte": (GOOD + b"\0", "found trailing bytes, expected the end after 24 bytes"),
    "claims 281 TB": (header(0x08, 65535, 65535, 65535) + b"abc", "truncated: found 3 bytes of numbers, expected 2814"),
    "overflow": (header(0x0E, *[2**32 - 1] * 3) + b"abc", "expected one that fits the memory"),
    "overflow but empty": (header(0x08, 0, *[2**32 - 1] * 3), "expected one that fits the memory"),
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_malformed_files_are_refused_by_name(tmp_path, case, pack):
    content, message = MALFORMED[case]
    path = tmp_path / "bad-idx3-ubyte"
    path.write_bytes(pack(content))
    with pytest.raises(ValueError, match=re.escape(f"{path}: ") + ".*" + re.escape(message)):
        read_idx(path)
    with pytest.raises(ValueError, match=re.escape("IDX bytes: ") + ".*" + re.escape(message)):
        read_idx(pack(content))


@pytest.mark.parametrize("ndim", [1, 2, 4])
def test_another_number_of_dimensions_than_the_caller_expects(ndim):
    with pytest.raises(ValueError, match=f"found 3 dimensions, expected {ndim}"):
        read_idx(GOOD, ndim=ndim)


def test_damaged_gzip_is_refused():
    packed = gzip.compress(GOOD)
    for length in range(2, len(packed)):
        with pytest.raises(ValueError, match="IDX bytes: "):
            read_idx(packed[:length])
    for position in (12, len(packed) - 6):  # within the compressed numbers; within their checksum
        with pytest.raises(ValueError, match="IDX bytes: "):
            read_idx(packed[:position] + bytes([packed[position] ^ 0xFF]) + packed[position + 1 :])
    with pytest.raises(ValueError, match="IDX bytes: "):
        read_idx(packed + b"garbage")


def test_memory_is_bounded_by_the_file_and_by_the_header():
    bomb = gzip.compress(header(0x08, 10) + bytes(64 << 20), 1)
    liar = header(0x08, 65535, 65535) + b"abc"
    for content, message in ((bomb, "trailing"), (liar, "truncated")):
        tracemalloc.start()
        with pytest.raises(ValueError, match=message):
            read_idx(content)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        tracemalloc.stop()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


def test_a_header_that_claims_more_than_a_packed_file_can_mean():
    """A bomb: 64 MB of zeros in 64 KB. Nothing of it is unpacked."""
    bomb = gzip.compress(struct.pack(">HBBI", 0, 8, 1, 1 << 26) + bytes(1 << 26))
    with pytest.raises(ValueError, match=r"claims 67,108,864 bytes of numbers, and it holds more than 100 times"):
        read_idx(bomb)
