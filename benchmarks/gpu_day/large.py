"""The step large: arrays of more than 2³¹ bytes and numbers, where an int of 32 bits would run over.

A block of rows or images is repeated: all copies must come out with the bits of the first, and the first must be right.
"""

import numpy as np

from minivit import ops
from minivit.devices import get_device

from .findings import attempt, expect, worst

F32, F64 = np.float32, np.float64


def large(dry: bool) -> None:
    for name, needs, work in (
        ("LayerNorm", 38, lambda: layernorm(*((3, 64, 768) if dry else (708, 4096, 768)))),
        ("attention", 26, lambda: attention(*((2, 2, 2, 17, 12) if dry else (300, 16, 12, 197, 64)))),
        ("GELU", 20, lambda: gelu(1003 if dry else 2**31 - 1)),
        (
            "patchify",
            30,
            lambda: patches(*((2, (2, 28, 28, 1), (7, 7)) if dry else (1000, (16, 224, 224, 3), (16, 16)))),
        ),
    ):
        free = needs if dry else free_gigabytes()
        if free < needs:
            print(f"left out {name}: it needs {needs} GB of the GPU's memory, and {free:.0f} are free")
        else:
            attempt(name, work)


def free_gigabytes() -> float:
    """Of the GPU's memory, when CuPy has given back what it keeps."""
    import cupy

    cupy.get_default_memory_pool().free_all_blocks()
    return cupy.cuda.runtime.memGetInfo()[0] / 1e9


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=F32)


def repeated(block: np.ndarray, times: int) -> object:
    """On the GPU: (n, …) -> (times·n, …)."""
    device = get_device("cuda")
    there = device.empty((times, *block.shape), block.dtype)
    there[...] = device.asarray(block)
    return there.reshape(times * block.shape[0], *block.shape[1:])


def compare(got: object, right: np.ndarray, bound: float, what: str) -> None:
    """The first copy with the right answer, and all others with the first."""
    copies = got.reshape(-1, *right.shape)
    expect(worst(get_device("cuda").to_numpy(copies[0]), right), bound, what)
    for start in range(0, len(copies), 16):
        if not bool((copies[start : start + 16] == copies[:1]).all()):
            raise AssertionError(f"{what}: of copies {start} … {start + 15} some differ from the first")


def layernorm(times: int, rows: int, width: int) -> str:
    device, kernels = get_device("cuda"), get_device("cuda").ops
    x, dy, gamma, beta = normal(0, rows, width), normal(1, rows, width), normal(2, width), normal(3, width)
    y, cache = ops.layernorm_forward(*(a.astype(F64) for a in (x, gamma, beta)))
    dx, dgamma, dbeta = ops.layernorm_backward(dy.astype(F64), cache)
    got, cache = kernels.layernorm_forward(repeated(x, times), device.asarray(gamma), device.asarray(beta))
    compare(got, y, 1e-5, "y")
    got, dg, db = kernels.layernorm_backward(repeated(dy, times), cache)
    compare(got, dx, 1e-5, "dx")
    expect(worst(device.to_numpy(dg), times * dgamma), 1e-3, "dgamma")
    expect(worst(device.to_numpy(db), times * dbeta), 1e-3, "dbeta")
    return f"{times * rows * width:,} numbers"


def attention(times: int, B: int, H: int, N: int, d: int) -> str:
    kernels = get_device("cuda").ops
    qkv, dout = normal(0, B, N, 3, H, d), normal(1, B, N, H, d)
    out, cache = ops.attention_forward(*qkv.astype(F64).transpose(2, 0, 3, 1, 4))
    gradients = ops.attention_backward(dout.astype(F64).swapaxes(1, 2), cache)[:3]
    got, cache = kernels.fused_attention_forward(repeated(qkv, times), None)
    compare(got, out.swapaxes(1, 2), 1e-5, "out")
    got, _ = kernels.fused_attention_backward(repeated(dout, times), cache)
    compare(got, np.stack(gradients).transpose(1, 3, 0, 2, 4), 1e-5, "dqkv")
    return f"{times * qkv.size:,} numbers in qkv"


def gelu(n: int) -> str:
    device = get_device("cuda")
    x = device.empty((n,), np.dtype(F32))
    x[...] = 0.7
    y, _ = device.ops.gelu_forward(x)
    if not bool((y == y[:1]).all()):
        raise AssertionError("some element differs from the first")
    expect(worst(device.to_numpy(y[-1:]), ops.gelu_forward(np.full(1, F32(0.7), F64))[0]), 1e-6, "the last")
    return f"{n:,} numbers"


def patches(times: int, shape: tuple[int, ...], patch: tuple[int, int]) -> str:
    kernels, block = get_device("cuda").ops, normal(0, *shape)
    expected, _ = ops.patchify_forward(block, patch)
    got, cache = kernels.patchify_forward(repeated(block, times), patch)
    compare(got, expected, 0, "patches")
    compare(kernels.patchify_backward(got, cache), block, 0, "images")
    return f"{times * block.size:,} numbers"
