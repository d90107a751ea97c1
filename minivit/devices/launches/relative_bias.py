"""The launch of the gradient of a table of relative positions."""

import numpy as np

from ..launch import CTYPES, Launch, blocks, ctype

WARPS = 4  # warps a block, where each warp has an entry of the table


def relative_bias_backward(entries: int, heads: int, dtype: type) -> Launch:
    """dtable (entries, heads) from dbias (heads, Nq, Nk) and index (Nq, Nk), of Nq·Nk pairs."""
    dtype = np.dtype(dtype)
    arguments = ("out dtable", "in dbias", "in index:int", "int pairs", "int entries", "int heads")
    grid = (blocks(entries * heads, WARPS),)
    return Launch("relative_bias.cu", f"relative_bias_backward<{ctype(dtype)}>", dtype, arguments, grid, (32 * WARPS,))


def every_launch() -> list[Launch]:
    return [relative_bias_backward(52, 4, dtype) for dtype in CTYPES]
