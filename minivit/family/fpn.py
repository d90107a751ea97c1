"""A pyramid of maps that all know the same things (FPN, Lin et al., arXiv 1612.03144): a map of each of the backbone's
stages, equally wide, to each of which has been added what the coarser ones say.

    "levels"   z_l = map_l W + b,   y_l = z_l + enlarged(y_(l+1)),   and a convolution 3x3 over each y_l
    "sum"      y of the finest level alone, without the convolution: all maps in one

Level k has a place for every 2^k pixels.
"""

import math
from collections.abc import Sequence

from ..layers import Chain, Each, Layer, Op, Parameter
from ..layers.parts import dense

PYRAMIDS = ("levels", "sum")


def pyramid(kind: str, widths: Sequence[int], D: int, strides: Sequence[int]) -> Chain:
    """A list of maps (B, h_l, w_l, widths[l]), finest first, of these strides -> as many (B, h_l, w_l, D), or one."""
    levels = [stride.bit_length() - 1 for stride in strides]
    laterals = Each(
        *(dense(f"fpn_lateral{k}", C, D, std=1 / math.sqrt(C)) for k, C in zip(levels, widths, strict=True))
    )
    if kind == "sum":
        return Chain(laterals, Op("top_down", keep=1))
    return Chain(laterals, Op("top_down"), Each(*(smoothing(f"fpn_output{k}", D) for k in levels)))


def smoothing(name: str, D: int) -> Layer:
    """A convolution 3x3 with a bias, which mends the steps that enlarging leaves.   (B, h, w, D), the same"""
    weight = Parameter(f"{name}.weight", (3, 3, D, D), std=1 / math.sqrt(9 * D))
    return Chain(Op("convolution", weight, padding=1), Op("add_bias", Parameter(f"{name}.bias", (D,))))
