"""MNIST: the digits that ship with minivit, the full sets and their download, and the IDX format.

Start with mnist.py; it reads files that find.py finds and idx.py decodes. picture.py reads a digit of your own; it
needs Pillow, so `minivit.data.picture` is imported by itself.
"""

from .find import find_mnist
from .idx import read_idx
from .mnist import MNIST_MEAN, MNIST_STD, Dataset, load_mnist

__all__ = ["MNIST_MEAN", "MNIST_STD", "Dataset", "find_mnist", "load_mnist", "read_idx"]
