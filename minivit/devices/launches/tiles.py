"""What the launches of attention share: which tiles fit into shared memory, and which heads there can be."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..launch import SHARED, Launch, at_least_one, blocks, ctype

WIDEST_HEAD = 128

# Warps a block, rows and columns a thread: the template arguments of what is made of attention_tiles.cuh.
TILES = ((4, 4, 4), (4, 4, 2), (4, 2, 4), (4, 2, 2), (4, 2, 1), (4, 1, 1), (2, 1, 1))
FEW = 8  # so many queries, or fewer, get tiles of their own


@dataclass(frozen=True)
class Tile:
    """Tiles of a block, as attention_tiles.cuh lays them out."""

    warps: int
    rows_a_thread: int
    columns_a_thread: int
    shared: int  # bytes of all
    weights: int  # bytes of the weights among them

    @property
    def rows(self) -> int:
        return self.warps * 4 * self.rows_a_thread

    @property
    def columns(self) -> int:
        return 8 * self.columns_a_thread

    @property
    def threads(self) -> int:
        return 32 * self.warps

    def __str__(self) -> str:
        return f"{self.warps}, {self.rows_a_thread}, {self.columns_a_thread}"


def fit(
    d: int,
    dtype: np.dtype,
    row_tiles: int,
    tiles: Iterable[tuple[int, int, int]] = TILES,
    room: int = SHARED,
    through_memory: bool = True,
) -> Tile:
    """The first of `tiles` that fits into so many bytes. The forward has one tile of rows (Q), the backward two.
    through_memory: do the weights go through shared memory, too?"""
    size = 16 // dtype.itemsize
    stride = (d // size | 1) * size
    for warps, rows_a_thread, columns_a_thread in tiles:
        rows, columns = warps * 4 * rows_a_thread, 8 * columns_a_thread
        weights = rows * (columns + 8 if columns % 16 == 0 else columns) * through_memory
        shared = ((row_tiles * rows + 2 * columns) * stride + weights) * dtype.itemsize
        if shared <= room:
            return Tile(warps, rows_a_thread, columns_a_thread, shared, weights * dtype.itemsize)
    raise AssertionError("the smallest tile fits every head up to WIDEST_HEAD")


def tiles_of_tokens(count: int) -> Iterable[tuple[int, int, int]]:
    """Where both are a short sequence's or a window's tokens: no more warps than have rows, 16 each."""
    if count <= 16:
        return ((1, 4, 2), *TILES)
    return ((2, 4, 4), *TILES) if count <= 32 else TILES


def tensor_tiles(count: int) -> Iterable[tuple[int, int, int]]:
    """Where tensor cores make the products: 16 rows a warp, whatever else."""
    return [tile for tile in (*tiles_of_tokens(count), (2, 4, 2), (2, 4, 1)) if tile[1] == 4]


def tiles_of_rows(count: int) -> Iterable[tuple[int, int, int]]:
    """Where the rows are queries: few of them are all one warp's, 4 rows at a time, and a second helps it to copy."""
    if count > FEW:
        return TILES
    return [(2, rows, columns) for rows in range(blocks(count, 4), 0, -1) for columns in (4, 2, 1)]


def tiles_of_columns(count: int) -> Iterable[tuple[int, int, int]]:
    """Where the columns are queries: few of them are one tile of 8."""
    return TILES if count > FEW else [tile for tile in TILES if tile[2] == 1]


def attention_delta(B: int, H: int, N: int, d: int, dtype: np.dtype, version: int, count: str = "N") -> Launch:
    """The backward's first launch, a number for each query. `count`: what the others call N."""
    version = min(version, 3)  # the last that has one of its own
    file = "attention_backward_v3.cu" if version == 3 else "attention_backward.cu"
    vectors = d * dtype.itemsize // 16
    lanes = 32 if version != 3 else 8 if vectors > 4 else 4 if vectors > 2 else vectors  # of a row
    threads = 256 if version != 3 else min(128, blocks(N * lanes, 32) * 32)
    kernel = f"attention_backward_delta_v{version}<{ctype(dtype)}, {d}>"
    arguments = ("out delta", "in out", "in dout", f"int {count}")
    return Launch(file, kernel, dtype, arguments, (blocks(N * lanes, threads), H, B), (threads,), vectors=version == 3)


def check_heads(B: int, H: int, d: int) -> None:
    if not 1 <= d <= WIDEST_HEAD:
        raise ValueError(f'the heads are {d} wide, expected 1 … {WIDEST_HEAD}; device="cpu" takes any')
    for name, size in (("images", B), ("heads", H)):
        at_least_one(name, size)
        if size > 65535:
            raise ValueError(f"{size} {name} at once, expected at most 65535, where the grid ends: use smaller batches")
