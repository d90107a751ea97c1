"""Deformable attention: a query looks at a few places of several maps, and says itself where (Zhu et al., arXiv
2010.04159, equation 3).

    y_qh = Σ_lp weight_qhlp V_h^l(location_qhlp)

V^l(x, y) lies between the four cells around a place, as far as it is near to each; what is outside of the map is 0
(PyTorch's grid_sample, zeros, align_corners=False). So the weights, and the shares of the four cells, are an attention
matrix with 4·L·P entries in a row that are not 0, and nobody needs to write out the others. How queries name their
places is in sampling.py; the kernels, which do the same, are kernels/deformable_attention*.cu.
"""

from collections.abc import Iterator, Sequence

import numpy as np

Shapes = Sequence[tuple[int, int]]

GATHERED = 2**17  # numbers that are brought together at once: so many stay in the cache until they are multiplied


def deformable_attention_forward(
    value: np.ndarray, locations: np.ndarray, weights: np.ndarray, shapes: Shapes
) -> tuple[np.ndarray, tuple]:
    """value (B, S, D): the cells of L maps, in reading order, one map after the other; locations (B, Q, H, L, P, 2),
    (x, y), (0, 0) and (1, 1) the corners of a map; weights (B, Q, H, L, P); shapes (height, width) of each map, S cells
    in all -> (B, Q, D), head after head.

    Cached: where each sample's four cells are, and their shares: to find them takes a third of the time and more. What
    lies in the cells, d numbers for each, is brought together again instead.
    """
    B, Q, H, L, P, _ = locations.shape
    cells = value.reshape(B, -1, H, value.shape[-1] // H)  # (B, S, H, d)
    corners = _corners(locations.reshape(-1, L, P, 2), shapes)
    index = _index(corners, (B, Q, H), cells.shape, shapes)  # (B·Q·H, 2, 2, L, P)
    shares = _coefficients(corners, weights.reshape(-1, L, P)).reshape(B * Q * H, 1, -1)
    y = np.empty_like(cells, shape=(B * Q * H, 1, cells.shape[-1]))
    for part, rows in _gather(cells, index):
        y[part] = shares[part] @ rows
    return y.reshape(B, Q, -1), (cells, corners, index, weights, shares, shapes)


def deformable_attention_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y_r = Σ_k share_rk V[index_rk]: a product with a matrix, most of which is 0. So, as always,

        dV_i = Σ share_rk dy_r  over all r, k with index_rk = i,        dshare_rk = dy_r · V[index_rk],

    and share = weight · across · down: while a place moves right by one cell, `across` of the left cell falls by 1, and
    that of the right one rises by 1; `down` likewise.   dy (B, Q, D) -> dvalue, dlocations, dweights.
    """
    cells, (across, down), index, weights, shares, shapes = cache
    B, Q, H, L, P = weights.shape
    dy = dy.reshape(B * Q * H, -1, 1)  # (r, d, 1)
    dshares = np.empty_like(shares, shape=(B * Q * H, index[0].size, 1))
    for part, rows in _gather(cells, index):
        dshares[part] = rows @ dy[part]
    dshares = dshares.reshape(index.shape)  # down, across

    of_columns = (dshares * down.shares[:, :, None]).sum(axis=1)  # (r, across, L, P)
    of_rows = (dshares * across.shares[:, None]).sum(axis=2)
    dweights = (of_columns * across.shares).sum(axis=1)
    moves = np.stack((across.slope(of_columns), down.slope(of_rows)), axis=-1)
    dlocations = moves * level_sizes(shapes, moves) * weights.reshape(-1, L, P, 1)
    return (
        _scatter(shares, dy, index, cells.shape).reshape(B, -1, H * dy.shape[1]),
        dlocations.reshape(B, Q, H, L, P, 2),
        dweights.reshape(weights.shape),
    )


def level_sizes(shapes: Shapes, like: np.ndarray) -> np.ndarray:
    """(width, height) of each map, (L, 1, 2), where locations are (…, L, P, 2)."""
    return np.asarray([[(width, height)] for height, width in shapes], like.dtype, like=like)


class _Axis:
    """The two cells along one axis between which each sample lies, and the share of each, 0 outside of the map."""

    def __init__(self, position: np.ndarray, size: np.ndarray) -> None:
        """position (r, L, P), from 0 to 1 within the map, size (L, 1) -> numbers (r, 2, L, P)."""
        place = position * size - 0.5  # 0 is the centre of the first cell, half a cell from the edge
        low = np.floor(place)
        above = place - low
        both = np.stack((low, low + 1), axis=1)
        self.inside = (both >= 0) & (both < size)
        self.shares = np.where(self.inside, np.stack((1 - above, above), axis=1), 0)
        self.cells = np.where(self.inside, both, 0).astype(np.intp)  # outside: any, with a share of 0

    def slope(self, dshares: np.ndarray) -> np.ndarray:
        """The gradient for a move by one cell: what the far cell's share gains, the near one's loses."""
        dshares = np.where(self.inside, dshares, 0)
        return dshares[:, 1] - dshares[:, 0]


def _corners(locations: np.ndarray, shapes: Shapes) -> tuple[_Axis, _Axis]:
    """Across and down."""
    sizes = level_sizes(shapes, locations)
    across, down = (_Axis(locations[..., axis], sizes[..., axis]) for axis in (0, 1))
    return across, down


def _index(
    corners: tuple[_Axis, _Axis], queries: tuple[int, int, int], shape: tuple[int, ...], shapes: Shapes
) -> np.ndarray:
    """Which of the B·S·H rows of d numbers each corner of each sample is."""
    across, down = corners
    (B, Q, H), S = queries, shape[1]
    starts = np.cumsum([0, *(height * width for height, width in shapes[:-1])]).tolist()
    widths, starts = (
        np.asarray(numbers, np.intp, like=across.cells).reshape(-1, 1)
        for numbers in ([width for _, width in shapes], starts)
    )
    image, head = np.arange(B, like=widths).reshape(B, 1, 1), np.arange(H, like=widths)
    first = np.broadcast_to(image * (S * H) + head, queries).reshape(B * Q * H, 1, 1, 1)
    rows = (down.cells * widths + starts) * H + first
    return rows[:, :, None] + across.cells[:, None] * H


def _coefficients(corners: tuple[_Axis, _Axis], weights: np.ndarray) -> np.ndarray:
    """weight · down · across, (r, 2, 2, L, P)."""
    across, down = corners
    return (down.shares * weights[:, None])[:, :, None] * across.shares[:, None]


def _gather(cells: np.ndarray, index: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """What lies in the cells of some queries' heads at a time: (r, 4·L·P, d)."""
    d = cells.shape[-1]
    rows, index = cells.reshape(-1, d), index.reshape(len(index), -1)
    step = max(1, GATHERED // (index.shape[1] * d))
    for start in range(0, len(index), step):
        part = slice(start, start + step)
        yield part, np.take(rows, index[part], axis=0)


def _scatter(shares: np.ndarray, dy: np.ndarray, index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The transpose of gathering: a cell's gradient is the sum over all samples that it had a share in. A channel at a
    time np.bincount adds up the shares by their cells, in float64: 1.5 ms for 16 canvases of digits, where np.add.at
    takes 4.4."""
    index, shares = index.reshape(-1), shares[:, 0]
    rows = np.empty_like(dy, shape=(shape[0] * shape[1] * shape[2], shape[3]))
    for channel in range(shape[3]):
        rows[:, channel] = np.bincount(index, (dy[:, channel] * shares).reshape(-1), len(rows))
    return rows
