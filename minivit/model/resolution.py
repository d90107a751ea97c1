"""The same model for images of another size: all that a ViT has of the old size are its learned positions."""

import dataclasses

import numpy as np

from ..ops import resize_positions_forward
from ..ops.resize import resize_matrix
from .config import ViTConfig


def at_resolution(
    config: ViTConfig, params: dict[str, np.ndarray], image_size: int | tuple[int, int], method: str | None = None
) -> tuple[ViTConfig, dict[str, np.ndarray]]:
    """A model's configuration and parameters for another image_size, a rectangle if you like: the patches keep their
    size, so there are more or fewer of them, and the positions are resized to the new grid.

    method: a rule of ops/resize.py, config.position_resize if not given. Other parameters are handed on, not copied.
    Raises ValueError where patches do not divide the new image.
    """
    new = dataclasses.replace(config, image_size=image_size)
    method = method or config.position_resize
    if new.grid == config.grid:
        return new, dict(params)
    return new, {name: _at_grid(name, array, config, new.grid, method) for name, array in params.items()}


def _at_grid(name: str, array: np.ndarray, config: ViTConfig, grid: tuple[int, int], method: str) -> np.ndarray:
    if name == "pos_embed":
        return resize_positions_forward(array, config.grid, grid, config.position_prefix, method)[0]
    # [row_i | column_j] resized is [row resized | column resized], since the weights of a new place sum to 1.
    if name == "pos_embed.row":
        return _resize_axis(array, grid[0], method)
    if name == "pos_embed.column":
        return _resize_axis(array, grid[1], method)
    if name.endswith(".relative_position_bias_table"):
        return resize_offsets(array, config.grid, grid, method)
    return array


def _resize_axis(table: np.ndarray, new: int, method: str) -> np.ndarray:
    """table (n, D/2) -> (new, D/2)."""
    return np.asarray(resize_matrix(len(table), new, method), table.dtype, like=table) @ table


def resize_offsets(table: np.ndarray, old: tuple[int, int], new: tuple[int, int], method: str) -> np.ndarray:
    """A relative table (entries, H) is a picture too, of the (2gh−1) x (2gw−1) offsets; offset 0 stays in its middle.
    Swin resizes it so (arXiv 2103.14030). The class token's three entries, at the end, are no offsets, and stay."""
    old, new = (tuple(2 * side - 1 for side in grid) for grid in (old, new))
    offsets = old[0] * old[1]
    resized, _ = resize_positions_forward(table[None, :offsets], old, new, 0, method)
    return np.concatenate((resized[0], table[offsets:]))
