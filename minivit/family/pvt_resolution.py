"""A Pyramid Vision Transformer at another image size: version 1's tables of positions, resized bilinearly, each for the
map of its stage. The class token's row, which is no place, stays. Version 2 has no table."""

import math

from .. import ops
from ..layers import Arrays
from .pvt import PVTConfig


def at_resolution(params: Arrays, old: PVTConfig, new: PVTConfig, as_is: bool = False) -> Arrays:
    """The parameters of `old` for `new`, which differs in its image_size. as_is: a table for another map of as many
    tokens is left alone, as Hugging Face has it."""
    if old.version == 2:
        return params
    resized = dict(params)
    for s, (before, after) in enumerate(zip(old.stages, new.stages, strict=True)):
        same_count = math.prod(before.grid) == math.prod(after.grid)
        if before.grid != after.grid and not (as_is and same_count):
            name, last = f"stages.{s}.pos_embed", s == len(old.stages) - 1
            resized[name], _ = ops.resize_positions_forward(
                params[name], before.grid, after.grid, int(last), "bilinear"
            )
    return resized
