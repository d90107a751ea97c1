"""A written file is whole or absent, and a damaged archive is refused by name."""

import io
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minivit import files
from minivit.files import atomic_write, claimed, ordinary, read_npz, remove_leftovers, write_npz

ROOT = Path(files.__file__).parents[1]
ARRAYS = {"blocks.0/attn.qkv.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "name": np.array("ViT-B/16")}


def test_atomic_write_creates_folders_and_leaves_no_temporary_file(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    with atomic_write(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert os.listdir(path.parent) == ["file.bin"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failing_write_leaves_the_old_file(tmp_path, failure):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(failure), atomic_write(path) as file:
        file.write(b"half of the n")
        raise failure
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_a_failing_first_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "file.bin"):
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_a_failing_rename_leaves_no_temporary_file(tmp_path):
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"), atomic_write(tmp_path / "folder") as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == ["folder"]


def test_an_unwritable_folder_is_named_with_a_remedy(tmp_path):
    (tmp_path / "taken").write_bytes(b"")  # a file where a folder is needed: fails for every user, root too
    path = tmp_path / "taken" / "model.npz"
    with pytest.raises(OSError) as caught, atomic_write(path):
        pass
    assert str(path) in str(caught.value)
    assert "choose a path in another" in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_written_file_has_ordinary_permissions(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "atomic"):
        pass
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_round_trip_is_exact_and_its_bytes_are_deterministic(tmp_path, compressed):
    for name in ("one.npz", "two.npz"):
        write_npz(tmp_path / name, ARRAYS, compressed=compressed)
    read = read_npz(tmp_path / "one.npz")
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype and np.array_equal(read[name], array)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_write_npz_takes_the_path_as_it_is(tmp_path):
    write_npz(tmp_path / "model.weights", ARRAYS)  # NumPy alone would append .npz
    assert os.listdir(tmp_path) == ["model.weights"]


def test_write_npz_refuses_objects(tmp_path):
    with pytest.raises(ValueError, match=r"model\.npz.*'state'.*Python objects"):
        write_npz(tmp_path / "model.npz", {"state": np.array([{}, None])})
    assert os.listdir(tmp_path) == []


def test_read_npz_names_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.npz"):
        read_npz(tmp_path / "missing.npz")


def refused(path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_npz(path)
    assert f"{path} is not a complete .npz file: " in str(caught.value)
    return str(caught.value)


def saved(save, *args, **kwargs) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *args, **kwargs)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_read_npz_refuses_every_truncation(tmp_path, compressed):
    write_npz(tmp_path / "whole.npz", ARRAYS, compressed=compressed)
    whole = (tmp_path / "whole.npz").read_bytes()
    for length in range(len(whole)):
        refused(tmp_path / "cut.npz", whole[:length])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_flipped_bit_is_refused_or_changes_no_number(tmp_path, compressed):
    write_npz(tmp_path / "whole.npz", {"x": ARRAYS["blocks.0/attn.qkv.weight"]}, compressed=compressed)
    whole = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "flipped.npz"
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        try:
            arrays = read_npz(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:  # the flip met a part that carries no data, such as a date or a name
            assert [array.tobytes() for array in arrays.values()] == [ARRAYS["blocks.0/attn.qkv.weight"].tobytes()]


def test_read_npz_refuses_what_is_no_archive(tmp_path):
    refused(tmp_path / "text.npz", b"<html>404</html>")
    refused(tmp_path / "single.npz", saved(np.save, np.zeros(3)))
    refused(tmp_path / "pickle.npz", pickle.dumps({"x": 1}))


def test_read_npz_refuses_pickled_objects(tmp_path):
    message = refused(tmp_path / "objects.npz", saved(np.savez, x=np.array([{}, None]), allow_pickle=True))
    assert "Object arrays cannot be loaded" in message


def test_read_npz_refuses_members_that_are_no_arrays(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "not an array")
    assert "readme.txt" in refused(tmp_path / "text_inside.npz", buffer.getvalue())


def test_read_npz_refuses_to_unpack_a_small_file_to_a_huge_array(tmp_path):
    bomb = saved(np.savez_compressed, x=np.zeros(10**7, np.uint8))
    assert len(bomb) < 20_000
    assert "would unpack to 10,000,128 bytes" in refused(tmp_path / "bomb.npz", bomb)


def test_read_npz_reads_zeros_that_compress_well(tmp_path):
    write_npz(tmp_path / "zeros.npz", {"x": np.zeros(10**6, np.uint8)}, compressed=True)
    assert read_npz(tmp_path / "zeros.npz")["x"].shape == (10**6,)


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path):
    path = tmp_path / "checkpoint.npz"
    program = f"""
import os, signal
from minivit import files
from minivit.files import atomic_write
with atomic_write({str(path)!r}) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    subprocess.run([sys.executable, "-c", program], env=environment)
    stranger, other = tmp_path / "checkpoint.npz.mine.tmp", tmp_path / "model.npz.01234567.tmp"
    stranger.write_bytes(b"x")
    other.write_bytes(b"x")
    assert len(list(tmp_path.iterdir())) == 3
    write_npz(path, ARRAYS)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, stranger.name, other.name}


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_a_file_that_is_being_written_is_no_leftover(tmp_path):
    path = tmp_path / "file.bin"
    with atomic_write(path) as file:
        file.write(b"whole")
        file.flush()
        remove_leftovers(path)
        assert len(list(tmp_path.iterdir())) == 1
    assert path.read_bytes() == b"whole"


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_a_folder_is_one_runs_alone(tmp_path):
    with claimed(tmp_path / "a" / "run") as folder:
        assert folder.is_dir()
        with pytest.raises(BlockingIOError, match="another run's, which is at work now"), claimed(folder):
            pass
    with claimed(folder):
        pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
def test_a_full_disk_is_said(tmp_path, monkeypatch):
    """The disk here is Linux's own full one, behind the temporary file's name."""
    real = files.Path.open
    monkeypatch.setattr(files.Path, "open", lambda self, mode: real(files.Path("/dev/full"), "wb"))
    path = tmp_path / "model.npz"
    with pytest.raises(OSError, match=r"cannot write .*model\.npz: the disk is full: it could not be written"):
        write_npz(path, {"a": np.zeros(100_000)})
    assert not path.exists()


def test_an_ordinary_path(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "nothing", "\0"):
        assert ordinary(path) == files.Path(path)
