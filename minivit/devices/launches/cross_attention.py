"""Launches of attention with as many queries and keys as there are of each: kernels/cross_attention.cu.

One version, the best of self-attention's ladder. Its rows are whole 16 bytes.
"""

import numpy as np

from ..launch import CTYPES, Launch, at_least_one, blocks, ctype
from .tiles import Tile, attention_delta, check_heads, fit, tiles_of_columns, tiles_of_rows


def cross_attention_shapes(B: int, H: int, Nq: int, Nk: int, d: int) -> dict[str, tuple[int, ...]]:
    """The shape of every array that a launch names. The last is handed from launch to launch, no further."""
    return {
        "q": (B, Nq, H, d),
        "kv": (B, Nk, 2, H, d),
        "out": (B, Nq, H, d),
        "bias": (H, Nq, Nk),
        "lse": (B, H, Nq),
        "dq": (B, Nq, H, d),
        "dkv": (B, Nk, 2, H, d),
        "dout": (B, Nq, H, d),
        "dbias": (H, Nq, Nk),
        "delta": (B, H, Nq),
    }


def cross_attention_forward(B: int, H: int, Nq: int, Nk: int, d: int, dtype: type, bias: bool) -> list[Launch]:
    """q (B, Nq, H, d), kv (B, Nk, 2, H, d), bias (H, Nq, Nk) or None -> out like q, lse (B, H, Nq).

    bias: whether there is one: the same launch.
    """
    dtype = np.dtype(dtype)
    _check(B, H, Nq, Nk, d, dtype)
    tile = fit(d, dtype, 1, tiles_of_rows(Nq))
    arguments = ("out out", "out lse", "in q", "in kv", "in bias?", "int Nq", "int Nk", "real scale")
    return [_launch("forward", d, dtype, arguments, (blocks(Nq, tile.rows), H, B), tile, tile.shared)]


def cross_attention_backward(B: int, H: int, Nq: int, Nk: int, d: int, dtype: type, bias: bool) -> list[Launch]:
    """dout and what the forward had and made -> dq, dkv, and dbias where there is a bias."""
    dtype = np.dtype(dtype)
    _check(B, H, Nq, Nk, d, dtype)
    of_keys, of_queries = fit(d, dtype, 2, tiles_of_columns(Nq)), fit(d, dtype, 2, tiles_of_rows(Nq))
    inputs = ("in q", "in kv", "in bias?", "in dout", "in lse", "in delta")
    sizes = ("int Nq", "int Nk", "real scale")

    def launch(name: str, output: str, grid: tuple[int, ...], tile: Tile) -> Launch:
        return _launch(f"backward_{name}", d, dtype, (f"out {output}", *inputs, *sizes), grid, tile, tile.shared)

    launches = [
        attention_delta(B, H, Nq, d, dtype, version=3, count="Nq"),
        launch("keys", "dkv", (blocks(Nk, of_keys.rows), H, B), of_keys),
        launch("queries", "dq", (blocks(Nq, of_queries.rows), H, B), of_queries),
    ]
    if bias:
        grid = (blocks(Nq, of_queries.rows) * blocks(Nk, of_queries.columns), H)
        arguments = ("out dbias", *inputs, "int B", *sizes)
        shared = of_queries.shared - of_queries.weights  # dS goes straight into the sum
        launches.append(_launch("backward_bias", d, dtype, arguments, grid, of_queries, shared))
    return launches


def every_launch() -> list[Launch]:
    """For a class token alone, for 5 … 8 queries, and for more; in the narrowest heads, ViT's and the widest."""
    launches = [
        launch
        for dtype in CTYPES
        for ladder in (cross_attention_forward, cross_attention_backward)
        for d in (8, 64, 128)
        for Nq in ((1, 8, 100) if d == 64 else (1, 100))
        for launch in ladder(2, 3, Nq, 197, d, dtype, True)
        if launch.file == "cross_attention.cu"
    ]
    return list({launch.kernel: launch for launch in launches}.values())


def _launch(
    name: str, d: int, dtype: np.dtype, arguments: tuple[str, ...], grid: tuple[int, ...], tile: Tile, shared: int
) -> Launch:
    kernel = f"cross_attention_{name}<{ctype(dtype)}, {d}, {tile}>"
    return Launch("cross_attention.cu", kernel, dtype, arguments, grid, (tile.threads,), shared, vectors=True)


def _check(B: int, H: int, Nq: int, Nk: int, d: int, dtype: np.dtype) -> None:
    check_heads(B, H, d)
    at_least_one("queries", Nq)
    at_least_one("keys", Nk)
    if d * dtype.itemsize % 16:
        size = 16 // dtype.itemsize
        raise ValueError(f"cross_attention takes a head width that is a multiple of {size} for {dtype}, not {d}")
