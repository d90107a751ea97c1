"""Every operation that PVT and MobileViT have besides, with every option; a part of operations.py's list."""

from collections.abc import Callable, Mapping

import numpy as np

from .. import ops
from ..ops.resize import resize_matrix

PICTURE = {"x": (2, 5, 4, 3)}  # (B, height, width, C)
FILTERS = PICTURE | {"weight": (3, 3, 3)}


def _bilinear(old: int, new: int) -> np.ndarray:
    return resize_matrix(old, new, "bilinear")


def _resample(matrix: Callable[[int, int], np.ndarray], size: tuple[int, int]) -> Callable:
    """The forward for one size and one kind of matrices."""

    def forward(x: np.ndarray) -> tuple:
        return ops.resample_forward(x, *(matrix(n, m).astype(x.dtype) for n, m in zip(x.shape[1:3], size, strict=True)))

    return forward


# As in operations.py: forward, backward, and the shapes of the arguments that are differentiated.
MAPS: dict[str, tuple[Callable, Callable, Mapping[str, tuple[int, ...]]]] = {
    "to_map": (lambda x: ops.to_map_forward(x, (2, 3)), ops.to_map_backward, {"x": (2, 6, 4)}),
    "to_tokens": (ops.to_tokens_forward, ops.to_tokens_backward, PICTURE),
    "crop": (lambda x: ops.crop_forward(x, (4, 3)), ops.crop_backward, PICTURE),
    "overlapping_patches": (
        lambda x: ops.overlapping_patches_forward(x, 3, 2),
        ops.overlapping_patches_backward,
        PICTURE,
    ),
    "overlapping_patches, even": (
        lambda x: ops.overlapping_patches_forward(x, 4, 3),
        ops.overlapping_patches_backward,
        {"x": (2, 7, 6, 2)},
    ),
    "depthwise_convolution": (ops.depthwise_convolution_forward, ops.depthwise_convolution_backward, FILTERS),
    "depthwise_convolution, bias": (
        ops.depthwise_convolution_forward,
        ops.depthwise_convolution_backward,
        FILTERS | {"bias": (3,)},
    ),
    "depthwise_convolution, stride 2": (
        lambda x, w: ops.depthwise_convolution_forward(x, w, None, 2),
        ops.depthwise_convolution_backward,
        FILTERS,
    ),
    "resample, pool": (_resample(ops.pool_matrix, (3, 7)), ops.resample_backward, PICTURE),
    "resample, bilinear": (_resample(_bilinear, (8, 3)), ops.resample_backward, PICTURE),
    "silu": (ops.silu_forward, ops.silu_backward, {"x": (2, 5, 6)}),
    "unfold": (lambda x: ops.unfold_forward(x, (2, 3)), ops.unfold_backward, {"x": (2, 4, 9, 2)}),
    "fold": (lambda x: ops.fold_forward(x, (2, 3), (4, 9)), ops.fold_backward, {"x": (12, 6, 2)}),
}
