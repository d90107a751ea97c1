"""macOS, as far as it can be tried elsewhere: ziglang compiles and links the emulator's C++ for it, and what comes of
that is read. Nothing is run."""

import importlib.util
import subprocess
import sys

import pytest

from minivit.emulator import Module, build, compiler, module
from minivit.emulator.trace.library_file import LibraryFile

KERNELS = """
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
"""
PROGRAM = f"""#include <cstdio>
{KERNELS}
int main() {{
    float* y;
    cudaMalloc(&y, 4);
    sum<<<1, 32, 128>>>(y, y, 1);
    return cudaGetLastError() != cudaSuccess;
}}
"""
ZIG = importlib.util.find_spec("ziglang") is not None


@pytest.fixture(params=["aarch64-macos", "x86_64-macos"])
def clang(request, monkeypatch, tmp_path):
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path))
    found = compiler._describe([sys.executable, "-m", "ziglang", "c++", "-target", request.param])
    for place in (build, module):
        monkeypatch.setattr(place, "find_compiler", lambda: found)
    assert (found.system, found.family) == ("darwin", "zig")
    return found


@pytest.mark.skipif(not ZIG, reason="needs ziglang, a compiler for every system")
@pytest.mark.parametrize("mode", ["run", "trace"])
def test_all_of_it_compiles(clang, monkeypatch, mode):
    def copied(self, kernels, runtime, _, result, plain):  # its linker would first compile C++'s own library
        return subprocess.run(["cp", kernels, result], capture_output=True, text=True)

    monkeypatch.setattr(compiler.Compiler, "link", copied)
    monkeypatch.setattr(build, "_gather_lines", lambda library: None)  # by a program of Apple's
    Module(PROGRAM, "p.cu").compile_program(mode)


@pytest.mark.skipif(not ZIG, reason="needs ziglang, a compiler for every system")
def test_a_library_is_linked_and_read(clang):
    kernels = Module(KERNELS, "k.cu")
    read = LibraryFile(build.build_library(kernels._code(["sum"]), "run", kernels.source))
    sizes = {array.name: array.size for array in read.shared_arrays}
    assert sizes["emulator_dynamic_shared"] >= 227 * 1024 and 40 <= sizes["wide"] <= 48 and 192 <= sizes["kept"] <= 216
    variables = read.variables(frozenset({"total", "least"}))
    assert {(v.name, v.size) for v in variables} == {("total", 12), ("least", 4)}
    assert read.function_of(read.address_of("emulator_message")) == "emulator_message"
