"""Order that threads make for themselves: the checker's answer is the same whatever block ran first."""

import contextlib
import io

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator.program import run_program

CHAIN = """
__global__ void chain(int* flag, float* y) {
    if (threadIdx.x != 0) return;
    if (blockIdx.x > 0)
        while (atomicAdd(&flag[blockIdx.x - 1], 0) == 0) {}
    y[blockIdx.x] = blockIdx.x > 0 ? y[blockIdx.x - 1] + 1 : 1;
    FENCE
    atomicExch(&flag[blockIdx.x], 1);
}
"""

PASSED_ON = """
__global__ void passed_on(float* y) {
    __shared__ int turn;
    __shared__ float sum;
    if (threadIdx.x == 0) turn = sum = 0;
    __syncthreads();
    int warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) {
        while (atomicAdd(&turn, 0) != 3 - warp) {}
        sum = 2 * sum + warp;
        __threadfence_block();
        atomicAdd(&turn, 1);
    }
    __syncthreads();
    y[threadIdx.x] = sum;
}
"""

ALL_OF_THEM = """
#include <cooperative_groups.h>
__global__ void all_of_them(float* x, int* n, float* y) {
    if (threadIdx.x == 0) {
        x[blockIdx.x] = blockIdx.x;
        __threadfence();
        atomicAdd(n, 1);
    }
    BARRIER
    if (threadIdx.x == 0) y[blockIdx.x] = x[(blockIdx.x + 1) % gridDim.x] + *n;
}
"""

A_CHILD = """#include <cstdio>
__global__ void child(int* n) { n[1] += n[0]; }
__global__ void parent(int* n) {
    __threadfence();
    if (atomicAdd(n, 1) == gridDim.x - 1) child<<<1, 1>>>(n);
}
int main() {
    int *n, result[2];
    cudaMalloc(&n, sizeof result);
    cudaMemset(n, 0, sizeof result);
    parent<<<4, 1>>>(n);
    cudaMemcpy(result, n, sizeof result, cudaMemcpyDeviceToHost);
    printf("%d %d\\n", result[0], result[1]);
    return cudaFree(n);
}
"""


def ones(count):
    return np.ones(count, np.float32)


def nothing(*shape):
    return np.full(shape, np.nan, np.float32)


def check(source, *launch, **options):
    name = source.split("void ")[1].split("(")[0]
    return emulator.Module(source)[name].check(*launch, **options)


def test_a_block_that_waits_for_an_earlier_one_is_right():
    """Other orders in which it would wait for ever are given up."""
    flags = np.zeros(6, np.int32)
    assert check(CHAIN.replace("FENCE", "__threadfence();"), 6, 32, flags, nothing(6), seconds=20)
    report = check(CHAIN.replace("FENCE", ""), 6, 32, flags, nothing(6), seconds=20)
    assert {finding.kind for finding in report.findings} == {"race"}


def test_who_waits_by_an_atomic_lets_the_others_run():
    y = nothing(128)
    kernel = emulator.Module(PASSED_ON)["passed_on"]
    for order in range(4):
        kernel(1, 128, y, order=order, seconds=20)
        assert (y == 3 * 8 + 2 * 4 + 1 * 2).all()
        assert kernel.check(1, 128, nothing(128), order=order)


def test_the_results_are_those_of_the_first_run():
    """A launch with fences is run again in other orders: what it prints and leaves is printed and left once."""
    source = """
    __global__ void count(int* n, int* places) {
        if (threadIdx.x) return;
        __threadfence();
        places[blockIdx.x] = atomicAdd(n, 1);
        printf("block %d\\n", blockIdx.x);
    }"""
    n, places = np.zeros(1, np.int32), np.zeros(3, np.int32)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert check(source, 3, 32, n, places)
    assert out.getvalue() == "block 0\nblock 1\nblock 2\n"


def test_blocks_are_really_shuffled():
    """Of four blocks all 24 orders come up, not only those in equal strides."""
    source = "__global__ void k(int* n, int* order) { if (threadIdx.x == 0) order[atomicAdd(n, 1)] = blockIdx.x; }"
    kernel, seen = emulator.Module(source)["k"], set()
    for seed in range(1, 300):
        order = np.zeros(4, np.int32)
        kernel(4, 1, np.zeros(1, np.int32), order, order=seed)
        assert sorted(order) == [0, 1, 2, 3]
        seen.add(tuple(order))
    assert len(seen) == 24


@pytest.mark.parametrize("order", range(5))
def test_a_reader_of_many_blocks_is_not_forgotten(order):
    """The last of many readers is in order with the writer, and so are all others but one."""
    source = """
    __global__ void k(int* n, float* x, float* y) {
        if (threadIdx.x) return;
        y[blockIdx.x] = x[0];
        if (blockIdx.x != 2) __threadfence();
        if (atomicAdd(n, 1) == gridDim.x - 1) x[0] = 2;
    }"""
    report = check(source, 5, 32, np.zeros(1, np.int32), ones(1), nothing(5), order=order)
    assert [finding.kind for finding in report.findings] == ["race"]
    right = source.replace("if (blockIdx.x != 2) ", "")
    assert check(right, 5, 32, np.zeros(1, np.int32), ones(1), nothing(5), order=order)


def test_a_barrier_of_the_grid_in_every_order_of_blocks():
    kernel = emulator.Module(ALL_OF_THEM.replace("BARRIER", "cooperative_groups::this_grid().sync();"))["all_of_them"]
    for order in range(4):
        y, count = nothing(5), np.zeros(1, np.int32)
        kernel(5, 32, nothing(5), count, y, order=order)
        assert list(y) == [6, 7, 8, 9, 5]
        assert kernel.check(5, 32, nothing(5), np.zeros(1, np.int32), nothing(5), order=order)
    report = check(ALL_OF_THEM.replace("BARRIER", ""), 5, 32, nothing(5), np.zeros(1, np.int32), nothing(5))
    assert "race" in {finding.kind for finding in report.findings}


def test_what_a_kernel_launches_runs_once(capfd):
    """However often the checker runs the kernel itself."""
    report = run_program(emulator.Module(A_CHILD, "p.cu"), mode="check")
    assert report.ok, report
    assert [launch.launch for launch in report.launches] == ["parent<<<4, 1>>>", "child<<<1, 1>>>"]
    assert capfd.readouterr().out == "4 4\n"
