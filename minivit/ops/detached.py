"""Where a gradient stops on purpose: what was said is handed on as if it had been given."""

import numpy as np


def detached(x: np.ndarray) -> np.ndarray:
    """x. It is no pair: no gradient goes back. Whoever checks gradients by differences must hold it (proof/held.py)."""
    return x
