"""Launches of LayerNorm. Each version is one idea, told in kernels/layernorm.cu and layernorm_backward.cu."""

import numpy as np

from ..launch import CTYPES, SHARED, Launch, at_least_one, blocks, ctype
from . import layernorm_narrow as narrow
from .elementwise import NARROW, TALL
from .versions import check_version

VERSIONS = {"layernorm_forward": (1, 2, 3, 4), "layernorm_backward": (1, 2, 3)}

WARP = 32
WARPS = 4  # warps a block
STRIPS = 8  # warps a block of the column sums: as in layernorm_backward.cu

# How many 16-byte vectors of each array a lane can hold in its 255 registers of 4 bytes. The forward keeps one array (4
# registers a vector), the backward four: x̂, dx̂, dγ and dβ (16). With doubles, all else takes more registers too.
FORWARD_VECTORS = 32
BACKWARD_VECTORS = {"float": 12, "double": 8}

FORWARD = ("out y", "out mean", "out rstd", "in x", "in gamma", "in beta", "int rows", "int width", "real eps")
ROWS_IN = ("in dy", "in x", "in gamma", "in mean", "in rstd", "int rows", "int width")
PARTIAL_OUT = ("out dgamma_partial", "out dbeta_partial")


def layernorm_forward(rows: int, width: int, dtype: type, version: int | None = None) -> Launch:
    """y, mean and rstd of x (rows, width). version None: v4 where the width allows it, else v3; narrow rows have a
    kernel of their own."""
    dtype = np.dtype(dtype)
    at_least_one("columns", width)
    version = check_version("layernorm_forward", version, VERSIONS["layernorm_forward"])
    if version is None and narrow.lanes(width, dtype):
        return narrow.forward(rows, width, dtype)
    vectors = _vectors(width, dtype)
    fits = vectors is not None and vectors <= FORWARD_VECTORS
    version = version or (4 if fits else 3)
    if version == 4 and not fits:
        raise ValueError(f"layernorm_forward: version 4 {_wants(dtype, FORWARD_VECTORS)}, not {width}")
    T = ctype(dtype)
    if version == 1:
        # 32 threads a block, not 256: even few rows then spread over many multiprocessors
        return Launch("layernorm.cu", f"layernorm_forward_v1<{T}>", dtype, FORWARD, (blocks(rows, WARP),), (WARP,))
    if version == 2:
        threads = WARP  # a power of two near the width, at most 256
        while threads < min(width, 256):
            threads *= 2
        kernel, shared = f"layernorm_forward_v2<{T}>", threads * dtype.itemsize
        return Launch("layernorm.cu", kernel, dtype, FORWARD, (at_least_one("rows", rows),), (threads,), shared)
    kernel = f"layernorm_forward_v3<{T}>" if version == 3 else f"layernorm_forward_v4<{T}, {vectors}>"
    grid, block = (blocks(rows, WARPS),), (WARP * WARPS,)
    return Launch("layernorm.cu", kernel, dtype, FORWARD, grid, block, vectors=version == 4)


def partial_rows(rows: int) -> int:
    """P, the rows of the scratch arrays dgamma_partial and dbeta_partial (P, width) of the backward.

    A block adds up rows / P of them: some 32 are enough to make the partial sums few, and 512 blocks fill the largest
    GPU. It depends on nothing else, least of all on the GPU, so that the gradient has the same bits everywhere.
    """
    return min(blocks(rows, 32), 512)


