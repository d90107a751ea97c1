"""Many passes over little data: NumPy goes through the memory once for every operation, and a cache is faster."""

from collections.abc import Callable

import numpy as np

BLOCK = 2**17  # elements: a few arrays of them fit into a core's cache, and the calls are still few


def in_blocks(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """function(*arrays), for one that treats each row by itself: as many rows at a time as make a block.

    arrays (..., n), all of one shape, like the result.
    """
    rows = [array.reshape(-1, array.shape[-1]) for array in arrays]
    out, step = np.empty_like(rows[0]), max(1, BLOCK // rows[0].shape[-1])
    for start in range(0, len(out), step):
        part = slice(start, start + step)
        out[part] = function(*(array[part] for array in rows))
    return out.reshape(arrays[0].shape)
