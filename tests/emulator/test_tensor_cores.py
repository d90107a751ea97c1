"""wmma, mma.sync, ldmatrix and cp.async: to the bit the products that NumPy adds in float32, by ascending k."""

from pathlib import Path

import numpy as np
import pytest
from test_half import from_bfloat, to_bfloat

from minivit import emulator
from minivit.emulator.inline_ptx import with_inline_ptx

PATH = Path(__file__).with_name("tensor_cores.cu")
MODULE = emulator.load(PATH)
f2, f4, f8 = np.float16, np.float32, np.float64
rng = np.random.default_rng(0)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    MODULE.compile([name for name in MODULE.kernels])


def drawn(*shape, dtype=f4):
    return rng.standard_normal(shape).astype(dtype)


def summed(a, b, c):
    """A B + C in float32, one product after the other; each product is exact."""
    total = c.astype(f4)
    for k in range(a.shape[1]):
        total = total + (a[:, k : k + 1].astype(f8) * b[k].astype(f8)).astype(f4)
    return total


def to_tf32(x):
    """To 10 bits of fraction, ties away from zero."""
    return ((x.view(np.uint32) + 0x1000) & ~np.uint32(0x1FFF)).view(f4)


def run(name, d, *args):
    MODULE[name](1, 32, d, *args)
    return d


def test_wmma_of_halves():
    a, b, c = drawn(16, 16, dtype=f2), drawn(16, 16, dtype=f2), drawn(16, 16)
    assert np.array_equal(run("of_half", np.zeros_like(c), a, b, c), summed(a, b, c))
    turned = run("of_half_turned", np.zeros_like(a), a, b, c.astype(f2))
    assert np.array_equal(turned, summed(a.T, b.T, c.astype(f2)).astype(f2))
    a, b, c = drawn(32, 16, dtype=f2), drawn(16, 8, dtype=f2), drawn(32, 8)
    assert np.array_equal(run("of_half_flat", np.zeros_like(c), a, b, c), summed(a, b, c))


def test_wmma_of_other_types():
    a, b, c = to_bfloat(drawn(16, 16)), to_bfloat(drawn(16, 16)), drawn(16, 16)
    assert np.array_equal(run("of_bfloat16", np.zeros_like(c), a, b, c), summed(from_bfloat(a), from_bfloat(b), c))
    a, b = rng.integers(-128, 128, (2, 16, 16), dtype=np.int8)
    c = rng.integers(-1000, 1000, (16, 16), dtype=np.int32)
    assert np.array_equal(run("of_bytes", np.zeros_like(c), a, b, c), a.astype(np.int32) @ b.astype(np.int32) + c)
    a, b, c = drawn(8, 4, dtype=f8), drawn(4, 8, dtype=f8), drawn(8, 8, dtype=f8)
    assert np.abs(run("of_double", np.zeros_like(c), a, b, c) - (a @ b + c)).max() < 1e-15


def test_wmma_of_tf32():
    a, b = drawn(16, 8), drawn(16, 8)
    a[0, 0] = np.float32(1 + 2.0**-11)  # halfway: away from zero
    nothing = np.zeros((16, 16), f4)
    rounded = run("of_tf32", nothing.copy(), a, b, 1).T
    assert np.array_equal(rounded, summed(to_tf32(a), to_tf32(b).T, nothing))
    cut = [(x.view(np.uint32) & ~np.uint32(0x1FFF)).view(f4) for x in (a, b)]
    assert np.array_equal(run("of_tf32", nothing.copy(), a, b, 0).T, summed(cut[0], cut[1].T, nothing))
    assert not np.array_equal(rounded, summed(a, b.T, nothing))


def test_mma_sync_of_16_bits():
    a, b, c = drawn(16, 16, dtype=f2), drawn(16, 8, dtype=f2), drawn(16, 8)
    expected = summed(a, b, c)
    bits = a.view(np.uint16), b.view(np.uint16)
    assert np.array_equal(run("mma_half", np.zeros_like(c), *bits, c), expected)
    assert np.array_equal(run("staged", np.zeros_like(c), a, b, c), expected)
    a, b = to_bfloat(drawn(16, 8)), to_bfloat(drawn(8, 8))
    expected = summed(from_bfloat(a), from_bfloat(b), c)
    assert np.array_equal(run("mma_bfloat16_8", np.zeros_like(c), a, b, c), expected)
    a, b = drawn(16, 8, dtype=f2), drawn(8, 8, dtype=f2)
    halves = run("mma_half_8", np.zeros((16, 4), np.uint32), a.view(np.uint16), b.view(np.uint16)).view(f2)
    assert np.array_equal(halves, summed(a, b, np.zeros((16, 8), f4)).astype(f2))


def test_mma_sync_of_tf32():
    a, b = drawn(16, 8), drawn(8, 8)
    got = run("mma_tf32", np.zeros((16, 8), f4), a, b)
    assert np.array_equal(got, summed(to_tf32(a), to_tf32(b), np.zeros((16, 8), f4)))


