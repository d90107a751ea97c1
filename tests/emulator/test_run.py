"""The language: what a .cu file may use (language.cu), run on the CPU and compared with NumPy."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from minivit import emulator

LANES = np.arange(32)

NAMES = (
    *("indices", "tree_sum", "fresh_shared", "block_votes", "part_of_a_warp", "warp_votes", "neighbours", "atomics"),
    *("vectors", "intrinsics", "functions", "nothing", "transpose<16>", "inner::named<7, float>"),
    *(f"add<{T}>" for T in ("float", "double", "int")),
    *(f"shuffles<{T}>" for T in ("float", "double", "short")),
    *("mathematics<float>", "mathematics<double>"),
)


@pytest.fixture(scope="module")
def cuda():
    module = emulator.load(Path(__file__).with_name("language.cu"))
    module.compile(NAMES)
    return module


def normal(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def nan(*shape, dtype=np.float32):
    return np.full(shape, np.nan, dtype)


@pytest.mark.parametrize(("T", "dtype"), [("float", np.float32), ("double", np.float64), ("int", np.int32)])
def test_a_template_for_each_type(cuda, T, dtype):
    x, y = (100 * normal(1000)).astype(dtype), np.zeros(1000, dtype)
    kernel = cuda[f"add<{T}>"]
    kernel(4, 256, y, x, 1000, 3)
    np.testing.assert_array_equal(y, x + dtype(3))
    code = np.dtype(dtype).str[1:]
    assert kernel.signature == (f"{code}*", f"const {code}*", "i4", code)
    assert kernel.names == ("y", "x", "n", "a")


def test_indices_in_three_dimensions(cuda):
    out = np.full(2 * 3 * 4 * 30, -1, np.int32)
    cuda["indices"]((2, 3, 4), (5, 3, 2), out)
    np.testing.assert_array_equal(out.reshape(24, 30), 1000 * np.arange(24)[:, None] + np.arange(30))


@pytest.mark.parametrize("threads", [1, 17, 32, 33, 50, 256, 1000])
@pytest.mark.parametrize("order", range(4))
def test_barriers_in_ragged_blocks(cuda, threads, order):
    x, out = np.arange(3 * threads - 5 if threads > 5 else 3, dtype=np.float32), nan(3)
    cuda["tree_sum"](3, threads, out, x, x.size, shared=4 * threads, order=order)
    sums = [x[block * threads : (block + 1) * threads].sum() for block in range(3)]
    np.testing.assert_array_equal(out, sums)


def test_static_shared_memory_in_a_template(cuda):
    x, out = normal(50, 33), nan(33, 50)
    cuda["transpose<16>"]((3, 4), (16, 16), out, x, 50, 33)
    np.testing.assert_array_equal(out, x.T)


def test_shared_memory_starts_as_nan_in_every_block(cuda):
    out = np.zeros((3, 64), np.float32)
    cuda["fresh_shared"](3, 32, out, shared=128)
    assert np.isnan(out).all()


def test_votes_of_a_block(cuda):
    for yes, expected in ((50, 5011), (20, 2001), (0, 0)):
        p, out = (np.arange(50) < yes).astype(np.int32), np.zeros(50, np.int32)
        cuda["block_votes"](1, 50, out, p)
        assert (out == expected).all()


@pytest.mark.parametrize(("T", "dtype"), [("float", np.float32), ("double", np.float64), ("short", np.int16)])
@pytest.mark.parametrize("width", [32, 8])
def test_shuffles(cuda, T, dtype, width):
    x, out = (1000 * normal(32)).astype(dtype), np.zeros((4, 32), dtype)
    cuda[f"shuffles<{T}>"](1, 32, out, x, width)
    group = LANES // width * width
    np.testing.assert_array_equal(out[0], x[group + 5])
    np.testing.assert_array_equal(out[1], x[[lane ^ 3 for lane in LANES]])
    np.testing.assert_array_equal(out[2], x[np.where(group > LANES - 2, LANES, LANES - 2)])
    np.testing.assert_array_equal(out[3], x[np.where(group + width > LANES + 7, LANES + 7, LANES)])


@pytest.mark.parametrize("order", range(3))
def test_masks_of_some_lanes(cuda, order):
    out = np.zeros(32, np.int32)
    cuda["part_of_a_warp"](1, 32, out, order=order)
    np.testing.assert_array_equal(out, np.where(LANES < 16, LANES ^ 1, (LANES ^ 2) + 100))


@pytest.mark.parametrize("lanes", [32, 20])
def test_votes_of_a_warp(cuda, lanes):
    p, out = np.arange(lanes, dtype=np.int32) % 3, np.zeros((4, lanes), np.uint32)
    cuda["warp_votes"](1, lanes, out, p)
    assert (out[0] == sum(1 << lane for lane in range(lanes) if p[lane])).all()
    assert (out[1] == 1 + 4).all()
    expected = [sum(1 << other for other in range(lanes) if p[other] == p[lane]) for lane in range(lanes)]
    np.testing.assert_array_equal(out[2], expected)
    assert (out[3] == 2**lanes - 1).all()


@pytest.mark.parametrize("order", range(3))
def test_syncwarp_with_lanes_that_have_returned(cuda, order):
    out, n = np.zeros(70, np.int32), 51
    cuda["neighbours"](1, 70, out, n, order=order)
    other = np.arange(n) ^ 1
    np.testing.assert_array_equal(out, [*np.where(other < n, other**2, -1), *[0] * 19])


@pytest.mark.parametrize("order", [0, 5])
def test_atomics(cuda, order):
    counts = np.array([0, -1, 1000, 0, 255, 100, 0, 0], np.int32)
    wheel, total, precise, large = np.zeros(1, "u4"), np.zeros(1, "f4"), np.zeros(1), np.zeros(1, "u8")
    cuda["atomics"](2, 50, counts, wheel, total, precise, large, order=order)
    np.testing.assert_array_equal(counts, [4950, 99, 0, 15, 255 - 7, 0, 200, 7])
    assert (wheel[0], total[0], precise[0], large[0]) == (100 % 5, 50, 25, 100 << 32)


def test_vectors(cuda):
    x, vec, out = normal(10, 4), normal(10, 4), nan(10, 4)
    expected = 2 * vec
    cuda["vectors"](1, 32, out, x, vec, (1.0, 2.0), 10)
    np.testing.assert_array_equal(out, x[:, ::-1] + np.array([1, 2, 0, 0], np.float32))
    np.testing.assert_array_equal(vec, expected)
    assert cuda["vectors"].signature == ("f4x4*", "const f4x4*", "?0*", "f4x2", "i4")


@pytest.mark.parametrize(("T", "dtype"), [("float", np.float32), ("double", np.float64)])
def test_mathematics(cuda, T, dtype):
    x = np.linspace(0.1, 3, 32).astype(dtype)
    out = nan(13, 32, dtype=dtype)
    cuda[f"mathematics<{T}>"](1, 32, out, x, 32)
    v = x.astype(np.float64)
    erf = np.vectorize(math.erf)
    expected = [np.exp(v), np.log(v), np.sqrt(v), v**-0.5, erf(v), np.tanh(v), v * v + 1, np.maximum(v, 1)]
    expected += [np.minimum(v, 1), v**3, v, np.floor(v), np.sin(v)]
    np.testing.assert_allclose(out, expected, rtol=4 * np.finfo(dtype).eps, atol=2 * np.finfo(dtype).eps)


def test_intrinsics(cuda):
    out = nan(6)
    cuda["intrinsics"](1, 1, out, 1.5, 12)
    np.testing.assert_allclose(out, [0, 1.5, 0.75 + 4 + 0.5, 2 + 2800 + 30000, 32 + 12 + 12 + 12, -np.inf])


def test_functions_constants_and_printf(cuda, capsys):
    out = nan(5)
    cuda["functions"](1, 1, out, np.array([1, 1, 1], np.float32), True, 200, 5 << 32)
    cuda["functions"](1, 1, out, np.array([1, 1, 1], np.float32), np.False_, 200, np.int64(5 << 32))
    np.testing.assert_array_equal(out, [7, 120, -1, 5, 2])
    assert capsys.readouterr().out == f"flag 1, large {5 << 32}\nflag 0, large {5 << 32}\n"


def test_names(cuda):
    cuda["nothing"](1, 1)
    out = nan(1)
    cuda["inner::named< 7,float >"](1, 1, out)
    assert out == 7
    assert repr(cuda["add<float>"]) == "<kernel add<float>(float* y, const float* x, int n, float a) of language.cu>"


def test_arrays_that_share_memory(cuda):
    """y = x + 1 in place, and on overlapping views: the second half of the source is what the first thread wrote."""
    x = np.zeros(100, np.float32)
    cuda["add<float>"](1, 100, x, x, 100, 1)
    assert (x == 1).all()
    cuda["add<float>"](1, 50, x[50:], x[:50], 50, 1)
    np.testing.assert_array_equal(x, [1] * 50 + [2] * 50)
    cuda["add<float>"](1, 99, x[1:], x[:-1], 99, 1)  # ascending threads: each reads what the one before it wrote
    np.testing.assert_array_equal(x, np.arange(1, 101))


def test_empty_arrays_and_null_pointers(cuda):
    cuda["add<float>"](1, 32, np.zeros(0, np.float32), None, 0, 1)


def test_launches_from_several_threads_of_python(cuda):
    def sums(block):
        x, out = np.arange(3 * block, dtype=np.float32), nan(3)
        for order in range(10):
            cuda["tree_sum"](3, block, out, x, x.size, shared=4 * block, order=order)
            np.testing.assert_array_equal(out, x.reshape(3, block).sum(axis=1))
        return block

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(sums, [33, 64, 100, 17])) == [33, 64, 100, 17]


def test_activemask_is_the_lanes_that_came_along():
    source = """__global__ void odd(unsigned* out) {
        if (threadIdx.x & 1) {
            unsigned mask = __activemask();
            out[threadIdx.x] = mask + __popc(__ballot_sync(mask, 1));
        } else if (threadIdx.x & 2) {
            out[threadIdx.x] = __activemask();
        }
    }"""
    out = np.zeros(32, np.uint32)
    emulator.Module(source)["odd"](1, 32, out, order=3)
    np.testing.assert_array_equal(out[:4], [0, 0xAAAAAAAA + 16, 0x44444444, 0xAAAAAAAA + 16])


def test_every_order_runs_every_thread_once_and_is_its_own():
    """The order in which threads come is written down by an atomic counter."""
    source = """__global__ void sign_in(int* order, int* count) {
        order[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(count, 1);
    }"""
    kernel, orders = emulator.Module(source)["sign_in"], []
    for order in range(5):
        out, count = np.full(4 * 70, -1, np.int32), np.zeros(1, np.int32)
        kernel(4, 70, out, count, order=order)
        assert sorted(out) == list(range(280))
        orders.append(tuple(out))
    assert orders[0] == tuple(range(280))
    assert len(set(orders)) == 5
