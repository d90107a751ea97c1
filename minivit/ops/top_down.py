"""How a pyramid's fine maps learn what the coarse ones know: from the top down, each adds the one above it, enlarged.

Lin et al., arXiv 1612.03144, section 3 and figure 3.
"""

import numpy as np


def top_down_forward(maps: list[np.ndarray], keep: int | None = None) -> tuple[list[np.ndarray], list[tuple[int, ...]]]:
    """y_l = x_l + enlarged(y_(l+1)), where place (i, j) takes from (⌊i/2⌋, ⌊j/2⌋); the coarsest one is as it was.

    maps (B, h_l, w_l, D), finest first, each of ⌈h/2⌉ x ⌈w/2⌉ of the one before -> as many, or the `keep` finest ones.
    Cached: their shapes.
    """
    ys = [maps[-1]]
    for x in reversed(maps[:-1]):
        ys.append(x + _enlarged(ys[-1], x.shape))
    return ys[::-1][:keep], [x.shape for x in maps]


def top_down_backward(dys: list[np.ndarray], cache: list[tuple[int, ...]]) -> list[np.ndarray]:
    """From the bottom up: what a map gets goes to its own x, and to the one above, which each place of it gave to four.

    dys, one for each map that was kept -> a dx for each map.
    """
    dxs = [dys[0]]
    for level, shape in enumerate(cache[1:], start=1):
        dx = _gathered(dxs[-1], shape)
        dxs.append(dx + dys[level] if level < len(dys) else dx)
    return dxs


def _enlarged(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Twice as many rows and columns, or one fewer."""
    return np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)[:, : shape[1], : shape[2]]


def _gathered(dy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Its backward: the sum over the places that were made of one."""
    B, h, w, D = shape
    dy = np.pad(dy, [(0, 0), (0, 2 * h - dy.shape[1]), (0, 2 * w - dy.shape[2]), (0, 0)])
    return dy.reshape(B, h, 2, w, 2, D).sum(axis=(2, 4))
