"""Models as values: layer.py (operation, chain, residual), parts.py (what models are made of), let.py (several inputs),
peek.py (a look in the middle)."""

from .layer import Arrays, Chain, Layer, Op, Parameter, Residual
from .let import Fork, Let, Together, Value
from .peek import Peek

__all__ = ["Arrays", "Chain", "Fork", "Layer", "Let", "Op", "Parameter", "Peek", "Residual", "Together", "Value"]
