"""Launches of RoIAlign. Each version is one idea, told in kernels/roi_align.cu and roi_align_backward.cu."""

import numpy as np

from ..launch import CTYPES, Launch, at_least_one, blocks, ctype
from .versions import check_version

VERSIONS = {"roi_align_forward": (1, 2, 3), "roi_align_backward": (1, 2)}

THREADS = 128  # a block
WARP = 32
MOST_BINS = 16  # along a side, that a warp's lanes share out: HALF in roi_align.cuh

SIZES = ("int images", "int queries", "int places", "int channels", "int size", "int samples")
FORWARD = ("out y", "in maps", "in boxes", "in looks:int", *SIZES)
BACKWARD = ("out dmaps", "in dy", "in boxes", "in looks:int", *SIZES)


def roi_align_forward(
    images: int, queries: int, channels: int, size: int, dtype: type, version: int | None = None
) -> Launch:
    """y (images, queries, size², channels) of maps (images, places, channels), boxes (images, queries, 4) and looks
    (images, queries, 4). version None: v3 where channels are whole 16 bytes, else v1."""
    dtype = np.dtype(dtype)
    version = _check("roi_align_forward", (images, queries, channels, size), dtype, version, most=None)
    bins, vectors = images * queries * size * size, channels * dtype.itemsize // 16
    if version == 3:
        grid = (blocks(bins * blocks(vectors, WARP), THREADS // WARP),)
    else:
        grid = (blocks(bins * (vectors if version == 2 else channels), THREADS),)
    kernel = f"roi_align_forward_v{version}<{ctype(dtype)}>"
    return Launch("roi_align.cu", kernel, dtype, FORWARD, grid, (THREADS,), vectors=True)


def roi_align_backward(
    images: int, places: int, channels: int, size: int, dtype: type, version: int | None = None
) -> Launch:
    """dmaps (images, places, channels) of dy, boxes and looks. version None: v2 where channels are whole 16 bytes and
    there are few enough bins, else v1."""
    dtype = np.dtype(dtype)
    version = _check("roi_align_backward", (images, places, channels, size), dtype, version, most=MOST_BINS)
    if version == 1:
        grid = blocks(images * places * channels, THREADS)
    else:
        grid = blocks(images * places * blocks(channels * dtype.itemsize // 16, WARP), THREADS // WARP)
    kernel = f"roi_align_backward_v{version}<{ctype(dtype)}>"
    return Launch("roi_align_backward.cu", kernel, dtype, BACKWARD, (grid,), (THREADS,), vectors=True)


def _check(name: str, sizes: tuple[int, ...], dtype: np.dtype, version: int | None, most: int | None) -> int:
    """The version to use. Raises ValueError for one that cannot do it."""
    for what, count in zip(("images", "queries or places", "channels", "bins"), sizes, strict=True):
        at_least_one(what, count)
    *_, channels, size = sizes
    whole = channels * dtype.itemsize % 16 == 0
    fits = whole and (most is None or size <= most)
    if (check_version(name, version, VERSIONS[name]) or 1) > 1 and not fits:
        bins = "" if most is None else f" and at most {most} bins a side"
        raise ValueError(
            f"{name}: version {version} takes a multiple of {16 // dtype.itemsize} channels for {dtype}{bins}, "
            f"not {channels} and {size}"
        )
    return version or (VERSIONS[name][-1] if fits else 1)


def every_launch() -> list[Launch]:
    """One of each kernel that this file can launch."""
    return [
        ladder(2, 100, 256, 7, dtype, version)
        for dtype in CTYPES
        for ladder in (roi_align_forward, roi_align_backward)
        for version in VERSIONS[ladder.__name__]
    ]
