"""Two formats byte by byte: protobuf's numbers at the end of a message, and .npy's second header."""

import io
import zipfile

import numpy as np
import pytest

from minivit.weights import read_weights
from minivit.weights.protobuf import Span


def span(content, begin=0, end=None):
    return Span(io.BytesIO(content), begin, len(content) if end is None else end)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**14 - 1, 2**14, 2**63, 2**64 - 1])
def test_a_number_has_seven_bits_a_byte_the_low_ones_first(number):
    content, rest = b"", number
    while True:
        content += bytes([rest % 128 + 128 * (rest >= 128)])
        rest //= 128
        if not rest:
            break
    assert list(span(content).varints()) == [number]
    assert list(span(content + content).varints()) == [number, number]
    assert list(span(b"\x08" + content).fields()) == [(1, number)]


def test_a_number_ends_within_its_message():
    """Though the byte behind it would end it; and after ten bytes at the latest."""
    content = b"\x08\x96\x01"  # field 1 is 150
    assert list(span(content).fields()) == [(1, 150)]
    with pytest.raises(ValueError, match="the number at byte 1 does not end"):
        list(span(content, end=2).fields())
    with pytest.raises(ValueError, match="the number at byte 0 does not end"):
        list(span(b"\x80" * 10 + b"\x01").varints())


def test_a_field_ends_within_its_message():
    for wire, size in ((1, 8), (5, 4)):
        content = bytes([8 | wire]) + bytes(size)
        ((number, inside),) = span(content).fields()
        assert (number, inside.begin, inside.end) == (1, 1, 1 + size)
        with pytest.raises(ValueError, match=rf"field 1 at byte 1 claims {size} bytes, beyond its message's end"):
            list(span(content + b"\0", end=size).fields())
    text = b"\x1a\x03abc"
    ((number, inside),) = span(b"\xff" + text, begin=1).fields()
    assert number == 3 and inside.text() == "abc"
    with pytest.raises(ValueError, match="field 3 at byte 2 claims 3 bytes"):
        list(span(text, end=4).fields())
    assert span(b"a" * 1000).text() == "a" * 1000
    with pytest.raises(ValueError, match="has 1,001 bytes, expected at most 1,000"):
        span(b"a" * 1001).text()


def test_npys_second_header_is_read_too(tmp_path):
    """NumPy writes it where the first is too short, which records with many names are; any array may have it."""
    array, file = np.arange(6, dtype=np.float32).reshape(2, 3), io.BytesIO()
    np.lib.format.write_array(file, array, version=(2, 0))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", file.getvalue())
    (tensor,) = read_weights(tmp_path / "x.npz").values()
    assert tensor.shape == (2, 3)
    np.testing.assert_array_equal(tensor.read(), array)