def layernorm_backward(rows: int, width: int, dtype: type, version: int | None = None) -> list[Launch]:
    """dx, dgamma and dbeta, in two launches or (v1) three, with two scratch arrays of (partial_rows(rows), width).

    version None: v3 where the width allows it, else v2, else v1; narrow rows have a kernel of their own.
    """
    dtype = np.dtype(dtype)
    at_least_one("columns", width)
    version = check_version("layernorm_backward", version, VERSIONS["layernorm_backward"])
    P = partial_rows(rows)
    total = _sum(width, dtype)
    if version is None and narrow.lanes(width, dtype):
        return [narrow.backward(width, dtype, P), total]
    if version == 3 or version is None:
        vectors, most = _vectors(width, dtype), BACKWARD_VECTORS[ctype(dtype)]
        if vectors is not None and vectors <= most:
            return [_fused(3, f"{ctype(dtype)}, {vectors}", P, dtype, WARPS, WARPS * width * dtype.itemsize), total]
        if version == 3:
            raise ValueError(f"layernorm_backward: version 3 {_wants(dtype, most)}, not {width}")
    if version == 2 or version is None:
        a_warp = 2 * width * dtype.itemsize  # bytes of its column sums
        warps = min(WARPS, SHARED // a_warp)
        if warps:
            return [_fused(2, ctype(dtype), P, dtype, warps, warps * a_warp), total]
        if version == 2:
            widest = SHARED // (2 * dtype.itemsize)
            raise ValueError(f"layernorm_backward: version 2 takes a width of at most {widest}, not {width}")
    return [_dx(rows, dtype), _partial(P, width, dtype), total]


def _fused(version: int, template: str, P: int, dtype: np.dtype, warps: int, shared: int) -> Launch:
    kernel = f"layernorm_backward_v{version}<{template}>"
    arguments = ("out dx", *PARTIAL_OUT, *ROWS_IN)
    return Launch("layernorm_backward.cu", kernel, dtype, arguments, (P,), (WARP * warps,), shared, version == 3)


def _dx(rows: int, dtype: np.dtype) -> Launch:
    kernel = f"layernorm_backward_dx_v1<{ctype(dtype)}>"
    grid, block = (blocks(rows, WARPS),), (WARP * WARPS,)
    return Launch("layernorm_backward.cu", kernel, dtype, ("out dx", *ROWS_IN), grid, block)


def _partial(P: int, width: int, dtype: np.dtype) -> Launch:
    kernel = f"layernorm_backward_partial_v1<{ctype(dtype)}>"
    arguments = (*PARTIAL_OUT, *(argument for argument in ROWS_IN if argument != "in gamma"))
    return Launch("layernorm_backward.cu", kernel, dtype, arguments, (P, blocks(width, WARP)), (WARP, STRIPS))


def _sum(width: int, dtype: np.dtype) -> Launch:
    kernel = f"layernorm_backward_sum<{ctype(dtype)}>"
    arguments = ("out dgamma", "out dbeta", "in dgamma_partial", "in dbeta_partial", "int partials", "int width")
    return Launch("layernorm_backward.cu", kernel, dtype, arguments, (blocks(width, NARROW), 2), (NARROW, TALL))


def _vectors(width: int, dtype: np.dtype) -> int | None:
    """How many 16-byte vectors of a row fall to each of 32 lanes; None if the width is no multiple of 16 bytes."""
    size = 16 // dtype.itemsize
    return None if width % size else blocks(width // size, WARP)


def _wants(dtype: np.dtype, vectors: int) -> str:
    size = 16 // dtype.itemsize
    return f"takes a width that is a multiple of {size} and at most {vectors * WARP * size} for {dtype}"


def every_launch() -> list[Launch]:
    """One of each kernel that this file can launch, at the widths of the models people train."""
    launches = []
    for dtype in CTYPES:
        launches += [layernorm_forward(8, 64, dtype, version) for version in (1, 2, 3, 4)]
        launches += [layernorm_forward(8, width, dtype) for width in (192, 384, 768, 1024, 1280, 1536, 2048)]
        for version in VERSIONS["layernorm_backward"]:
            launches += layernorm_backward(8, 64, dtype, version)
        launches += [layernorm_backward(8, width, dtype)[0] for width in (192, 384, 512, 768, 1024, 1280, 1536)]
    return list({launch.kernel: launch for launch in launches}.values())
