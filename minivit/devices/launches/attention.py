"""Launches of attention. Each version is one idea, told in kernels/attention*.cu.

qkv comes as the product with W_qkv leaves it, and out goes as the projection wants it: nothing is copied in between.
What one launch hands on to the next (delta, or the score matrices of the first versions) is an array that the caller
makes: a name among the launches' arguments, with its shape in attention_shapes().
"""

import numpy as np

from ..launch import CTYPES, ROOM, SHARED, Launch, blocks, ctype
from .tiles import Tile, attention_delta, check_heads, fit, tensor_tiles, tiles_of_tokens
from .versions import Rung, check_version

VERSIONS = {"attention_forward": (1, 2, 3, 4, 5, 6, 7, 8), "attention_backward": (1, 2, 3, 4, 5, 6)}
BEST = {"attention_forward": 5, "attention_backward": 3}  # that are taken unasked: the later ones no GPU has timed
TENSOR = Rung(row=32, only=np.float32, least=80)
RUNGS = {
    "attention_forward": {5: Rung(row=16), 6: Rung(row=16, least=80), 7: TENSOR, 8: TENSOR},
    "attention_backward": {3: Rung(row=16), 4: Rung(row=16), 5: TENSOR, 6: TENSOR},
}  # the others take everything
TERMS = {7: 1, 8: 3}, {5: 1, 6: 3}  # of a product by tensor cores, by versions of the forward and of the backward
SQUARE = 16  # the side of a block in forward v2


def attention_shapes(B: int, H: int, N: int, d: int) -> dict[str, tuple[int, ...]]:
    """The shape of every array that a launch names. The last three are handed from launch to launch, no further."""
    return {
        "qkv": (B, N, 3, H, d),
        "out": (B, N, H, d),
        "bias": (H, N, N),
        "lse": (B, H, N),
        "dqkv": (B, N, 3, H, d),
        "dout": (B, N, H, d),
        "dbias": (H, N, N),
        "delta": (B, H, N),
        "weights": (B, H, N, N),
        "dscores": (B, H, N, N),
    }


def attention_forward(
    B: int, H: int, N: int, d: int, dtype: type, bias: bool, version: int | None = None, room: int = ROOM
) -> list[Launch]:
    """qkv (B, N, 3, H, d), bias (H, N, N) or None -> out (B, N, H, d), lse (B, H, N). One launch from version 3 on.

    version None: 5, or 4 where a head's row is no multiple of 16 bytes. bias: whether there is one: the same launches.
    room: bytes of shared memory that a block may have, if it asks.
    """
    dtype = np.dtype(dtype)
    version = _chosen("attention_forward", version, d, dtype)
    check_heads(B, H, d)
    T = ctype(dtype)
    if version <= 2:
        return _materialised_forward(B, H, N, d, dtype, version)
    file = "attention.cu"
    if version >= 7:
        tile = fit(d, dtype, 1, tensor_tiles(N), room, through_memory=False)
        file, kernel = "attention_tensor.cu", f"attention_forward_v7<{_of_tensors(d, tile, TERMS[0][version])}>"
        rows, threads, shared = tile.rows, tile.threads, tile.shared
    elif version >= 5:
        tile = fit(d, dtype, 1, tiles_of_tokens(N))
        file = file if version == 5 else "attention_ahead.cu"
        kernel = f"attention_forward_v{version}<{T}, {d}, {tile}>"
        rows, threads, shared = tile.rows, tile.threads, tile.shared
    else:
        warps, keys, queries = 4, *_keys_and_queries(d, dtype)
        rows, threads = warps * queries, 32 * warps
        shared = (rows + 2 * keys) * (d if version == 3 else d | 1) * dtype.itemsize
        kernel = f"attention_forward_v{version}<{T}, {d}, {keys}, {queries}>"
    grid = (blocks(N, rows), H, B)
    arguments = ("out out", "out lse", "in qkv", "in bias?", "int N", "real scale")
    least = rung("attention_forward", version).least
    return [Launch(file, kernel, dtype, arguments, grid, (threads,), shared, version >= 5, least)]


def attention_backward(
    B: int, H: int, N: int, d: int, dtype: type, bias: bool, version: int | None = None, room: int = ROOM
) -> list[Launch]:
    """dout and what the forward had and made -> dqkv, and dbias where there is a bias.

    version None: 3, or 2 where a head's row is no multiple of 16 bytes. In all but the first, two launches share dqkv:
    "inout". room: as in the forward; version 4 is version 3 with the tiles that it has room for.
    """
    dtype = np.dtype(dtype)
    version = _chosen("attention_backward", version, d, dtype)
    check_heads(B, H, d)
    if version == 1:
        return _materialised_backward(B, H, N, d, dtype, bias)
    T, heads = ctype(dtype), (H, B)
    if version == 2:
        file, name = "attention_backward.cu", "v2"
        rows, shared, weights = _square(d, dtype)
        template, threads, columns = f"{T}, {d}, {rows}", 256, rows
    else:
        if version >= 5:
            tile = fit(d, dtype, 2, tensor_tiles(N), room, through_memory=False)
            file, name, template = "attention_tensor.cu", "v5", _of_tensors(d, tile, TERMS[1][version])
        else:
            tile = fit(d, dtype, 2, tiles_of_tokens(N), room if version == 4 else SHARED)
            file, name, template = "attention_backward_v3.cu", "v3", f"{T}, {d}, {tile}"
        rows, columns, threads, shared, weights = tile.rows, tile.columns, tile.threads, tile.shared, tile.weights
    inputs = ("in qkv", "in bias?", "in dout", "in lse", "in delta")
    least = rung("attention_backward", version).least

    def launch(what: str, outputs: str, grid: tuple[int, ...], sizes: tuple[str, ...], shared: int) -> Launch:
        kernel, arguments = f"attention_backward_{what}_{name}<{template}>", (outputs, *inputs, *sizes, "real scale")
        return Launch(file, kernel, dtype, arguments, grid, (threads,), shared, version >= 3, least)

    launches = [
        attention_delta(B, H, N, d, dtype, version),
        launch("keys", "inout dqkv", (blocks(N, rows), *heads), ("int N",), shared),
        launch("queries", "inout dqkv", (blocks(N, rows), *heads), ("int N",), shared),
    ]
    if bias:
        grid = (blocks(N, rows) * blocks(N, columns), H)  # dS goes straight into the sum, and needs no tile
        launches.append(launch("bias", "out dbias", grid, ("int B", "int N"), shared - weights))
    return launches


