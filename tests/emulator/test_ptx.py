"""The same kernels from source and through NVIDIA's compiler: two translations that share nothing must agree."""

from pathlib import Path

import numpy as np
import pytest
from ptx_support import need_nvrtc

from minivit import emulator
from minivit.emulator.ptx import code as ptx_code

FILE = Path(__file__).with_name("torture.cu")
N, BLOCK = 200, 64
ROWS = 32  # more than any kernel has results
INTEGERS = {
    "int": np.int32,
    "unsigned": np.uint32,
    "long long": np.int64,
    "unsigned long long": np.uint64,
    "short": np.int16,
    "unsigned char": np.uint8,
    "signed char": np.int8,
}
REALS = {"float": np.float32, "double": np.float64}
PLAIN = ("bits", "shuffles", "votes", "atomics", "vectors", "local_arrays", "far_indices", "functions", "switches")
NAMES = [f"integers<{t}>" for t in INTEGERS] + list(PLAIN)
NAMES += [f"{kernel}<{t}>" for kernel in ("conversions", "comparisons", "mathematics", "blocks") for t in REALS]


# NVRTC has two compilers in it: one for GPUs up to 9.x, one for those after. They write different PTX.
@pytest.fixture(scope="module", params=["compute_80", "compute_100"])
def run(request):
    """run(kernel, *arguments) gives the arrays after the launch, once from source and once from PTX."""
    need_nvrtc()
    modules = [emulator.load(FILE, via=via) for via in ("source", "ptx")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ptx_code, "TARGET", request.param)
        for module in modules:
            module.compile(NAMES)

    def both(name: str, *arguments: object, n: int = N, shared: int = 0, order: int = 0) -> list[list[np.ndarray]]:
        results = []
        for module in modules:
            copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
            module[name](-(-n // BLOCK), BLOCK, *copies, shared=shared, order=order)
            results.append([a for a in copies if isinstance(a, np.ndarray)])
        return results

    return both


def assert_same(results: list[list[np.ndarray]]) -> None:
    for number, (source, ptx) in enumerate(zip(*results, strict=True)):
        np.testing.assert_array_equal(source.view(np.uint8), ptx.view(np.uint8), err_msg=f"array {number}")


def whole(dtype: type, seed: int) -> np.ndarray:
    """Numbers of every size: small ones, the limits, random bits."""
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    edges = np.array([0, 1, 2, 3, 7, 8, 15, 31, 100, info.max, info.max - 1, info.min, info.min + 1], dtype)
    random = rng.integers(info.min, info.max, 2 * N, dtype, endpoint=True) >> rng.integers(0, info.bits, 2 * N).astype(
        dtype
    )
    return rng.permutation(np.concatenate([edges, edges, random]))[:N].copy()


@pytest.mark.parametrize("name", INTEGERS)
def test_integers(run, name):
    dtype = INTEGERS[name]
    assert_same(run(f"integers<{name}>", np.zeros((ROWS, N), dtype), whole(dtype, 0), whole(dtype, 1), N))


def test_bits(run):
    assert_same(run("bits", np.zeros((ROWS, N), np.int32), whole(np.int32, 2), whole(np.int32, 3), N))


@pytest.mark.parametrize("name", REALS)
def test_conversions(run, name):
    x = np.random.default_rng(4).standard_normal(N) * np.logspace(-2, 4, N)
    x[:12] = [0, 0.5, -0.5, 1.5, 2.5, -1.5, -2.5, 3.5, 30000, -30000, 0.49999997, -7]
    assert_same(run(f"conversions<{name}>", np.zeros((ROWS, N)), x.astype(REALS[name]), N))


@pytest.mark.parametrize("name", REALS)
def test_comparisons(run, name):
    values = np.array([0, -0.0, 1, -1, 2, np.nan, -np.nan, np.inf, -np.inf, 1e-42, 3, -3, 0.5, 1e30], REALS[name])
    a, b = (array.ravel().copy() for array in np.meshgrid(values, values))
    assert_same(run(f"comparisons<{name}>", np.zeros((ROWS, a.size), np.int32), a, b, a.size, n=a.size))


# From source these are the C library's functions, from PTX NVIDIA's own: 3 units of the last place apart at most.
@pytest.mark.parametrize("name", REALS)
def test_mathematics(run, name):
    dtype = REALS[name]
    rng = np.random.default_rng(5)
    a, b = (rng.standard_normal(N) * np.logspace(-3, 1, N) for _ in range(2))
    source, ptx = (
        y for y, _, _ in run(f"mathematics<{name}>", np.zeros((ROWS, N), dtype), a.astype(dtype), b.astype(dtype), N)
    )
    assert np.isfinite(source).all()
    places = np.abs(ptx - source) / np.spacing(np.abs(source))
    assert places.max(axis=1).max() <= 4, places.max(axis=1)


def test_shuffles(run):
    n = 192
    assert_same(run("shuffles", np.zeros((ROWS, n), np.int32), whole(np.int32, 6)[:n] % 100000, n, n=n))


def test_votes(run):
    n = 192
    x = np.random.default_rng(7).integers(-9, 9, n, np.int32)
    assert_same(run("votes", np.zeros((ROWS, n), np.uint32), x, n, n=n))


def test_atomics(run):
    x = np.random.default_rng(8).integers(-900, 900, N, np.int32)
    y = np.array([0, -5, 5, -1, 0, 0, 3, 0, 0, 0, 0, 0, *[0] * 8], np.int32)
    arrays = (np.zeros(1, np.float32), np.zeros(1), np.zeros(2, np.uint64))
    for order in (0, 1):
        results = run("atomics", y, x, N, *arrays, order=order)
        assert_same(results)
        assert results[1][0][0] == x.sum()
        assert results[1][0][9] == 1


@pytest.mark.parametrize("name", REALS)
@pytest.mark.parametrize("order", [0, 3])
def test_shared_memory(run, name, order):
    dtype = REALS[name]
    x = np.random.default_rng(9).standard_normal(N).astype(dtype)
    assert_same(run(f"blocks<{name}>", np.zeros(N, dtype), x, N, shared=64 * x.itemsize, order=order))


def test_vectors(run):
    rng = np.random.default_rng(10)
    x, w = rng.standard_normal((N, 4)).astype(np.float32), rng.integers(-99, 99, (N, 2), np.int32)
    u = rng.integers(0, 255, (N, 4), np.uint8)
    results = run("vectors", np.zeros_like(x), x, np.zeros_like(w), w, np.zeros((N, 2)), u, N)
    assert_same(results)
    np.testing.assert_array_equal(results[1][0], x[:, ::-1])


def test_local_arrays(run):
    assert_same(run("local_arrays", np.zeros((ROWS, N), np.int32), whole(np.int32, 11), N))


def test_offsets_beyond_32_bits(run):
    assert_same(run("far_indices", np.zeros(N, np.int32), whole(np.int32, 12), N))


def test_device_functions_and_constants(run):
    results = run("functions", np.zeros((ROWS, N)), np.random.default_rng(13).standard_normal(N), N)
    assert_same(results)
    fibonacci = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
    np.testing.assert_array_equal(results[1][0][0, :24], fibonacci * 2)


def test_a_switch(run):
    assert_same(run("switches", np.zeros(N, np.int32), np.arange(N, dtype=np.int32), N))
