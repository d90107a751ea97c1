"""Instructions between threads that C++ code leads to seldom, and memory's kinds of addresses, as inline assembly."""

import numpy as np
import pytest
from ptx_support import need_nvrtc

from minivit import emulator

SOURCE = r"""
#define ONE(out, text, value) asm volatile(text : "=r"(out) : "r"(value))
__global__ void reductions(int* y, const int* x) {
    int t = threadIdx.x, v = x[t], r;
    ONE(r, "redux.sync.add.s32 %0, %1, -1;", v); y[t] = r;
    ONE(r, "redux.sync.min.s32 %0, %1, -1;", v); y[32 + t] = r;
    ONE(r, "redux.sync.max.u32 %0, %1, -1;", v); y[64 + t] = r;
    ONE(r, "redux.sync.and.b32 %0, %1, -1;", v); y[96 + t] = r;
    ONE(r, "redux.sync.xor.b32 %0, %1, -1;", v); y[128 + t] = r;
}
__global__ void votes(int* y, const int* x) {
    int t = threadIdx.x, v = x[t], r;
    ONE(r, "{.reg .pred p; match.all.sync.b32 %0|p, %1, -1; @!p sub.s32 %0, 0, 9;}", v); y[t] = r;
    ONE(r, "{.reg .pred p; match.all.sync.b32 %0|p, %1, -1; @!p sub.s32 %0, 0, 9;}", v / 1000); y[32 + t] = r;
    ONE(r, "{.reg .pred p, q; setp.gt.s32 p, %1, 0; vote.sync.uni.pred q, p, -1; selp.u32 %0, 1, 0, q;}", v);
    y[64 + t] = r;
    ONE(r, "{.reg .pred p, q; setp.gt.s32 p, %1, -99; vote.sync.uni.pred q, p, -1; selp.u32 %0, 1, 0, q;}", v);
    y[96 + t] = r;
    ONE(r, "{.reg .pred p; shfl.sync.down.b32 %0|p, %1, 3, 31, -1; @!p mov.u32 %0, -7;}", v); y[128 + t] = r;
}
__global__ void branch_table(int* y, const int* x) {
    int r;
    asm volatile("{ targets: .branchtargets A, B, C;  brx.idx %1, targets;\n"
                 "A: mov.u32 %0, 10; bra E;  B: mov.u32 %0, 20; bra E;  C: add.u32 %0, %1, 28;  E: }"
                 : "=r"(r) : "r"(x[threadIdx.x]));
    y[threadIdx.x] = r;
}
__global__ void spaces(int* y, int* x) {
    __shared__ int kept[32];
    int t = threadIdx.x, own = t, r;
    kept[t] = 100 + t;
    __syncthreads();
    int* places[3] = {x, kept, &own};
    int* place = places[t % 3];
    asm volatile("{.reg .pred p; isspacep.shared p, %1; selp.u32 %0, 1, 0, p;}" : "=r"(r) : "l"(place));
    y[t] = r;
    y[32 + t] = place[t % 3 == 2 ? 0 : t];
    asm volatile("{.reg .u64 a; cvta.to.shared.u64 a, %1; ld.shared.u32 %0, [a+4];}" : "=r"(r) : "l"(kept));
    y[64 + t] = r;
    asm volatile("{.reg .u32 a, b; mov.u32 a, %%dynamic_smem_size;\n"
                 "mov.u32 b, %%lanemask_lt; popc.b32 b, b; add.u32 %0, a, b;}" : "=r"(r));
    y[96 + t] = r;
}
__global__ void fences(unsigned long long* y) {
    unsigned long long before, after;
    asm volatile("mov.u64 %0, %%clock64;" : "=l"(before));
    __threadfence(); __threadfence_block(); asm volatile("fence.acq_rel.gpu; nanosleep.u32 10;");
    asm volatile("mov.u64 %0, %%clock64;" : "=l"(after));
    y[threadIdx.x] = after > before;
}
__global__ void unrolled(int* y, int n) {  // one barrier in the source, several in the code: they are the same one
    __shared__ int tile[64];
    int t = threadIdx.x;
    tile[t] = t;
    #pragma unroll 4
    for (int k = 0; k < n; ++k) {
        __syncthreads();
        int other = tile[(t + 1) % 64];
        __syncthreads();
        tile[t] = other;
    }
    y[t] = tile[t];
}
"""
NAMES = ("reductions", "votes", "branch_table", "spaces", "fences", "unrolled")


@pytest.fixture(scope="module")
def module():
    need_nvrtc()
    module = emulator.Module(SOURCE, via="ptx")
    module.compile(NAMES)
    return module


def test_reductions(module):
    x = np.random.default_rng(0).integers(-100, 1000, 32, np.int32)
    y = np.zeros((5, 32), np.int32)
    module["reductions"](1, 32, y, x)
    largest = int(x.view(np.uint32).max()) - 2**32  # as unsigned, a negative number is the larger one
    expected = [x.sum(), x.min(), largest, np.bitwise_and.reduce(x), np.bitwise_xor.reduce(x)]
    np.testing.assert_array_equal(y, np.repeat(np.array(expected, np.int32)[:, None], 32, 1))


def test_votes(module):
    x = np.arange(-10, 22, dtype=np.int32)
    y = np.zeros((5, 32), np.int32)
    module["votes"](1, 32, y, x)
    assert (y[0] == -9).all() and (y[1] == -1).all()  # not all the same; all the same: every lane's bit
    assert (y[2] == 0).all() and (y[3] == 1).all()
    np.testing.assert_array_equal(y[4], [*x[3:], -7, -7, -7])


def test_a_branch_table(module):
    x = np.arange(12, dtype=np.int32) % 3
    y = np.zeros(12, np.int32)
    module["branch_table"](1, 12, y, x)
    np.testing.assert_array_equal(y, [10, 20, 30] * 4)


def test_kinds_of_addresses(module):
    t = np.arange(32)
    x = np.arange(1000, 1032, dtype=np.int32)
    y = np.zeros((4, 32), np.int32)
    module["spaces"](1, 32, y, x, shared=64)
    np.testing.assert_array_equal(y[0], t % 3 == 1)
    np.testing.assert_array_equal(y[1], np.choose(t % 3, [x, 100 + t, t]))
    np.testing.assert_array_equal(y[2], 101)
    np.testing.assert_array_equal(y[3], 64 + t)


def test_fences_and_the_clock(module):
    y = np.zeros(32, np.uint64)
    module["fences"](1, 32, y)
    assert y.all()


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_barrier_in_an_unrolled_loop(module, order):
    y = np.zeros(64, np.int32)
    module["unrolled"](1, 64, y, 11, order=order)
    np.testing.assert_array_equal(y, (np.arange(64) + 11) % 64)
