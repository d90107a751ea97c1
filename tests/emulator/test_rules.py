"""What no GPU's compiler takes is refused, with its line; what it takes is not."""

import pytest

from minivit import emulator
from minivit.emulator.rules import check_rules

REFUSED = {
    "float sq(float a) { return a * a; }\n__device__ float f() { return sq(2); }": "sq is a function of the host",
    "__host__ float sq(float a) { return a; }\n__global__ void k(float* y) { y[0] = sq(2); }": "sq is a function of",
    "float w[2] = {1, 2};\n__global__ void k(float* y) { y[0] = w[1]; }": "w is a variable of the host",
    "int n = 4;\n__device__ int f() { return n; }": "n is a variable of the host",
    "\n__global__ void k(float* y) { __shared__ int s = 0; y[0] = s; }": "__shared__ variable cannot be initialised",
    "\n__global__ void k(float* y) { __shared__ float s[4] = {0}; y[0] = s[0]; }": "cannot be initialised",
    "\n__global__ void k(float* y) { cudaDeviceSynchronize(); }": "since CUDA 12 a kernel cannot wait",
    "\n__global__ void k(float* y) { __device__ float g = 1; y[0] = g; }": "__device__ variable stands outside",
}
TAKEN = [
    "__host__ __device__ float sq(float a) { return a * a; }\n__global__ void k(float* y) { y[0] = sq(2); }",
    "constexpr int sq(int a) { return a * a; }\n__global__ void k(float* y) { y[0] = sq(2); }",
    "float sq(float a) { return a; }\n__device__ float sq(int a) { return a; }\n__device__ int f() { return sq(2); }",
    "int n = 4;\n__global__ void k(float* y, int n) { y[0] = n; }",
    "int n = 4;\n__global__ void k(float* y) { int n = 3; y[0] = n; for (int n = 0; n < 3; ++n) y[n] = n; }",
    "const int N = 4;\n__global__ void k(float* y) { y[0] = N; }",
    "float* d_y;\nint main() { d_y = nullptr; return 0; }\n__global__ void k(float* y) { y[0] = 1; }",
    "struct S { int n; __device__ int get() const { return n; } };\n__device__ int f(S s) { return s.get(); }",
    "namespace a { template <typename T> __device__ T f(T x) { return x; } }\n__device__ int g() { return a::f(1); }",
    'extern "C" { __device__ int f() { return 1; } }\n__global__ void k(float* y) { y[0] = f(); }',
    "#define F(x) f(x)\n__device__ int f(int a) { return a; }\n__global__ void k(float* y) { y[0] = F(1); }",
    "__global__ void k(float* y) { extern __shared__ float s[]; __shared__ float t[4]; s[0] = t[0]; y[0] = s[0]; }",
    "__global__ void k(float* y) { __shared__ struct { int n; } s; s.n = 1; y[0] = s.n; }",
    "__host__ __device__ void w() { cudaDeviceSynchronize(); }\n__global__ void k(float* y) { y[0] = 1; }",
    "void print(float x) {}\nstruct V { __device__ void print() {} };\n__global__ void k(V v) { v.print(); }",
]


@pytest.mark.parametrize(("source", "message"), REFUSED.items())
def test_what_no_gpu_takes(source, message):
    with pytest.raises(emulator.CompileError, match=rf"k\.cu:2: .*{message}"):
        check_rules(f'#line 1 "k.cu"\n{source}\n')


@pytest.mark.parametrize("source", TAKEN)
def test_what_a_gpu_takes(source):
    check_rules(f'#line 1 "k.cu"\n{source}\n')


def test_an_array_of_a_length_that_is_known_later(cache):
    with pytest.raises(emulator.CompileError, match=r"k\.cu:1: .*variable"):
        emulator.Module("__global__ void k(float* y, int n) { float a[n]; a[0] = 1; y[0] = a[0]; }", "k.cu")["k"]
