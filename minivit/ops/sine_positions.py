"""Positions of a map whose images differ in size: sines of how far a cell lies within its own image.

DETR (Carion et al., arXiv 2005.12872, appendix A.4), and Deformable DETR (2010.04159) with another origin.
"""

import math

import numpy as np

Pair = tuple[int, int]
EPS = 1e-6


def sine_positions(mask: np.ndarray, width: int, shift: float = 0.0) -> np.ndarray:
    """[y half | x half], each sin, cos, sin, cos, …:  position 2i is sin(2π s / ω_i), 2i + 1 its cosine,
    ω_i = 10000^(2i/(D/2)), where s is the cell's place in its image, counted in cells from 1, by the last one's.

    mask (B, height, width), True where there is image; width D divisible by 4; shift is added to each place: DETR's is
    0, Deformable DETR's −½, the middle of a cell. -> (B, height·width, D), in reading order, float64; no gradient goes
    to it. Padded cells count no steps, so their positions are their neighbours'.
    """
    halves = []
    for axis in (1, 2):
        place = np.cumsum(mask, axis=axis, dtype=np.float64)
        last = place[:, -1:] if axis == 1 else place[:, :, -1:]
        angle = ((place + shift) / (last + EPS) * (2 * math.pi))[..., None] / frequencies(width // 2, mask)
        halves.append(np.stack((np.sin(angle), np.cos(angle)), axis=-1).reshape(*mask.shape, width // 2))
    return np.concatenate(halves, axis=-1).reshape(len(mask), -1, width)


def frequencies(width: int, like: np.ndarray) -> np.ndarray:
    """ω_i = 10000^(2i/width), i = 0 … width/2 − 1, where `like` is: (width/2,)."""
    return 10000.0 ** (2 * np.arange(width // 2, like=like) / width)


def resize_mask(mask: np.ndarray, size: Pair) -> np.ndarray:
    """A mask (B, height, width) at a map's size (h, w): cell i is that of row ⌊i·height/h⌋, as nearest neighbours."""
    rows, columns = (np.arange(new) * old // new for old, new in zip(mask.shape[1:], size, strict=True))
    return mask[:, rows][:, :, columns]
