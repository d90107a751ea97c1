"""Launches of deformable attention. Each version is one idea, told in kernels/deformable_attention*.cu.

Version 2 wants heads of whole 16 bytes: others are widened before (see ../deformable.py).
"""

import numpy as np

from ..launch import CTYPES, Launch, at_least_one, blocks, ctype
from .versions import check_version

VERSIONS = {"deformable_attention_forward": (1, 2), "deformable_attention_backward": (1, 2)}
THREADS = 256  # a block

VALUE, SAMPLES, LEVELS = "in value", ("in locations", "in weights"), "in levels:int"
SIZES = tuple(f"int {name}" for name in ("B", "S", "Q", "H", "L", "P", "d"))


def deformable_attention_forward(B: int, Q: int, H: int, d: int, dtype: type, version: int | None = None) -> Launch:
    """value (B, S, H, d), locations (B, Q, H, L, P, 2), weights, levels (L, 3) -> y (B, Q, H, d)."""
    dtype = np.dtype(dtype)
    version = _chosen("deformable_attention_forward", version, d, dtype)
    arguments = ("out y", VALUE, *SAMPLES, LEVELS, *SIZES)
    return _launch("", f"forward_v{version}", dtype, arguments, B * Q * H, d, version)


def deformable_attention_backward(
    B: int, S: int, Q: int, H: int, L: int, P: int, d: int, dtype: type, version: int | None = None
) -> list[Launch]:
    """dy and what the forward had -> dlocations, dweights; then dvalue, of version 2 with the samples sorted by the
    keys that deformable_keys gives them."""
    dtype = np.dtype(dtype)
    version = _chosen("deformable_attention_backward", version, d, dtype)
    arguments = ("out dlocations", "out dweights", "in dy", VALUE, *SAMPLES, LEVELS, *SIZES)
    samples = B * Q * H * L * P
    if version == 1:
        launches = [_launch("_backward", "backward_samples_v1", dtype, arguments, samples, 1, 1)]
    else:
        launches = [_launch("_backward", "backward_samples_v2", dtype, arguments, samples, d, 2)]
    sorting = ("in firsts:int", "in order:int", "in starts:int") if version == 2 else ()
    sizes = tuple(size for size in SIZES if size != "int Q" or version == 1)
    sizes += ("int corners",) if version == 2 else ()
    arguments = ("out dvalue", "in dy", *SAMPLES, LEVELS, *sorting, *sizes)
    return [*launches, _launch("_backward", f"backward_cells_v{version}", dtype, arguments, B * S * H, d, version)]


def deformable_keys(samples: int, dtype: type) -> Launch:
    """A number for each sample, by which they are sorted: where the upper left of its four cells is."""
    dtype = np.dtype(dtype)
    sizes = tuple(f"int {name}" for name in ("samples", "Q", "H", "L", "P", "corners", "nowhere"))
    arguments = ("out keys:int", "in locations", LEVELS, "in firsts:int", *sizes)
    file, kernel = "deformable_attention_backward.cu", f"deformable_keys<{ctype(dtype)}>"
    return Launch(file, kernel, dtype, arguments, (blocks(samples, THREADS),), (THREADS,))


def every_launch() -> list[Launch]:
    """Every version, at the widths of the published models (32), of ours (16) and of narrow and wide heads."""
    found = []
    for dtype in CTYPES:
        for version, d in ((1, 32), (2, 4), (2, 8), (2, 16), (2, 32), (2, 64), (2, 128)):
            found.append(deformable_attention_forward(1, 10, 8, d, dtype, version))
            found += deformable_attention_backward(1, 85, 10, 8, 2, 4, d, dtype, version)
        found.append(deformable_keys(640, dtype))
    return list({launch.kernel: launch for launch in found}.values())


def lanes(d: int, dtype: np.dtype) -> int:
    """Threads that share a head: a power of two with 16 bytes for each, at most a warp, which then goes rounds."""
    vectors = d * dtype.itemsize // 16
    return min(32, 1 << (vectors - 1).bit_length())


def _launch(
    file: str, name: str, dtype: np.dtype, arguments: tuple[str, ...], count: int, d: int, version: int
) -> Launch:
    """count: of what has d numbers each. A thread has one of them in version 1, and 16 bytes in version 2."""
    share = lanes(d, dtype) if version == 2 else d
    template = f"{ctype(dtype)}, {share}" if version == 2 else ctype(dtype)
    grid = (blocks(count * share, THREADS),)
    kernel = f"deformable_{name}<{template}>"
    return Launch(f"deformable_attention{file}.cu", kernel, dtype, arguments, grid, (THREADS,), vectors=version == 2)


def _chosen(ladder: str, version: int | None, d: int, dtype: np.dtype) -> int:
    at_least_one("numbers in a head", d)
    version = check_version(ladder, version, VERSIONS[ladder]) or 2
    if version == 2 and d * dtype.itemsize % 16:
        size = 16 // dtype.itemsize
        raise ValueError(f"{ladder}: version 2 takes heads of a multiple of {size} for {dtype}, not {d}")
    return version
