"""A GPU's random numbers: kernels/philox.cu, with the names of NumPy's generator."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import launches as table
from .base import BackEnd, row
from .launch import Launch

Shape = int | Sequence[int]


class Philox:
    """Like np.random.Generator, as far as training asks. The same seed gives the same numbers on every GPU.

    Nothing is made before it is asked for: each array is a launch, and its numbers depend on the seed, on how many
    arrays were asked for before, and on their place in it.
    """

    def __init__(self, back_end: BackEnd, seed: np.random.SeedSequence) -> None:
        self._back_end, self._seed, self._draws = back_end, seed, 0
        self._key: tuple[int, int] | None = None

    def random(self, size: Shape, dtype: type = np.float64) -> Any:
        """In [0, 1)."""
        return self._drawn(table.philox_uniform, size, dtype)

    def standard_normal(self, size: Shape, dtype: type = np.float64) -> Any:
        """Of mean 0 and standard deviation 1."""
        return self._drawn(table.philox_normal, size, dtype)

    def _drawn(self, launch: Callable[..., Launch], size: Shape, dtype: type) -> Any:
        if self._key is None:
            self._key = tuple(int(word) >> 1 for word in self._seed.generate_state(2))  # a kernel's int has a sign
        out = self._back_end.empty(size, dtype)
        self._back_end.launch(row(launch, out.size, dtype), out, out.size, *self._key, self._draws)
        self._draws += 1
        return out
