"""Launches of GELU, patchify, cross-entropy and AdamW, each element or each row for itself; and of sums of columns."""

import numpy as np

from ..launch import CTYPES, Launch, at_least_one, blocks, ctype
from .versions import check_version

VERSIONS = {"gelu_forward": (1, 2), "gelu_backward": (1, 2)}

THREADS = 256  # a block, where every thread is for itself
ROW_WARPS = 4  # warps a block, where each warp has a row
GRID_Y = 65535  # blocks that a grid may have in y
NARROW, TALL = 8, 32  # columns and rows of a block that sums columns: as in column_sums.cuh


def gelu_forward(n: int, dtype: type, kind: str = "erf", version: int | None = None) -> Launch:
    """y = x Φ(x) of n numbers. kind: "erf" or "tanh"."""
    return _gelu("gelu_forward", ("out y", "in x", "int n"), n, dtype, kind, version)


def gelu_backward(n: int, dtype: type, kind: str = "erf", version: int | None = None) -> Launch:
    return _gelu("gelu_backward", ("out dx", "in dy", "in x", "int n"), n, dtype, kind, version)


def _gelu(name: str, arguments: tuple[str, ...], n: int, dtype: type, kind: str, version: int | None) -> Launch:
    if kind not in ("erf", "tanh"):
        raise ValueError(f'gelu is {kind!r}, expected "erf" or "tanh"')
    dtype = np.dtype(dtype)
    version = check_version(name, version, VERSIONS[name]) or 2
    kernel = f"{name}_v{version}<{ctype(dtype)}, {kind.upper()}>"
    per_thread = 1 if version == 1 else 16 // dtype.itemsize
    grid = (blocks(n, THREADS * per_thread),)
    return Launch("gelu.cu", kernel, dtype, arguments, grid, (THREADS,), vectors=version == 2)


def patchify_forward(image_shape: tuple[int, int, int, int], patch_size: tuple[int, int], dtype: type) -> Launch:
    """images (B, height, width, C) -> patches (B, N, Ph·Pw·C)."""
    return _patchify("patchify_forward", ("out patches", "in images"), image_shape, patch_size, dtype)


def patchify_backward(image_shape: tuple[int, int, int, int], patch_size: tuple[int, int], dtype: type) -> Launch:
    """dpatches (B, N, Ph·Pw·C) -> dimages (B, height, width, C)."""
    return _patchify("patchify_backward", ("out dimages", "in dpatches"), image_shape, patch_size, dtype)


def _patchify(
    name: str, arrays: tuple[str, ...], image_shape: tuple[int, ...], patch_size: tuple[int, int], dtype: type
) -> Launch:
    B, height, width, channels = image_shape
    if height % patch_size[0] or width % patch_size[1]:
        raise ValueError(f"{name}: patches of {patch_size} do not divide an image of {(height, width)}")
    tiles = blocks(height * width * channels, THREADS)
    if tiles > GRID_Y:
        largest = GRID_Y * THREADS
        raise ValueError(f"{name}: an image of {height * width * channels} numbers; the grid reaches {largest}")
    dtype = np.dtype(dtype)
    sizes = ("int height", "int width", "int channels", "int patch_height", "int patch_width")
    grid = (at_least_one("images", B), tiles)
    return Launch("patchify.cu", f"{name}<{ctype(dtype)}>", dtype, (*arrays, *sizes), grid, (THREADS,))


def cross_entropy(rows: int, classes: int, dtype: type, targets: bool = False) -> Launch:
    """Losses and gradients of logits (rows, classes), from labels (rows,) of int32 or, with `targets`, from
    probabilities (rows, classes); the other of the two is None."""
    dtype = np.dtype(dtype)
    at_least_one("classes", classes)
    wanted = ("in labels?", "in targets") if targets else ("in labels:int", "in targets?")
    arguments = ("out losses", "out dlogits", "in logits", *wanted, "int rows", "int classes", "real smoothing")
    kernel = f"cross_entropy<{ctype(dtype)}>"
    return Launch("cross_entropy.cu", kernel, dtype, arguments, (blocks(rows, ROW_WARPS),), (32 * ROW_WARPS,))


def column_sums(rows: int, width: int, dtype: type) -> Launch:
    """sums (width,) of x (rows, width)."""
    dtype = np.dtype(dtype)
    at_least_one("rows", rows)
    arguments, grid = ("out sums", "in x", "int rows", "int width"), (blocks(width, NARROW),)
    return Launch("column_sums.cu", f"column_sums<{ctype(dtype)}>", dtype, arguments, grid, (NARROW, TALL))


def adamw(n: int, dtype: type) -> Launch:
    """One update of n parameters, in place. `adamw_numbers` makes the numbers, from one_minus_beta1 on."""
    dtype = np.dtype(dtype)
    arrays = ("inout theta", "inout mean", "inout square", "in grads", "int n", "int decayed")
    numbers = ("one_minus_beta1", "one_minus_beta2", "shrink", "step_size", "square_correction", "eps")
    arguments = (*arrays, *(f"real {number}" for number in numbers))
    return Launch("adamw.cu", f"adamw<{ctype(dtype)}>", dtype, arguments, (blocks(n, THREADS),), (THREADS,))


def adamw_numbers(
    learning_rate: float, betas: tuple[float, float], eps: float, decay: float, step: int
) -> tuple[float, ...]:
    """What the kernel of `adamw` takes after n and decayed, in its order, from what train.optimizer.adamw_update takes
    after decayed; step counts from 1."""
    beta1, beta2 = betas
    return 1 - beta1, 1 - beta2, learning_rate * decay, learning_rate / (1 - beta1**step), 1 - beta2**step, eps


def every_launch() -> list[Launch]:
    """One of each kernel that this file can launch, for what looks at all of them."""
    launches = []
    for dtype in CTYPES:
        for kind in ("erf", "tanh"):
            launches += [gelu_forward(1000, dtype, kind, version) for version in VERSIONS["gelu_forward"]]
            launches += [gelu_backward(1000, dtype, kind, version) for version in VERSIONS["gelu_backward"]]
        images = ((2, 28, 28, 1), (7, 7), dtype)
        launches += [patchify_forward(*images), patchify_backward(*images)]
        launches += [cross_entropy(8, 10, dtype), column_sums(8, 10, dtype), adamw(1000, dtype)]
    return launches
