"""Launches of attention. Each version is one idea, told in kernels/attention*.cu.

qkv comes as the product with W_qkv leaves it, and out goes as the projection wants it: nothing is copied in between.
What one launch hands on to the next (delta, or the score matrices of the first versions) is an array that the caller
makes: a name among the launches' arguments, with its shape in attention_shapes().
"""

import numpy as np

from ..launch import CTYPES, SHARED, Launch, blocks, ctype
from .tiles import attention_delta, check_heads, fit, tiles_of_tokens
from .versions import check_version

VERSIONS = {"attention_forward": (1, 2, 3, 4, 5), "attention_backward": (1, 2, 3)}
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
    B: int, H: int, N: int, d: int, dtype: type, bias: bool, version: int | None = None
) -> list[Launch]:
    """qkv (B, N, 3, H, d), bias (H, N, N) or None -> out (B, N, H, d), lse (B, H, N). One launch from version 3 on.

    version None: 5, or 4 where a head's row is no multiple of 16 bytes. bias: whether there is one: the same launches.
    """
    dtype = np.dtype(dtype)
    version = _chosen("attention_forward", version, d, dtype)
    check_heads(B, H, d)
    T = ctype(dtype)
    if version <= 2:
        return _materialised_forward(B, H, N, d, dtype, version)
    inputs = ("in qkv", "in bias?", "int N", "real scale")
    if version == 5:
        tile = fit(d, dtype, 1, tiles_of_tokens(N))
        kernel = f"attention_forward_v5<{T}, {d}, {tile}>"
        rows, threads, shared = tile.rows, tile.threads, tile.shared
    else:
        warps, keys, queries = 4, *_keys_and_queries(d, dtype)
        rows, threads = warps * queries, 32 * warps
        shared = (rows + 2 * keys) * (d if version == 3 else d | 1) * dtype.itemsize
        kernel = f"attention_forward_v{version}<{T}, {d}, {keys}, {queries}>"
    grid = (blocks(N, rows), H, B)
    arguments = ("out out", "out lse", *inputs)
    return [Launch("attention.cu", kernel, dtype, arguments, grid, (threads,), shared, vectors=version == 5)]


def attention_backward(
    B: int, H: int, N: int, d: int, dtype: type, bias: bool, version: int | None = None
) -> list[Launch]:
    """dout and what the forward had and made -> dqkv, and dbias where there is a bias.

    version None: 3, or 2 where a head's row is no multiple of 16 bytes. In both, two launches share dqkv: "inout".
    """
    dtype = np.dtype(dtype)
    version = _chosen("attention_backward", version, d, dtype)
    check_heads(B, H, d)
    if version == 1:
        return _materialised_backward(B, H, N, d, dtype, bias)
    T, heads = ctype(dtype), (H, B)
    if version == 3:
        file = "attention_backward_v3.cu"
        tile = fit(d, dtype, 2, tiles_of_tokens(N))
        template, threads, shared, weights = f"{T}, {d}, {tile}", tile.threads, tile.shared, tile.weights
        rows, columns = tile.rows, tile.columns
    else:
        file = "attention_backward.cu"
        side, shared, weights = _square(d, dtype)
        template, threads = f"{T}, {d}, {side}", 256
        rows = columns = side
    inputs = ("in qkv", "in bias?", "in dout", "in lse", "in delta")
    sizes = ("int N", "real scale")

    def launch(
        name: str, outputs: str, grid: tuple[int, ...], sizes: tuple[str, ...] = sizes, shared: int = shared
    ) -> Launch:
        kernel = f"attention_backward_{name}_v{version}<{template}>"
        return Launch(file, kernel, dtype, (outputs, *inputs, *sizes), grid, (threads,), shared, version == 3)

    launches = [
        attention_delta(B, H, N, d, dtype, version),
        launch("keys", "inout dqkv", (blocks(N, rows), *heads)),
        launch("queries", "inout dqkv", (blocks(N, rows), *heads)),
    ]
    if bias:
        grid = (blocks(N, rows) * blocks(N, columns), H)  # dS goes straight into the sum, and needs no tile
        launches.append(launch("bias", "out dbias", grid, ("int B", *sizes), shared - weights))
    return launches


def every_launch() -> list[Launch]:
    """Every version at ViT's head width of 64, the best also at the digits' 8, ViT-H's 80 and others; both dtypes."""
    launches = [
        launch
        for dtype in CTYPES
        for ladder in (attention_forward, attention_backward)
        for d in (8, 32, 64, 80, 128)
        for version in (VERSIONS[ladder.__name__] if d == 64 else (None,))
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
    """The last version wants rows of whole 16 bytes."""
    *others, last = VERSIONS[ladder]
    whole = d * dtype.itemsize % 16 == 0
    if version is None:
        return last if whole else others[-1]
    check_version(ladder, version, VERSIONS[ladder])
    if version == last and not whole:
        raise ValueError(
            f"{ladder}: version {last} takes a head width that is a multiple of {16 // dtype.itemsize} for {dtype}, "
            f"not {d}"
        )
    return version


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
