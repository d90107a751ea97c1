"""MNIST as arrays: the 10,000 digits that ship with minivit, or the full sets, and the scaling that a model wants.

Where the files come from is in find.py, how they are laid out in idx.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from minivit.data.find import find_mnist
from minivit.data.idx import read_idx
from minivit.files import read_npz

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of the 60,000 training images, on the scale 0..1
SHIPPED_TRAIN = 8_000  # of the 10,000 that ship


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images are uint8 (n, 28, 28, 1), 0 the background and 255 full ink; labels are int64 (n,), 0 to 9."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_mnist(data: str = "digits", *, download: bool = False, report: Callable[[str], None] = print) -> Dataset:
    """Load one of three data sets, each in ten classes.

    "digits"   what ships with minivit: the first 10,000 training images of MNIST, of which a fixed shuffle
               (`default_rng(0)`) makes 8,000 to train and 2,000 to test. Its accuracies are not those of the full set
    "full"     MNIST, 60,000 to train and 10,000 to test, in the official order
    "fashion"  Fashion-MNIST, clothes in the same shape, as a harder drop-in

    "full" and "fashion" are looked for in the folder MINIVIT_DATA and in the cache, and fetched only with
    `download=True`; the folders, `report` and the errors are those of `find_mnist`.
    Sources: Y. LeCun and C. Cortes, "The MNIST database"; H. Xiao et al., arXiv 1708.07747.
    """
    paths = find_mnist(data, download=download, report=report)
    if data == "digits":
        arrays = _split_digits(**read_npz(paths[0]))
    elif paths[0].suffix == ".npz":
        published = read_npz(paths[0])
        arrays = [published[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    else:
        arrays = map(read_idx, paths, (3, 1, 3, 1))  # images have three dimensions, labels one
    train_images, train_labels, test_images, test_labels = arrays
    return Dataset(
        train_images[..., None],  # (n, 28, 28) -> (n, 28, 28, 1)
        train_labels.astype(np.int64),
        test_images[..., None],
        test_labels.astype(np.int64),
    )


def _split_digits(images: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:SHIPPED_TRAIN], order[SHIPPED_TRAIN:]
    return [images[train], labels[train], images[test], labels[test]]


def normalize(
    images: np.ndarray,
    mean: float | Sequence[float] = MNIST_MEAN,
    std: float | Sequence[float] = MNIST_STD,
    dtype: np.dtype | type = np.float32,
) -> np.ndarray:
    """Scale pixels to what a model takes: (x / 255 - mean) / std, in `dtype`, in the shape of `images`.

    `images` are uint8 0..255, or floats that are already in 0..1; any shape with the channels last.
    `mean` and `std` are on the scale 0..1, one number or one for each channel. Raises ValueError for other pixels.
    """
    x = images.astype(dtype)
    if images.dtype == np.uint8:
        x /= 255
    elif not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"found pixels of type {images.dtype}, expected uint8 0..255 or floats in 0..1")
    elif images.size and not (images.min() >= 0 and images.max() <= 1):  # also true for a NaN
        raise ValueError(
            f"found floats from {images.min()} to {images.max()}, expected floats in 0..1 or uint8 0..255: "
            "divide by 255, and normalize once only"
        )
    x -= np.asarray(mean, dtype)
    x /= np.asarray(std, dtype)
    return x
