"""A map at another size, as a layer: by the means of its cells, or resized (see ops/resample.py)."""

from functools import partial

from .. import ops
from ..layers import Op, Parameter
from ..ops.resize import resize_matrix

Pair = tuple[int, int]
MATRICES = {"pool": ops.pool_matrix, "bilinear": partial(resize_matrix, method="bilinear")}


def resampled(kind: str, old: Pair, new: Pair) -> Op:
    """kind "pool" or "bilinear".   (B, *old, C) -> (B, *new, C)"""
    constants = (
        Parameter(f"{kind}_matrix.{n}.{m}", (m, n), fixed=partial(MATRICES[kind], n, m))  # made when a model is
        for n, m in zip(old, new, strict=True)
    )
    return Op("resample", *constants)
