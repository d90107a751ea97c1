"""MNIST as arrays: the 10,000 digits that ship with minivit, or the full sets.

Where the files come from is in find.py, how they are laid out in idx.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..files import read_npz
from .find import find_mnist
from .idx import read_idx

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
        arrays = list(map(read_idx, paths, (3, 1, 3, 1)))  # images have three dimensions, labels one
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
