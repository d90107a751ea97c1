"""Files are found where they should be, downloaded only when asked to, and used only when they are the published ones.

Tiny sets stand in for the published ones, and a web server on this machine for the mirrors.
"""

import gzip
import hashlib
import http.server
import io
import os
import struct
import threading
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest

from minivit.data import find as find_module
from minivit.data import find_mnist, load_mnist, read_idx
from minivit.data.mnist_files import SOURCES, File, Source, idx_files

RNG = np.random.default_rng(1)
TINY = [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in [(6, 28, 28), (6,), (3, 28, 28), (3,)]]


def as_idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes(), 1)


def as_keras(arrays: list[np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **dict(zip(["x_train", "y_train", "x_test", "y_test"], arrays, strict=True)))
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


CONTENTS = [as_idx(array) for array in TINY]
TINY_FILES = idx_files(*[(len(content), sha256(content), sha256(gzip.decompress(content))) for content in CONTENTS])
NAMES = [file.name for file in TINY_FILES]
KERAS = as_keras(TINY)
KERAS_FILE = File("mnist.npz", len(KERAS), sha256(KERAS))


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(NAMES, CONTENTS, strict=True):
        (folder / name).write_bytes(content)
    return folder


def assert_tiny(data):
    found = [data.train_images[..., 0], data.train_labels, data.test_images[..., 0], data.test_labels]
    assert all(np.array_equal(a, b) for a, b in zip(found, TINY, strict=True))
    assert data.train_images.shape == (6, 28, 28, 1) and data.train_labels.dtype == np.int64


@pytest.fixture
def tiny(monkeypatch):
    """Put the tiny set in place of the published ones; call it with mirrors to have some."""

    def publish(mirrors=(), keras_mirrors=()):
        idx, keras = Source(TINY_FILES, tuple(mirrors)), Source((KERAS_FILE,), tuple(keras_mirrors))
        monkeypatch.setitem(SOURCES, "full", (idx, keras))
        monkeypatch.setitem(SOURCES, "fashion", (idx,))

    publish()
    return publish


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on this machine: (the folder that it serves, its address, the paths that were asked for)."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "served"))

        def log_message(self, *_):
            asked.append(self.path)

    direct = build_opener(ProxyHandler({}))  # a proxy of the tester's would not find 127.0.0.1
    monkeypatch.setattr(find_module, "urlopen", direct.open)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path / "served", f"http://127.0.0.1:{running.server_port}/", asked
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "below"), [("full", ""), ("fashion", "fashion-mnist")])
def test_the_own_folder_is_searched(tmp_path, monkeypatch, tiny, name, below):
    fill(tmp_path / "own" / below)
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path / "own"))
    assert_tiny(load_mnist(name))
    assert find_mnist(name) == [tmp_path / "own" / below / file for file in NAMES]


@pytest.mark.parametrize(("name", "below"), [("full", "mnist"), ("fashion", "fashion-mnist")])
def test_the_cache_is_searched_after_the_own_folder(tmp_path, monkeypatch, tiny, name, below):
    cache = fill(tmp_path / "caches" / "minivit" / below)
    assert find_mnist(name)[0].parent == cache
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path / "lacking"))
    assert_tiny(load_mnist(name))
    own = fill(tmp_path / "lacking" / ("fashion-mnist" if name == "fashion" else ""))
    assert find_mnist(name)[0].parent == own


def test_the_single_file_of_keras_is_read_too(tmp_path, monkeypatch, tiny):
    (tmp_path / "mnist.npz").write_bytes(KERAS)
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path))
    assert_tiny(load_mnist("full"))


@pytest.mark.parametrize("name", ["full", "fashion"])
def test_what_is_not_found_is_explained(tmp_path, monkeypatch, name):
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("MINIVIT_DATA", str(own))
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(name)
    message = str(caught.value)
    assert f"MINIVIT_DATA, {own}" in message and str(tmp_path / "caches" / "minivit") in message
    assert NAMES[3] in message and "Set the environment variable MINIVIT_DATA" in message
    assert f'load_mnist("{name}", download=True)' in message
    assert "python -m minivit data --download" in message and ("--data fashion" in message) == (name == "fashion")


def test_a_folder_that_lacks_one_file_says_which(tmp_path, monkeypatch, tiny):
    (fill(tmp_path / "own") / NAMES[1]).unlink()
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path / "own"))
    with pytest.raises(FileNotFoundError, match=f"MINIVIT_DATA, .*own: no {NAMES[1]}\n"):
        load_mnist("full")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="data is 'cifar', expected one of 'digits', 'full', 'fashion'"):
        load_mnist("cifar")


@pytest.mark.parametrize("damage", ["cut", "grown", "flipped"])
def test_a_file_that_is_not_the_published_one_is_refused(tmp_path, monkeypatch, tiny, damage):
    path = fill(tmp_path) / NAMES[0]
    good = CONTENTS[0]
    bad = {"cut": good[:-1], "grown": good + b"\0", "flipped": good[:-1] + bytes([good[-1] ^ 1])}[damage]
    path.write_bytes(bad)
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path))
    with pytest.raises(ValueError) as caught:
        load_mnist("full")
    if damage == "flipped":
        expected = f"found SHA-256 {sha256(bad)}, expected {sha256(good)}"
    else:
        expected = f"bytes, expected {len(good)}"
    assert str(path) in str(caught.value) and expected in str(caught.value)


