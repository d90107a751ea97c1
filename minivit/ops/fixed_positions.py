"""Positions that are not learned: MAE's waves, and their sum with the tokens (He et al., arXiv 2111.06377).

ops/positions.py has the learned ones, and big_vision's waves, whose frequencies and order are others.
"""

import numpy as np


def add_fixed_position_forward(x: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, None]:
    """x (B, N, D) + position (1, N, D), which no gradient changes."""
    return x + position, None


def add_fixed_position_backward(dy: np.ndarray, cache: None) -> np.ndarray:
    """dy (B, N, D) -> dx, the same."""
    return dy


def position_mae(grid: tuple[int, int], width: int) -> np.ndarray:
    """[sin ωx | cos ωx | sin ωy | cos ωy], ω = 10000^(−j/(D/4)), j = 0 … D/4−1; x is the column, y the row.

    The first half is the column's, whatever the names in the authors' code say. width D divisible by 4. A row of zeros
    for the class token goes first. -> (1, 1 + gh·gw, D)
    """
    gh, gw = grid
    omega = 10000.0 ** -(np.arange(width // 4) / (width // 4))
    y, x = (place.reshape(-1, 1) * omega for place in np.mgrid[:gh, :gw])
    waves = np.concatenate((np.sin(x), np.cos(x), np.sin(y), np.cos(y)), axis=1)
    return np.concatenate((np.zeros((1, width)), waves))[None]
