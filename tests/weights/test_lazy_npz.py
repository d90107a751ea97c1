"""The .npz reader: arrays are looked at one by one, nothing is unpickled, and no small file fills the memory."""

import io
import re
import tracemalloc
import zipfile

import numpy as np
import pytest

from minivit.files import read_npz
from minivit.weights import read_weights

ARRAYS = {
    "Transformer/encoder_norm/scale": np.arange(6, dtype=np.float32),
    "step": np.array(3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(4, dtype=">f4"),
}


def npy(shape, dtype="<f4", numbers=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": dtype})
    return file.getvalue() + numbers


def write(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def refused(path, message):
    with pytest.raises(ValueError, match=message) as refusal:
        read_weights(path)
    assert f"{path} is not a complete .npz file: " in str(refusal.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_they_were_written(tmp_path, save):
    save(tmp_path / "x.npz", **ARRAYS)
    tensors = read_weights(tmp_path / "x.npz")
    assert tensors.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert tensors[name].shape == array.shape
        np.testing.assert_array_equal(tensors[name].read(), array)
        assert tensors[name].read().dtype.isnative


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x": npy((3,), numbers=b"\0" * 8)}, r"x.npy has 8 bytes, too many or too few for float32 \(3,\)"),
        ({"x": npy((2**62, 4), numbers=b"\0" * 16)}, "x.npy has 16 bytes"),
        ({"x": npy((2,), "|O", b"\0" * 16)}, "x.npy holds pickled Python objects"),
        ({"x": b"not an array"}, "magic string is not correct"),
        ({"x": b"\x93NUMPY\x03\0" + npy((1,))[8:]}, r"version \(3, 0\)"),
    ],
    ids=["short", "overflow", "pickle", "magic", "version"],
)
def test_damaged_members_are_refused(tmp_path, members, message):
    refused(write(tmp_path / "x.npz", **members), message)


def test_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array([{}, None]), allow_pickle=True)
    refused(tmp_path / "x.npz", "pickled Python objects")


def test_a_name_that_comes_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("x.npy", npy((0,)))
        archive.writestr("x.npy", npy((0,)))
    refused(tmp_path / "x.npz", "the name 'x' comes twice")


def test_members_that_are_no_arrays_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("word/document.xml", "many formats are zips")
    refused(tmp_path / "x.npz", "something else than arrays, word/document.xml")


def test_a_zip_bomb_is_refused_without_unpacking_it(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(2**24, np.float32))
    tracemalloc.start()
    try:
        refused(tmp_path / "x.npz", "would unpack to 67,108,992 bytes, more than 100 times its size")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("part", [slice(0), slice(100), slice(-1), slice(200, None)], ids=str)
def test_what_is_wrong_is_said_as_of_a_model_of_ours(tmp_path, part):
    np.savez(tmp_path / "whole.npz", **ARRAYS)
    path = tmp_path / "x.npz"
    path.write_bytes((tmp_path / "whole.npz").read_bytes()[part])
    with pytest.raises(ValueError, match="not a complete") as ours:
        read_npz(path)
    with pytest.raises(ValueError, match=f"^{re.escape(str(ours.value))}$"):
        read_weights(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_truncation_is_refused(tmp_path, save):
    save(tmp_path / "whole.npz", **ARRAYS)
    whole = (tmp_path / "whole.npz").read_bytes()
    for length in range(0, len(whole), 3):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        refused(tmp_path / "cut.npz", "not a complete")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_is_refused_or_changes_no_number(tmp_path, save):
    save(tmp_path / "whole.npz", x=ARRAYS["columns"])
    whole = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "flipped.npz"
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        try:
            arrays = [tensor.read() for tensor in read_weights(path).values()]
        except ValueError as error:
            assert str(path) in str(error)
        else:
            assert [array.tobytes() for array in arrays] == [ARRAYS["columns"].tobytes()]
