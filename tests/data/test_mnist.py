"""The shipped digits are the published ones, and the full sets are the official ones."""

import hashlib
import os

import numpy as np
import pytest

from minivit.data import MNIST_MEAN, MNIST_STD, find_mnist, load_mnist
from minivit.data.mnist_files import FASHION, MNIST, SOURCES
from minivit.files import read_npz

OWN_DATA = os.environ.get("MINIVIT_DATA")  # as the tester set it, before conftest.py hides it


def test_the_shipped_digits_are_the_published_ones():
    (path,) = find_mnist("digits")
    arrays = read_npz(path)
    images, labels = arrays["images"], arrays["labels"]
    assert images.shape == (10_000, 28, 28) and images.dtype == labels.dtype == np.uint8
    published = "2f7182bf021ffc5c1f62db987487f14d899b5c639f421a80f3095affc09a7db2"
    assert hashlib.sha256(images.tobytes()).hexdigest() == published
    assert np.bincount(labels).tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_the_split_of_the_digits_is_fixed_and_disjoint():
    data = load_mnist()
    assert data.train_images.shape == (8_000, 28, 28, 1) and data.test_images.shape == (2_000, 28, 28, 1)
    assert data.train_images.dtype == data.test_images.dtype == np.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    images = np.concatenate([data.train_images, data.test_images])
    assert len({image.tobytes() for image in images}) == 10_000  # the digits are all different, so none is in both
    labels = np.concatenate([data.train_labels, data.test_labels]).astype(np.uint8)
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == (
        "5043289b612068c6a8eebed45c2dc4723b2b5c9953d588334e43a98dd0417246"
    )
    assert np.bincount(data.test_labels).min() > 150  # every class is tested


# --- the full sets


@pytest.mark.parametrize("name", ["full", "fashion"])
def test_the_full_set(name, monkeypatch):
    if not OWN_DATA:
        pytest.skip("MINIVIT_DATA is not set")
    monkeypatch.setenv("MINIVIT_DATA", OWN_DATA)
    try:
        data = load_mnist(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert data.train_images.shape == (60_000, 28, 28, 1) and data.test_images.shape == (10_000, 28, 28, 1)
    assert len(data.train_labels) == 60_000 and len(data.test_labels) == 10_000
    if name == "full":
        assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert data.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
        shipped = read_npz(find_mnist("digits")[0])
        assert np.array_equal(data.train_images[:10_000, ..., 0], shipped["images"])
        assert np.array_equal(data.train_labels[:10_000], shipped["labels"])
        pixels = data.train_images / np.float32(255)
        assert (round(float(pixels.mean()), 4), round(float(pixels.std()), 4)) == (MNIST_MEAN, MNIST_STD)


def test_the_published_files_are_told_apart():
    hashes = [file.sha256 for sources in SOURCES.values() for source in sources for file in source.files]
    assert len(set(hashes)) == len(hashes) == 10 and all(len(bytes.fromhex(h)) == 32 for h in hashes)
    assert [file.name for file in MNIST.files] == [file.name for file in FASHION.files]
