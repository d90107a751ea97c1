"""macOS, as far as it can be tried elsewhere: all of the emulator's C++ is compiled and linked for it, and what comes of
that is read. Nothing is run."""

import importlib.util
import sys

import pytest

from minivit import emulator
from minivit.emulator import build, compiler, module
from minivit.emulator.trace.library_file import LibraryFile

SOURCE = """#include <cstdio>
__device__ float total[3];
__constant__ int least;
template <typename T> __device__ T twice(T x) {
    __shared__ T kept[48];
    kept[threadIdx.x] = x;
    return 2 * kept[threadIdx.x];
}
__global__ void sum(float* y, const float* x, int n) {
    extern __shared__ float tile[];
    __shared__ double wide[5];
    tile[threadIdx.x] = threadIdx.x < n && n > least ? twice(x[threadIdx.x]) : wide[0];
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) atomicAdd(&total[1], tile[0]), y[0] = tile[n - 1];
}
int main() {
    float* y;
    cudaMalloc(&y, 4);
    sum<<<1, 32, 128>>>(y, y, 1);
    return cudaGetLastError() != cudaSuccess;
}
"""
TARGETS = ["aarch64-macos", "x86_64-macos"] if importlib.util.find_spec("ziglang") else []


@pytest.mark.parametrize("mode", ["run", "trace"])
@pytest.mark.parametrize("target", TARGETS)
def test_all_of_it_compiles_and_links(monkeypatch, tmp_path, target, mode):
    clang = compiler._describe([sys.executable, "-m", "ziglang", "c++", "-target", target])
    assert (clang.system, clang.family) == ("darwin", "zig")
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path))
    for place in (build, module):
        monkeypatch.setattr(place, "find_compiler", lambda: clang)
    monkeypatch.setattr(build, "_gather_lines", lambda library: None)  # by a program of Apple's
    read = LibraryFile(emulator.Module(SOURCE, "k.cu").compile_program(mode))
    assert {array.name for array in read.shared_arrays} >= {"kept", "wide", "emulator_dynamic_shared"}
    assert {"total", "least"} <= {variable.name for variable in read.variables(frozenset({"total", "least"}))}
    assert read.address_of("emulator_message") > 0
