"""RoIAlign: what lies in a box, as a small map of always the same size (He et al., arXiv 1703.06870, section 3).

A box is cut into bins, and a bin looks at a few points, each between four places of the map. Which places these are,
and how much of each, factors into rows and columns: so a box's answer is A_y F A_xᵀ, two matrix products forward and
two backward, where the usual code gathers and scatters point by point. Boxes get no gradient, as in every published
implementation. Which map of a pyramid a box looks at follows from its size (Lin et al., arXiv 1612.03144, equation 1).
"""

from collections.abc import Sequence

import numpy as np

EPS = 1e-8  # a box of no size is on the finest map
BANDS = 2**20  # numbers of A_y F that are made at once: a large map's are many


def roi_align_forward(
    maps: np.ndarray,
    boxes: np.ndarray,
    shapes: Sequence[tuple[int, int]],
    size: int = 7,
    strides: tuple[int, ...] = (4, 8, 16, 32),
    samples: int = 2,
    canonical: tuple[float, int] = (224.0, 4),
) -> tuple[np.ndarray, tuple]:
    """y_nstc = Σ_ij A_y[n,s,i] F_ijc A_x[n,t,j], with F the map that box n looks at, and A of `bin_weights`.

    maps (B, Σ h·w, C), one map after another in reading order, finest first, of these shapes (h, w) and strides in
    pixels; boxes (B, N, 4), corners x0, y0, x1, y1 in pixels, anywhere -> y (B, N, size², C), bin by bin in reading
    order. Each bin is the mean of samples² points. canonical: see `box_levels`.
    Cached: for each map of each image the weights of the boxes that look at it.
    """
    (B, _, C), N = maps.shape, boxes.shape[1]
    y = np.zeros_like(maps, shape=(B, N, size, size, C))
    levels, looks, start = box_levels(boxes, strides, *canonical), [], 0
    for level, ((h, w), stride) in enumerate(zip(shapes, strides, strict=True)):
        x0, y0, x1, y1 = (boxes / stride - 0.5).T  # (N, B); a place's number is half a place before its middle
        rows, columns = bin_weights(y0.T, y1.T, size, samples, h), bin_weights(x0.T, x1.T, size, samples, w)
        there = slice(start, start + h * w)
        for image in range(B):
            for chosen in _few(np.flatnonzero(levels[image] == level), size * w * C):
                A_y, A_x = rows[image, chosen], columns[image, chosen]
                bands = A_y.reshape(-1, h) @ maps[image, there].reshape(h, w * C)  # A_y F of all boxes at once
                y[image, chosen] = A_x[:, None] @ bands.reshape(-1, size, w, C)
                looks.append((image, there, chosen, A_y, A_x))
        start += h * w
    return y.reshape(B, N, size * size, C), (maps.shape, looks)


def roi_align_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """The backward of `columns @ bands`, then of `rows @ F`, summed over the boxes:  dF = Σ_n A_yᵀ (A_xᵀ dy).

    dy like y -> dmaps like maps.
    """
    shape, looks = cache
    dmaps = np.zeros_like(dy, shape=shape)
    for image, there, chosen, A_y, A_x in looks:
        (n, size, h), w = A_y.shape, A_x.shape[2]
        dbands = A_x.swapaxes(1, 2)[:, None] @ dy[image, chosen].reshape(n, size, size, -1)
        dmaps[image, there] += (A_y.reshape(-1, h).T @ dbands.reshape(n * size, -1)).reshape(h * w, -1)
    return dmaps


def bin_weights(low: np.ndarray, high: np.ndarray, size: int, samples: int, places: int) -> np.ndarray:
    """A (..., size, places): how much of each place is in each bin of the intervals [low, high], (...) each, in places.

    A point between two places takes from both, of the nearer one more. One that is more than a place outside takes
    nothing, one that is less takes what stands at the edge.
    """
    step = np.arange(size * samples, dtype=low.dtype, like=low) + 0.5
    point = low[..., None] + (high - low)[..., None] * step / (size * samples)
    inside = (point >= -1) & (point <= places)
    place = np.arange(places, dtype=low.dtype, like=low)
    weights = np.maximum(0, 1 - np.abs(np.clip(point, 0, places - 1)[..., None] - place)) * inside[..., None]
    return weights.reshape(*low.shape, size, samples, places).mean(axis=-2)


def box_levels(
    boxes: np.ndarray, strides: tuple[int, ...], canonical_size: float = 224.0, canonical_level: int = 4
) -> np.ndarray:
    """Which map each box looks at: level ⌊k₀ + log₂(√area / s₀)⌋, where level k has the stride 2^k, of those there are.

    boxes (..., 4), corners in pixels; canonical_size s₀, in pixels, and canonical_level k₀: what looks at which map.
    Returns (...) whole numbers, 0 for the finest map. No gradient.
    """
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    level = np.floor(canonical_level + np.log2(np.sqrt(area) / canonical_size + EPS))
    finest, coarsest = (stride.bit_length() - 1 for stride in (strides[0], strides[-1]))
    return (np.clip(level, finest, coarsest) - finest).astype(np.int32)


def _few(boxes: np.ndarray, numbers: int) -> list[np.ndarray]:
    """The boxes' numbers, so many together as have BANDS numbers in all; `numbers`: of each."""
    count = max(1, BANDS // numbers)
    return [boxes[first : first + count] for first in range(0, len(boxes), count)]
