"""Tensor cores and copies that go on, through PTX: the same bits as from the source."""

import numpy as np
from ptx_support import need_nvrtc

from minivit import emulator

SOURCE = r"""
#define GROUP (threadIdx.x / 4)
#define PLACE (threadIdx.x % 4)
__device__ unsigned tf32(float x) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return bits;
}
__global__ void rounded(unsigned* bits, const float* x) { bits[threadIdx.x] = tf32(x[threadIdx.x]); }
// D += A B, of (16, 8) and (8, 8); B is not rounded.
__global__ void product(float* d, const float* a, const float* b) {
    float s[4];
    unsigned ra[4], rb[2];
    for (int i = 0; i < 4; ++i) s[i] = d[(GROUP + 8 * (i / 2)) * 8 + 2 * PLACE + i % 2];
    for (int i = 0; i < 4; ++i) ra[i] = tf32(a[(GROUP + 8 * (i % 2)) * 8 + PLACE + 4 * (i / 2)]);
    for (int i = 0; i < 2; ++i) rb[i] = __float_as_uint(b[(PLACE + 4 * i) * 8 + GROUP]);
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
        : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]));
    for (int i = 0; i < 4; ++i) d[(GROUP + 8 * (i / 2)) * 8 + 2 * PLACE + i % 2] = s[i];
}
__global__ void copied(float* y, const float* x, int count) {
    __shared__ __align__(16) float s[256];
    int t = 4 * threadIdx.x, there = t < count ? 16 : 0;
    unsigned first = __cvta_generic_to_shared(s + t), second = __cvta_generic_to_shared(s + 128 + t);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(first), "l"(x + t), "r"(there) : "memory");
    asm volatile("cp.async.commit_group;" ::: "memory");
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" :: "r"(second), "l"(x + t) : "memory");
    asm volatile("cp.async.commit_group;" ::: "memory");
    y[threadIdx.x] = *(volatile float*)(s + t);
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    y[32 + threadIdx.x] = *(volatile float*)(s + t + 1);
    y[64 + threadIdx.x] = *(volatile float*)(s + 128 + t);
    asm volatile("cp.async.wait_all;" ::: "memory");
    y[96 + threadIdx.x] = *(volatile float*)(s + 128 + t);
}
"""


def both_ways(kernel, *arguments):
    """What it writes, from its source and through PTX."""
    need_nvrtc()
    made = []
    for via in ("source", "ptx"):
        out, *given = (value.copy() if isinstance(value, np.ndarray) else value for value in arguments)
        module = emulator.Module(SOURCE, via=via)
        module.compile(["rounded", "product", "copied"])
        module[kernel](1, 32, out, *given)
        made.append(out)
    return made


def test_rounding_to_tf32():
    x = np.random.default_rng(0).standard_normal(32).astype(np.float32)
    x[:5] = 0, -0.0, np.inf, 1 + 2**-11, -1 - 2**-11  # halves go away from zero
    from_source, through_ptx = both_ways("rounded", np.zeros(32, np.uint32), x)
    np.testing.assert_array_equal(from_source, through_ptx)
    np.testing.assert_array_equal(through_ptx[2:5].view(np.float32), np.float32([np.inf, 1 + 2**-10, -1 - 2**-10]))


def test_a_product():
    rng = np.random.default_rng(0)
    d, a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((16, 8), (16, 8), (8, 8)))
    from_source, through_ptx = both_ways("product", d, a, b)
    np.testing.assert_array_equal(from_source, through_ptx)
    cut = (b.view(np.uint32) & ~np.uint32(0x1FFF)).view(np.float32)
    error = np.abs(through_ptx - (d + a.astype(np.float64) @ cut))
    assert (error <= 2**-11 * (np.abs(a) @ np.abs(cut)) + 1e-6).all() and error.max() > 1e-4


def test_copies_are_there_when_they_have_been_waited_for():
    x = np.random.default_rng(0).standard_normal(128).astype(np.float32)
    _, y = both_ways("copied", np.zeros((4, 32), np.float32), x, 80)
    assert np.isnan(y[0]).all() and np.isnan(y[2]).all()  # what shared memory holds before
    np.testing.assert_array_equal(y[1], np.where(np.arange(32) < 20, x[1::4], 0))
    np.testing.assert_array_equal(y[3], x[::4])