def rung(ladder: str, version: int) -> Rung:
    """What a version asks for."""
    return RUNGS[ladder].get(version, Rung())


def every_launch() -> list[Launch]:
    """Every version at ViT's head width of 64, the best also at the digits' 8, ViT-H's 80 and others; both dtypes."""
    launches = [
        launch
        for dtype in CTYPES
        for ladder in (attention_forward, attention_backward)
        for d in (8, 32, 64, 80, 128)
        for version in (VERSIONS[ladder.__name__] if d == 64 else (None,))
        if version is None or rung(ladder.__name__, version).takes(d, np.dtype(dtype))
        for launch in ladder(2, 3, 197, d, dtype, True, version)
    ]
    return list({launch.kernel: launch for launch in launches}.values())


def _materialised_forward(B: int, H: int, N: int, d: int, dtype: np.dtype, version: int) -> list[Launch]:
    T, file, heads = ctype(dtype), "attention_materialised.cu", (H, B)
    if version == 1:
        block, scores_blocks, mix_blocks = (256,), blocks(N * N, 256), blocks(N * d, 256)
    else:
        block = (SQUARE, SQUARE)
        scores_blocks, mix_blocks = blocks(N, SQUARE) ** 2, blocks(N, SQUARE) * blocks(d, SQUARE)
    scores = ("out weights", "in qkv", "in bias?", "int N", "real scale")
    mix = ("out out", "in weights", "in qkv", "int N")
    return [
        Launch(file, f"attention_scores_v{version}<{T}, {d}>", dtype, scores, (scores_blocks, *heads), block),
        _softmax(f"attention_softmax_v1<{T}>", dtype, ("inout weights", "out lse", "int N"), N, heads),
        Launch(file, f"attention_mix_v{version}<{T}, {d}>", dtype, mix, (mix_blocks, *heads), block),
    ]


def _materialised_backward(B: int, H: int, N: int, d: int, dtype: np.dtype, bias: bool) -> list[Launch]:
    T, file, heads, square = ctype(dtype), "attention_materialised.cu", (H, B), blocks(N * N, 256)
    scores = ("out weights", "out dscores", "in qkv", "in bias?", "in lse", "in dout", "int N", "real scale")
    products = ("out dqkv", "in weights", "in dscores", "in qkv", "in dout", "int N", "real scale")
    dbias = ("out dbias", "in dscores", "int B", "int N")
    launches = [
        Launch(file, f"attention_backward_scores_v1<{T}, {d}>", dtype, scores, (square, *heads), (256,)),
        _softmax(f"attention_backward_softmax_v1<{T}>", dtype, ("inout dscores", "in weights", "int N"), N, heads),
        Launch(
            file,
            f"attention_backward_products_v1<{T}, {d}>",
            dtype,
            products,
            (blocks(3 * N * d, 256), *heads),
            (256,),
        ),
    ]
    if bias:
        launches.append(Launch(file, f"attention_backward_bias_v1<{T}>", dtype, dbias, (square, H), (256,)))
    return launches


def _softmax(kernel: str, dtype: np.dtype, arguments: tuple[str, ...], N: int, heads: tuple[int, int]) -> Launch:
    """A warp a row, 8 warps a block."""
    return Launch("attention_materialised.cu", kernel, dtype, arguments, (blocks(N, 8), *heads), (256,))


def _chosen(ladder: str, version: int | None, d: int, dtype: np.dtype) -> int:
    """The version to use. Raises ValueError for one that does not take such heads."""
    check_version(ladder, version, VERSIONS[ladder])
    if version is None:
        best = BEST[ladder]
        return best if rung(ladder, best).takes(d, dtype) else best - 1
    asked = rung(ladder, version)
    if not asked.takes(d, dtype):
        only = np.dtype(asked.only or dtype)
        raise ValueError(
            f"{ladder}: version {version} takes a head width that is a multiple of {asked.row // only.itemsize} for "
            f"{only}, not {d}{'' if only == dtype else f' for {dtype}'}"
        )
    return version


def _of_tensors(d: int, tile: Tile, terms: int) -> str:
    return f"{d}, {tile.warps}, {tile.columns_a_thread}, {terms}"


def _keys_and_queries(d: int, dtype: np.dtype) -> tuple[int, int]:
    """Of forward v3 and v4: keys in a tile, a lane each, and queries a warp."""
    return (32, 4) if d * dtype.itemsize <= 512 else (16, 2)


def _square(d: int, dtype: np.dtype) -> tuple[int, int, int]:
    """Of backward v2: the largest tile that fits, its shared memory (Q, K, V, dout, P, dS), and the last two's part."""
    for side in (32, 16, 8):
        weights = 2 * side * (side + 1) * dtype.itemsize
        shared = 4 * side * (d | 1) * dtype.itemsize + weights
        if shared <= SHARED:
            return side, shared, weights
    raise AssertionError("the smallest tile fits every head up to WIDEST_HEAD")
