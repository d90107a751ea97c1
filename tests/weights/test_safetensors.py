"""The .safetensors reader: every kind of damage is refused by name, and before anything large is read."""

import json
import tracemalloc

import numpy as np
import pytest

from minivit.weights import read_weights
from minivit.weights.safetensors import HEADER_LIMIT, read_safetensors, write_safetensors

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "ü": np.array(1.5), "none": np.zeros((0, 4), np.float32)}


def write(path, header, numbers=b"\0" * 16, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + numbers)
    return path


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_round_trip(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", ARRAYS, {"format": "pt"})
    tensors = read_weights(tmp_path / "x.safetensors")
    assert {name: (t.shape, t.dtype) for name, t in tensors.items()} == {
        name: (array.shape, array.dtype.name) for name, array in ARRAYS.items()
    }
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(tensors[name].read(), array)
    assert read_safetensors(tmp_path / "x.safetensors")[1] == {"format": "pt"}


def test_half_precision(tmp_path):
    values = np.array([1.5, -2.0, 0.0078125], np.float32)  # which bfloat16 holds exactly
    numbers = values.astype("<f2").tobytes() + (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = {"half": entry([3], 0, 6, "F16"), "brain": entry([3], 6, 12, "BF16")}
    for tensor in read_weights(write(tmp_path / "x.safetensors", header, numbers)).values():
        np.testing.assert_array_equal(tensor.floats(), values)
        assert tensor.floats().dtype == np.float32


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{", "not a complete .safetensors file"),
        (b"[]", "header is a list"),
        (b"[" * 10_000, "not a complete"),
        (b"\xff\xfe{}", "not a complete"),
        (b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "a": 1}', "the name 'a' comes twice"),
        ({"a": 3}, "a is 3, expected dtype, shape and data_offsets"),
        ({"a": entry([4], 0, 16) | {"more": 1}}, "expected dtype, shape and data_offsets"),
        ({"a": entry([4], 0, 16, "F8_E4M3")}, "a has dtype 'F8_E4M3', expected one of F16"),
        ({"a": entry([4], 0, 16, ["F32"])}, "a has dtype"),
        ({"a": entry([5], 0, 16)}, r"a has 16 bytes, too many or too few for F32 \[5\]"),
        ({"a": entry([4], 16, 0)}, "a has -16 bytes"),
        ({"a": entry([-4], 0, -16)}, "expected whole numbers"),
        ({"a": entry([True], 0, 4)}, "expected whole numbers"),
        ({"a": entry([2.0], 0, 8)}, "expected whole numbers"),
        ({"a": entry("4", 0, 16)}, "expected whole numbers"),
        ({"a": entry([4], 0, 16) | {"data_offsets": [0]}}, "expected whole numbers"),
        ({"a": entry([2**62, 4], 0, 16)}, "a has 16 bytes"),  # 2⁶⁴ numbers: 0, were they counted in 64 bits
        ({"a": entry([2**70], 0, 16)}, "expected whole numbers"),
        ({"a": entry([2**40], 0, 2**42)}, "tensors need 4,398,046,511,104 bytes, it has 16"),
        ({"a": entry([2], 0, 8), "b": entry([2], 4, 12), "c": entry([1], 12, 16)}, "b lies at 4 … 12 and overlaps"),
        ({"a": entry([2], 0, 8), "b": entry([1], 12, 16)}, "b lies at 12 … 16 and leaves a gap"),
        ({"a": entry([2], 0, 8)}, "tensors need 8 bytes, it has 16"),
        ({}, "tensors need 0 bytes, it has 16"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path, header, message):
    path = write(tmp_path / "x.safetensors", header)
    with pytest.raises(ValueError, match=message) as refusal:
        read_weights(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("length", [2**63, HEADER_LIMIT + 1, 200, 0])
def test_a_header_that_lies_about_its_length_is_refused_without_reading_it(tmp_path, length):
    path = write(tmp_path / "x.safetensors", {"a": entry([4], 0, 16)}, length=length)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not a complete"):
            read_weights(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_header_of_more_than_sixteen_megabytes_is_not_read_though_it_is_there(tmp_path):
    """Of a file with a hole, which takes no room."""
    with open(tmp_path / "x.safetensors", "wb") as file:
        file.write((2**24 + 1).to_bytes(8, "little"))
        file.truncate(2**25)
    with pytest.raises(ValueError, match=r"claims 16,777,217 bytes, the file has 33,554,432 \(limit 16,777,216\)"):
        read_weights(tmp_path / "x.safetensors")


def test_every_truncation_is_refused(tmp_path):
    write_safetensors(tmp_path / "whole.safetensors", ARRAYS)
    whole = (tmp_path / "whole.safetensors").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.safetensors").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.safetensors is not a complete"):
            read_weights(tmp_path / "cut.safetensors")


def test_a_file_that_shrinks_after_it_was_looked_at(tmp_path):
    path = tmp_path / "x.safetensors"
    write_safetensors(path, ARRAYS)
    tensors = read_weights(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="ends before its tensors do"):
        tensors["a"].read()


def test_damaged_metadata_is_refused(tmp_path):
    path = write(tmp_path / "x.safetensors", {"__metadata__": {"a": 1}, "a": entry([4], 0, 16)})
    with pytest.raises(ValueError, match="expected texts by name"):
        read_safetensors(path)
