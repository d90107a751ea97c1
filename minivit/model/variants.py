"""What a plain ViT has not: positions of rows and columns, of waves, of offsets; attention along lines; SwiGLU."""

from collections.abc import Callable

import numpy as np

from .. import ops
from ..layers import Chain, Layer, Let, Op, Parameter, Residual, Value
from ..layers.parts import attention, dense, drop, norm
from .checks import MOST_OFFSETS
from .config import ViTConfig

Grid = tuple[int, int]


def grid_positions(config: ViTConfig) -> list[Layer]:
    """With "2d" and "sincos2d" the patches have positions, and cls and dist, which are no places, have none."""
    D, (gh, gw) = config.width, config.grid
    if config.position == "2d":
        row, column = (Parameter(f"pos_embed.{s}", (n, D // 2), std=0.02) for s, n in (("row", gh), ("column", gw)))
        return [Let("pos_embed", Chain(Value(row), Op("position_2d", column)), Op("add_position", "pos_embed"))]
    if config.position == "sincos2d":
        waves = Parameter("waves", (1, gh * gw, D), fixed=lambda: ops.position_sincos_2d(config.grid, D))
        return [Op("add_position", waves)]
    return []


def relative_bias(config: ViTConfig, name: str, read: int | None = None) -> Chain:
    """A ViT's bias (H, N, N) on the scores. read: the rows of the first queries alone, (H, read, N)."""
    return bias_from_table(name, config.grid, config.heads, config.has_class_token, read)


def bias_from_table(
    name: str, grid: Grid, heads: int, class_token: bool = False, read: int | None = None, std: float = 0.0
) -> Chain:
    """A bias (H, N, N) on the scores, from its table: an entry for each offset between two places of a grid (see
    ops/positions.py). read: the rows of the first queries alone, (H, read, N)."""
    table = Parameter(
        f"{name}.relative_position_bias_table", (ops.relative_table_size(grid, class_token), heads), std=std
    )
    N = grid[0] * grid[1] + class_token
    rows = N if read is None else read
    if N * N > MOST_OFFSETS:
        raise ValueError(
            f"relative positions of {grid[0]} x {grid[1]} places are {N * N:,} offsets, expected at most "
            f"{MOST_OFFSETS:,}: choose a smaller image_size, or larger patches"
        )

    def index() -> np.ndarray:  # N² numbers: made when a model is, not when one is described
        return ops.relative_index(grid, class_token)[:rows].astype(np.int32)  # as the kernels take it

    constant = Parameter(f"relative_index.{grid[0]}x{grid[1]}.{rows}", (rows, N), fixed=index)
    return Chain(Value(table), Op("relative_bias", constant))


def axial_block(config: ViTConfig, name: str, end: Callable[[str], list[Layer]]) -> list[Residual]:
    """z + MSA(LN(z)) along the rows, then along the columns (see ops/axial.py). end: how a branch ends."""
    D, H, layers = config.width, config.heads, []
    parts = ("row", "norm1", "attn", "ls1"), ("column", "norm_column", "attn_column", "ls_column")
    for along, norm_name, attn, scale in parts:
        msa = attention(f"{name}.{attn}", D, H, config.qkv_bias, config.attention_dropout)
        lines, unlines = (Op(op, grid=config.grid, along=along) for op in ("lines", "unlines"))
        layers.append(Residual(norm(f"{name}.{norm_name}", D, config.norm_eps), lines, msa, unlines, *end(scale)))
    return layers


def swiglu(name: str, D: int, M: int, dropout: float = 0.0) -> Chain:
    """An MLP whose hidden layer is a product of two, one of which is the gate (see ops/swiglu.py)."""
    return Chain(dense(f"{name}.fc1", D, 2 * M), Op("swiglu"), *drop(dropout), dense(f"{name}.fc2", M, D))
