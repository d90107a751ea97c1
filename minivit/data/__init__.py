"""MNIST: the digits that ship with minivit, the full sets and their download, and the IDX format; pictures of your own.

Start with mnist.py; it reads files that find.py finds and idx.py decodes. folder.py reads a folder of your own.
picture.py reads a digit of your own (ink.py, rulings.py and marks.py find it), scene.py several of them, preprocess.py
any picture as a published model wants it, and imagenet.py names what that model then says. canvas.py lays digits out
for a detector to find. words.py cuts sentences for BERT. shipped.py says where small models lie that have been trained
already.
"""

from .canvas import Canvases, load_canvas
from .find import find_mnist
from .folder import Pictures, load_folder
from .idx import read_idx
from .imagenet import class_names, imagenet_classes, top_classes
from .mnist import MNIST_MEAN, MNIST_STD, Dataset, load_mnist
from .preprocess import preprocess, read_digit
from .shipped import (
    DETECTION,
    DISTILLATION,
    DISTILLED,
    FAMILY_VARIANTS,
    INDUCTIVE_BIAS,
    PHOTOGRAPHS,
    PHOTOGRAPHS_SEEN,
    TRAINED_DETECTORS,
    TRAINED_DIGITS,
    TRAINED_MAE,
    TRAINED_MAE_RESULTS,
    TRAINED_RESULTS,
)
from .words import Words

__all__ = [
    "DETECTION",
    "DISTILLATION",
    "DISTILLED",
    "FAMILY_VARIANTS",
    "INDUCTIVE_BIAS",
    "MNIST_MEAN",
    "MNIST_STD",
    "PHOTOGRAPHS",
    "PHOTOGRAPHS_SEEN",
    "TRAINED_DETECTORS",
    "TRAINED_DIGITS",
    "TRAINED_MAE",
    "TRAINED_MAE_RESULTS",
    "TRAINED_RESULTS",
    "Canvases",
    "Dataset",
    "Pictures",
    "Words",
    "class_names",
    "find_mnist",
    "imagenet_classes",
    "load_canvas",
    "load_folder",
    "load_mnist",
    "preprocess",
    "read_digit",
    "read_idx",
    "top_classes",
]
