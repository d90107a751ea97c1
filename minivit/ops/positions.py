"""Positions: attention sees a set, so each token must be told where it is. Five answers (four are in ViT, Table 8).

"none" adds nothing; "1d" adds a learned table (N, D) to the tokens; "2d" a learned row half and column half; "sincos2d"
fixed waves; "relative" adds a learned number to each attention score instead.
"""

import numpy as np


def add_position_forward(x: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, None]:
    """x (B, N, D) + position (1, N, D): the same table for every image."""
    return x + position, None


def add_position_backward(dy: np.ndarray, cache: None) -> tuple[np.ndarray, np.ndarray]:
    """One table served B images: its gradient is the sum of theirs. Returns dx (B, N, D), dposition (1, N, D)."""
    return dy, dy.sum(axis=0, keepdims=True)


def position_2d_forward(row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The learned 2-D positions: token (i, j) gets [row_i | column_j], its row's D/2 numbers and its column's.

    row (gh, D/2), column (gw, D/2) -> (1, gh·gw, D), in reading order.
    """
    gh, gw = len(row), len(column)
    rows = np.repeat(row, gw, axis=0)  # r0 r0 r0 r1 r1 r1 …
    columns = np.tile(column, (gh, 1))  # c0 c1 c2 c0 c1 c2 …
    return np.concatenate((rows, columns), axis=1)[None], (gh, gw)


def position_2d_backward(dposition: np.ndarray, cache: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Each row served gw tokens and each column gh of them: the gradients are summed. Returns drow, dcolumn."""
    gh, gw = cache
    grid = dposition.reshape(gh, gw, -1)
    half = grid.shape[-1] // 2
    return grid[..., :half].sum(axis=1), grid[..., half:].sum(axis=0)


def position_sincos_2d(grid: tuple[int, int], width: int, dtype: np.dtype = np.float64) -> np.ndarray:
    """Fixed waves: [sin ωx | cos ωx | sin ωy | cos ωy], ω = 10000^(−i/(D/4−1)), i = 0 … D/4−1 (big_vision's order and
    frequencies, Beyer et al., arXiv 2205.01580). x is the column, y the row; width D divisible by 4. -> (1, gh·gw, D).
    """
    gh, gw = grid
    omega = 10000.0 ** -(np.arange(width // 4) / max(1, width // 4 - 1))
    y, x = (angle.reshape(-1, 1) * omega for angle in np.mgrid[:gh, :gw])
    return np.concatenate((np.sin(x), np.cos(x), np.sin(y), np.cos(y)), axis=1)[None].astype(dtype)


def relative_index(grid: tuple[int, int], class_token: bool) -> np.ndarray:
    """Which entry of the bias table each (query, key) pair uses: (N, N) integers.

    Two patches use the entry of their offset (rows down, columns right): (2gh−1)(2gw−1) of them. With a class token in
    front, three more, in BEiT's order: cls to patch, patch to cls, cls to cls.
    """
    gh, gw = grid
    i, j = (a.ravel() for a in np.mgrid[:gh, :gw])
    down = i[:, None] - i + gh - 1  # query minus key, shifted to start at 0
    right = j[:, None] - j + gw - 1
    index = down * (2 * gw - 1) + right
    if class_token:
        offsets = (2 * gh - 1) * (2 * gw - 1)
        index = np.pad(index, ((1, 0), (1, 0)), constant_values=offsets)  # row 0: the class token is the query
        index[1:, 0] = offsets + 1
        index[0, 0] = offsets + 2
    return index


def relative_table_size(grid: tuple[int, int], class_token: bool) -> int:
    """How many entries a head's table has: (2gh−1)(2gw−1), and 3 for the class token."""
    return (2 * grid[0] - 1) * (2 * grid[1] - 1) + 3 * class_token


def relative_bias_forward(table: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, tuple]:
    """bias_h,q,k = table[index_qk, h], to be added to the attention scores.

    table (entries, H); index (Nq, Nk), relative_index's or the rows of some queries alone -> bias (H, Nq, Nk).
    This is the bias table of BEiT (arXiv 2106.08254) and Swin (arXiv 2103.14030). The ViT paper's own relative variant
    is another one: there the offset's embedding meets the query, and so depends on what the image shows.
    """
    return table[index].transpose(2, 0, 1), (index, table.shape)


def relative_bias_backward(dbias: np.ndarray, cache: tuple) -> np.ndarray:
    """Every pair with an offset uses its entry, whose gradient is their sum.

    dbias (H, Nq, Nk) -> dtable (entries, H).
    """
    index, shape = cache
    dtable = np.zeros_like(dbias, shape=shape)
    np.add.at(dtable, index, dbias.transpose(1, 2, 0))
    return dtable
