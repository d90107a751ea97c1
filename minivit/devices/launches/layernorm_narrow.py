"""Launches of LayerNorm on narrow rows, several of which share a warp: see kernels/layernorm_narrow.cu."""

import numpy as np

from ..launch import Launch, blocks, ctype

MOST_LANES = 16  # that share a row: with 32 it has the warp for itself, as in layernorm.cu
THREADS = 128  # a block

FORWARD = ("out y", "out mean", "out rstd", "in x", "in gamma", "in beta", "int rows", "int width", "real eps")
BACKWARD = ("out dx", "out dgamma_partial", "out dbeta_partial", "in dy", "in x", "in gamma", "in mean", "in rstd")


def lanes(width: int, dtype: np.dtype) -> int | None:
    """How many lanes share a row, a power of two with a vector of 16 bytes for each; None for other widths."""
    vectors, rest = divmod(width, 16 // dtype.itemsize)
    if rest or vectors > MOST_LANES:
        return None
    return 1 << (vectors - 1).bit_length()


def forward(rows: int, width: int, dtype: np.dtype) -> Launch:
    """y, mean and rstd of x (rows, width), of a width that has lanes."""
    kernel = f"layernorm_narrow_forward<{ctype(dtype)}, {lanes(width, dtype)}>"
    grid = (blocks(rows, THREADS // lanes(width, dtype)),)
    return Launch("layernorm_narrow.cu", kernel, dtype, FORWARD, grid, (THREADS,), vectors=True)


def backward(width: int, dtype: np.dtype, partials: int) -> Launch:
    """dx, and P = partials rows of partial column sums, one a block, which has at most 2 KiB of shared memory."""
    shared = THREADS // lanes(width, dtype) * width * dtype.itemsize
    kernel, arguments = f"layernorm_narrow_backward<{ctype(dtype)}, {lanes(width, dtype)}>", (*BACKWARD, *FORWARD[6:8])
    return Launch("layernorm_narrow.cu", kernel, dtype, arguments, (partials,), (THREADS,), shared, vectors=True)


def every_launch() -> list[Launch]:
    """One of each kernel."""
    found = []
    for dtype in map(np.dtype, (np.float32, np.float64)):
        widths = [count * 16 // dtype.itemsize for count in (1, 2, 4, 8, 16)]
        found += [launch for width in widths for launch in (forward(8, width, dtype), backward(width, dtype, 1))]
    return found
