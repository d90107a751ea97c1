"""Variables of a file: __device__, __constant__, static; set and read from Python, and watched as any other memory."""

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator.source import VariableText, find_variables


def test_variables_are_found_by_their_text():
    text = """__device__ int a, *b = 0, c[4][5];
    static __device__ volatile unsigned long long n = 0ull;
    __constant__ __align__(16) float4 k[MAX];
    // __device__ int no;
    __device__ float f(int x) { return 1; }
    __device__ const float table[2] = {1, 2};
    __device__ __forceinline__ T g(T a);"""
    found = find_variables(text)
    assert [v.name for v in found] == ["a", "b", "c", "n", "k", "table"]
    assert [v.name for v in found if v.initialised] == ["b", "n", "table"]
    assert found[4] == VariableText("k", True, False)


SCALE = "__constant__ float w[3];\n__global__ void k(float* y) { y[threadIdx.x] = w[threadIdx.x % 3]; }"


def test_a_constant_is_set():
    module, y = emulator.Module(SCALE), np.zeros(4, np.float32)
    unset = module["k"].check(1, 4, np.full(4, np.nan, np.float32))
    assert [f.kind for f in unset.findings] == ["uninitialised"] and 'set_symbol("w"' in str(unset)
    module.set_symbol("w", np.float32([1, 2, 3]))
    module["k"](1, 4, y)
    assert y.tolist() == [1, 2, 3, 1]
    assert module["k"].check(1, 4, np.full(4, np.nan, np.float32)).ok
    assert module.symbol("w", np.float32).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="no variable 'v'; it declares w"):
        module.set_symbol("v", 1)
    module.set_symbol("w", np.zeros(4, np.float32))
    with pytest.raises(emulator.LaunchError, match="w has 12 bytes, and was set to 16"):
        module["k"](1, 4, y)


def test_a_kernel_writes_no_constant():
    module = emulator.Module("__constant__ int w = 1;\n__global__ void k() { w = 2; }")
    (finding,) = module["k"].check(1, 1).findings
    assert (finding.kind, finding.array, finding.line) == ("read-only", "w", 2)


COUNT = """__device__ int counter = 5;
__global__ void add() { atomicAdd(&counter, 1); }
__global__ void twice(int* y) { *y = 2 * counter; }"""


def test_a_variable_lives_from_launch_to_launch_and_kernel_to_kernel():
    module, y = emulator.Module(COUNT), np.zeros(1, np.int32)
    module["add"](2, 32)
    module["add"](1, 32)
    module["twice"](1, 1, y)
    assert module.symbol("counter", np.int32)[0] == 101 and y[0] == 202
    assert module["add"].check(2, 32).ok  # which changes nothing here
    assert module.symbol("counter", np.int32)[0] == 101


RACES = {
    "argument": ("__global__ void k(int* n) { n[0]++; }", [np.zeros(1, np.int32)]),
    "scalar": ("__device__ int n;\n__global__ void k() { n++; }", []),
    "array": ("__device__ int n[64];\n__global__ void k() { n[threadIdx.x] = n[63 - threadIdx.x]; }", []),
    "static": ("__global__ void k() { static int n; n++; }", []),
    "in a namespace": ("namespace a { __device__ int n; }\n__global__ void k() { a::n++; }", []),
}


@pytest.mark.parametrize(("source", "arguments"), RACES.values(), ids=RACES)
def test_a_race_on_a_variable_of_the_file(source, arguments):
    report = emulator.Module(source)["k"].check(2, 64, *arguments)
    assert {f.kind for f in report.findings} == {"race"} and {f.array for f in report.findings} == {"n"}


def test_bounds_of_a_variable():
    source = "__device__ int a[4];\n__device__ int* p = a;\n__global__ void k(int i) { p[i] = 1; }"
    assert emulator.Module(source)["k"].check(1, 1, 3).ok
    assert not emulator.Module(source.replace("a[4]", "a[400]"))["k"].check(1, 1, 1 << 20).ok


def test_the_last_block_adds_up():
    source = """__device__ unsigned count = 0;
    __global__ void sum(const float* x, volatile float* part, float* out, int n) {
        __shared__ bool last;
        if (threadIdx.x == 0) {
            float v = 0;
            for (int i = blockIdx.x; i < n; i += gridDim.x) v += x[i];
            part[blockIdx.x] = v;
            __threadfence();
            last = atomicInc(&count, gridDim.x) == gridDim.x - 1;
        }
        __syncthreads();
        if (last && threadIdx.x == 0) { float r = 0; for (int i = 0; i < gridDim.x; i++) r += part[i]; out[0] = r; }
    }"""
    nan = np.full(8, np.nan, np.float32)
    arguments = np.ones(100, np.float32), nan, nan[:1].copy(), 100
    assert emulator.Module(source)["sum"].check(8, 64, *arguments).ok
    unfenced = emulator.Module(source.replace("__threadfence();", ""))["sum"].check(8, 64, *arguments)
    assert "race" in {f.kind for f in unfenced.findings}