def test_many_warps_and_orders_give_the_same():
    source = """#include <mma.h>
    using namespace nvcuda::wmma;
    __global__ void product(float* d, const half* a, const half* b, int n) {  // (n, n), a tile of 16 by 16 a warp
        int warp = threadIdx.x / 32, row = blockIdx.y * 16, column = (blockIdx.x * 2 + warp) * 16;
        fragment<matrix_a, 16, 16, 16, half, row_major> fa;
        fragment<matrix_b, 16, 16, 16, half, row_major> fb;
        fragment<accumulator, 16, 16, 16, float> sum;
        fill_fragment(sum, 0.0f);
        for (int k = 0; k < n; k += 16) {
            load_matrix_sync(fa, a + row * n + k, n);
            load_matrix_sync(fb, b + k * n + column, n);
            mma_sync(sum, fa, fb, sum);
        }
        store_matrix_sync(d + row * n + column, sum, n, mem_row_major);
    }"""
    product = emulator.Module(source)["product"]
    a, b = drawn(64, 64, dtype=f2), drawn(64, 64, dtype=f2)
    expected = summed(a, b, np.zeros((64, 64), f4))
    for order in range(4):
        d = np.full((64, 64), np.nan, f4)
        product((2, 4), 64, d, a, b, 64, order=order)
        assert np.array_equal(d, expected)
    assert product.check((2, 4), 64, np.full_like(d, np.nan), a, b, 64)
    found = product.check((2, 4), 64, np.full_like(d, np.nan), a[:63].copy(), b, 64).findings
    assert [(f.kind, f.line, f.array) for f in found] == [("out of bounds", 10, "a")]
    in_branch = source.replace("mma_sync(sum", "if (threadIdx.x % 32 < 16) mma_sync(sum")
    kinds = [f.kind for f in emulator.Module(in_branch)["product"].check((2, 4), 64, d, a, b, 64).findings]
    assert kinds in (["deadlock"], ["divergent warp operation"])
    odd = source.replace("a + row * n + k, n", "a + row * n + k + 1, n")
    (found,) = emulator.Module(odd)["product"].check((1, 1), 64, d, a, b, 64).findings
    assert found.kind == "misaligned matrix" and "multiple of 32 bytes" in found.message


STAGED = PATH.read_text("utf-8")
C = np.zeros((16, 8), f4)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("", "", None),
        ('asm volatile("cp.async.wait_group %0;\\n" ::"n"(1));', "", "race"),
        ("sa + 8 * threadIdx.x);", "sa + 8 * threadIdx.x + 4);", "misaligned copy"),
        ('asm volatile("cp.async.wait_all;\\n");', "", "uninitialised"),
        ("wait_group %0;\\n\" ::\"n\"(1));\n    __syncwarp();", "wait_group %0;\\n\" ::\"n\"(1));", "race"),
        ("sa + threadIdx.x % 16 * 16 +", "sa + threadIdx.x % 16 * 15 +", "misaligned"),
        ("threadIdx.x / 16 * 8);", "threadIdx.x / 16 * 8 + 1);", "out of bounds"),  # the last row
    ],
    ids=["right", "one group", "places", "not waited for", "no syncwarp", "misaligned", "too far"],
)  # fmt: skip
def test_what_is_wrong_with_copies_is_found(before, after, kind):
    assert before in STAGED
    kernel = emulator.Module(STAGED.replace(before, after))["staged"]
    found = kernel.check(1, 32, np.full_like(C, np.nan), drawn(16, 16, dtype=f2), drawn(16, 8, dtype=f2), C)
    assert {f.kind for f in found.findings} == ({kind} if kind else set()), found


def test_copies_are_there_when_they_have_been_waited_for():
    source = """#include <cuda_pipeline.h>
    __global__ void k(float* y, const float* x) {
        __shared__ float s[128];
        int t = 4 * threadIdx.x;
        __pipeline_memcpy_async(s + t, x + t, 16);
        __pipeline_commit();
        y[threadIdx.x] = s[t];
        __pipeline_wait_prior(1);
        y[32 + threadIdx.x] = s[t];
        __pipeline_wait_prior(0);
        y[64 + threadIdx.x] = s[t];
    }"""
    x, y = drawn(128), np.zeros((3, 32), f4)
    emulator.Module(source)["k"](1, 32, y, x)
    assert np.isnan(y[:2]).all() and np.array_equal(y[2], x[::4])


def test_which_asm_is_known():
    known = 'asm volatile("cp.async.commit_group;\\n" ::\n  );'
    assert with_inline_ptx(known).endswith("emulator::commit_copies()\n;")
    for unknown in (
        'asm("mov.u32 %0, %%laneid;" : "=r"(x));',
        'asm("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32");',
    ):
        assert with_inline_ptx(unknown) == unknown
    with pytest.raises(emulator.CompileError, match=r"a.cu:1: .*\n.*\nHint: inline PTX runs on a GPU only"):
        emulator.Module('__global__ void k(int* x) { asm("bar.sync 0;"); }', "a.cu")["k"]
    with pytest.raises(emulator.CompileError, match="wmma has no matrices of this size"):
        sizes = STAGED.replace("tile<half, float, 32, 8, 16", "tile<half, float, 32, 8, 8")
        emulator.Module(sizes)["of_half_flat"]
