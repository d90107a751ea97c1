"""Launches of random numbers: kernels/philox.cu."""

import numpy as np

from ..launch import CTYPES, Launch, blocks, ctype

THREADS = 128  # a block
KEY = ("out out", "int n", "int key0", "int key1", "int draw")


def philox_uniform(n: int, dtype: type) -> Launch:
    """n numbers in [0, 1): those of array number `draw` under a key of two numbers."""
    return _philox("uniform", n, dtype)


def philox_normal(n: int, dtype: type) -> Launch:
    """n numbers of mean 0 and standard deviation 1."""
    return _philox("normal", n, dtype)


def _philox(what: str, n: int, dtype: type) -> Launch:
    dtype = np.dtype(dtype)
    grid = (blocks(n, THREADS * 16 // dtype.itemsize),)
    return Launch("philox.cu", f"philox_{what}<{ctype(dtype)}>", dtype, KEY, grid, (THREADS,), vectors=True)


def every_launch() -> list[Launch]:
    return [launch(1000, dtype) for dtype in CTYPES for launch in (philox_uniform, philox_normal)]
