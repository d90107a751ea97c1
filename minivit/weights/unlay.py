"""The way back from our parameters to somebody else's tensors: a layout, read the other way."""

import numpy as np

from ..layers import Arrays
from .layout import Layout, Piece


def unlay(layout: Layout, params: Arrays) -> Arrays:
    """The file's tensors from our parameters, whose layout tells which part of each lies where."""
    return {piece.name: tensor_of(piece, params[ours]) for ours, pieces in layout.items() for piece in pieces}


def tensor_of(piece: Piece, param: np.ndarray) -> np.ndarray:
    """The tensor that `piece.arrange` makes that part of the parameter of.

    An arrangement only moves numbers: where it moves their indices, and so their places, tells the way back.
    """
    indices = np.arange(np.prod(piece.shape, dtype=int)).reshape(piece.shape)
    tensor = np.empty_like(param, shape=indices.size)
    tensor[piece.arrange(indices).ravel()] = param[piece.at].ravel()
    return tensor.reshape(piece.shape)
