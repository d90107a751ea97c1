"""The ONNX reader: a Dinov2's weights get their names back, and lengths that lie lead nowhere."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from onnx_files import dinov2_onnx, field, model, node, tensor

from minivit import load_pretrained
from minivit.weights import read_weights

FIXTURES = Path(__file__).parents[1] / "fixtures" / "weights"
ARRAYS = {name: t.read() for name, t in read_weights(FIXTURES / "hf_dinov2" / "model.safetensors").items()}


@pytest.mark.parametrize("size", [(24, 24), (40, 16), ("height", "width")])
def test_the_same_model_from_onnx_and_from_its_folder(tmp_path, size):
    path = tmp_path / "model.onnx"
    path.write_bytes(dinov2_onnx(ARRAYS, size))
    loaded = load_pretrained(path, heads=3)
    expected = load_pretrained(FIXTURES / "hf_dinov2", image_size=size if isinstance(size[0], int) else 24)
    assert loaded.config == expected.config
    for name, array in expected.params.items():
        np.testing.assert_array_equal(loaded.params[name], array, err_msg=name)


def refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refusal:
        read_weights(path)
    assert f"{path} is not a complete ONNX file: " in str(refusal.value)


ZERO = np.zeros(2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has 0 graphs, expected one"),
        (field(7, 3), "it has 1 graphs, expected one"),
        (model() + model(), "it has 2 graphs"),
        (b"\xff" * 11, "the number at byte 0 does not end"),
        (b"\x3a" + b"\xff" * 9 + b"\x7f", "claims .* bytes, beyond its message's end"),  # a graph of 2⁶⁹ bytes
        (model()[:-1] + b"\x08\x3b", "beyond its message's end"),
        (model(tensors=[tensor("a", ZERO), tensor("a", ZERO)]), "the name 'a' comes twice"),
        (model(tensors=[field(1, 3) + tensor("a", ZERO)]), r"a has 8 bytes, too many or too few for float32 \[3, 2\]"),
        (model(tensors=[field(1, 2**62) + tensor("a", ZERO)]), "a has 8 bytes"),
        (model(tensors=[tensor("a", ZERO) + field(13, "a")]), "a lies in another file"),
        (model(tensors=[field(8, 5)]), "a field holds the number 5"),
        (model(tensors=[tensor("a" * 1001, ZERO)]), "has 1,001 bytes, expected at most 1,000"),
        (model(nodes=[node("MatMul", b"\xff", "a")]), "codec can't decode"),
        (model(nodes=[b"\x0b"]), "has wire type 3"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, message):
    refused(tmp_path / "x.onnx", content, message)


def test_a_file_of_empty_nodes_does_not_fill_the_memory(tmp_path):
    content = model(nodes=[b""] * 10**6)
    tracemalloc.start()
    try:
        refused(tmp_path / "x.onnx", content, "more than 100,000 nodes and tensors")
        assert tracemalloc.get_traced_memory()[1] < 10**8
    finally:
        tracemalloc.stop()


def test_truncated_files_are_refused(tmp_path):
    whole = dinov2_onnx(ARRAYS, (24, 24))
    for length in range(0, len(whole), 997):
        refused(tmp_path / "x.onnx", whole[:length], "beyond its message's end|0 graphs|does not end")


def test_flipped_bits_are_refused_or_read(tmp_path):
    """A flip may change a number, which no checksum guards; whatever else it does is a ValueError."""
    whole, path = dinov2_onnx(ARRAYS, (24, 24)), tmp_path / "x.onnx"
    for position in np.random.default_rng(0).integers(0, len(whole), 300):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 36]) + whole[position + 1 :])
        try:
            load_pretrained(path, heads=3)
        except ValueError as error:
            assert str(path) in str(error)
