"""MNIST: the digits that ship with minivit, the full sets and their download, and the IDX format.

Start with mnist.py; it reads files that find.py finds and idx.py decodes.
"""

from minivit.data.find import find_mnist
from minivit.data.idx import read_idx
from minivit.data.mnist import MNIST_MEAN, MNIST_STD, Dataset, load_mnist, normalize

__all__ = ["MNIST_MEAN", "MNIST_STD", "Dataset", "find_mnist", "load_mnist", "normalize", "read_idx"]