def test_a_download_is_verified_kept_and_not_repeated(tmp_path, tiny, server):
    folder, address, asked = server
    fill(folder)
    tiny([address])
    lines = []
    assert_tiny(load_mnist("full", download=True, report=lines.append))
    assert asked == [f"/{name}" for name in NAMES]
    assert [line.split(" (")[0] for line in lines] == [f"downloading {address}{name}" for name in NAMES]
    cache = tmp_path / "caches" / "minivit" / "mnist"
    assert sorted(os.listdir(cache)) == sorted(NAMES)
    assert_tiny(load_mnist("full", download=True))
    assert_tiny(load_mnist("full"))
    assert len(asked) == 4


def test_only_the_missing_files_are_downloaded(tmp_path, tiny, server):
    folder, address, asked = server
    fill(folder)
    tiny([address])
    (fill(tmp_path / "caches" / "minivit" / "mnist") / NAMES[2]).unlink()
    assert_tiny(load_mnist("full", download=True, report=lambda _: None))
    assert asked == [f"/{NAMES[2]}"]


@pytest.mark.parametrize("failure", ["absent", "wrong", "cut", "endless"])
def test_the_next_mirror_serves_when_one_fails(tmp_path, tiny, server, failure):
    folder, address, asked = server
    fill(folder / "good")
    if failure != "absent":
        (fill(folder / "bad") / NAMES[1]).write_bytes(
            {"wrong": bytes(len(CONTENTS[1])), "cut": CONTENTS[1][:5], "endless": CONTENTS[1] + bytes(99)}[failure]
        )
    tiny([f"{address}bad/", f"{address}good/"])
    lines = []
    assert_tiny(load_mnist("full", download=True, report=lines.append))
    assert f"/good/{NAMES[1]}" in asked and any("failed: " in line for line in lines)
    assert sorted(os.listdir(tmp_path / "caches" / "minivit" / "mnist")) == sorted(NAMES)


def test_keras_is_the_last_mirror(tmp_path, tiny, server):
    folder, address, _ = server
    folder.mkdir()
    (folder / "mnist.npz").write_bytes(KERAS)
    tiny([f"{address}gone/"], [address])
    assert_tiny(load_mnist("full", download=True, report=lambda _: None))
    assert os.listdir(tmp_path / "caches" / "minivit" / "mnist") == ["mnist.npz"]


def test_when_every_mirror_fails_each_is_named_and_nothing_is_kept(tmp_path, tiny, server):
    folder, address, _ = server
    folder.mkdir()
    (folder / "mnist.npz").write_bytes(b"not it")
    tiny(["http://127.0.0.1:9/", f"{address}gone/"], [address])
    with pytest.raises(OSError) as caught:
        load_mnist("full", download=True, report=lambda _: None)
    message = str(caught.value)
    assert f"http://127.0.0.1:9/{NAMES[0]}" in message and f"{address}gone/{NAMES[0]}" in message
    assert f"{address}mnist.npz: found 6 bytes, expected {len(KERAS)}" in message
    assert not list(tmp_path.glob("caches/**/*.*"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path, tiny, server):
    folder, address, _ = server
    fill(folder)
    tiny([address])
    (tmp_path / "caches").write_bytes(b"")  # a file where a folder is needed
    with pytest.raises(OSError, match=r"cannot write .*caches"):
        load_mnist("full", download=True, report=lambda _: None)


def test_read_idx_is_told_the_dimensions_of_images_and_labels(tmp_path, monkeypatch):
    swapped = [CONTENTS[1], CONTENTS[0], *CONTENTS[2:]]
    files = idx_files(*[(len(content), sha256(content)) for content in swapped])
    for file, content in zip(files, swapped, strict=True):
        (tmp_path / file.name).write_bytes(content)
    monkeypatch.setitem(SOURCES, "full", (Source(files, ()),))
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path))
    assert read_idx(tmp_path / NAMES[0]).shape == (6,)
    with pytest.raises(ValueError, match="found 1 dimensions, expected 3"):
        load_mnist("full")


@pytest.mark.parametrize("name", ["{}-idx{}-ubyte", "{}.idx{}-ubyte", "{}.idx{}-ubyte.gz", "{}-idx{}-ubyte.gz"])
def test_files_as_people_have_them_are_taken_by_their_content(tmp_path, monkeypatch, tiny, name):
    parts = [("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1)]
    for part, content in zip(parts, CONTENTS, strict=True):
        plain = gzip.decompress(content)  # and packed anew, so that the published size is another
        (tmp_path / name.format(*part)).write_bytes(gzip.compress(plain, 9) if name.endswith("gz") else plain)
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path))
    assert_tiny(load_mnist("full"))


@pytest.mark.parametrize("packed", [True, False])
def test_another_data_set_under_the_same_names_is_left_alone(tmp_path, monkeypatch, tiny, packed):
    for name, array in zip(NAMES, TINY, strict=True):
        content = as_idx(array[..., ::-1] if array.ndim > 1 else array[::-1])
        path = tmp_path / (name if packed else name.removesuffix(".gz"))
        path.write_bytes(content if packed else gzip.decompress(content))
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"train-images.*another data set under the same name") as caught:
        load_mnist("full")
    assert "elete" not in str(caught.value) and "read_idx" in str(caught.value) and "Trainer" in str(caught.value)
    assert len(list(tmp_path.iterdir())) == 4


def test_unpacked_files_of_a_set_whose_content_is_not_known_are_named(tmp_path, monkeypatch):
    for name, content in zip(NAMES, CONTENTS, strict=True):
        (tmp_path / "fashion-mnist").mkdir(exist_ok=True)
        (tmp_path / "fashion-mnist" / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"is unpacked, and only train-images-idx3-ubyte\.gz"):
        load_mnist("fashion")
