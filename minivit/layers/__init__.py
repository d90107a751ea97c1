"""Models as values: layer.py (operation, chain, residual), parts.py (what models are made of), maps.py (and those
of convolutions), let.py (several inputs), steps.py (several values), peek.py (a look in the middle), data.py (the
backward without the data's gradient)."""

from .data import backward
from .layer import STILL, Arrays, Chain, Layer, Op, Parameter, Residual
from .let import Fork, Let, Together, Value
from .peek import Peek
from .steps import Each, Steps

__all__ = [
    "STILL",
    "Arrays",
    "Chain",
    "Each",
    "Fork",
    "Layer",
    "Let",
    "Op",
    "Parameter",
    "Peek",
    "Residual",
    "Steps",
    "Together",
    "Value",
    "backward",
]
