"""Files as they are posted: what they include, how they are written, what their macros are called."""

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator import includes

KERNEL = "__global__ void k(float* y) { y[threadIdx.x] = 1; }\n"


def filled(source, **options):
    y = np.zeros(4, np.float32)
    emulator.Module(source, "k.cu", **options)["k"](1, 4, y)
    return y.tolist()


@pytest.mark.parametrize(
    "source",
    [
        '#include "cuda_runtime.h"\n#include "device_launch_parameters.h"\n' + KERNEL,
        "#include <cuda.h>\n#include <math_constants.h>\n" + KERNEL,
        "#include <stdio.h>\n#include <math.h>\n#include <assert.h>\n" + KERNEL,
        "#include <stdint.h>\n__global__ void k(float* y) { uint32_t one = 1; y[threadIdx.x] = one; }",
        "/*\n#include <nothing.h>\n*/\n" + KERNEL,
        "// #include <nothing.h>\n" + KERNEL,
        '#if 0\n#include "nothing.h"\n#else\n#define ONE 1\n#endif\n' + KERNEL.replace("= 1", "= ONE"),
        "#ifdef _WIN32\n#include <windows.h>\n#endif\n" + KERNEL,
        "#ifndef __CUDACC__\n#include <nothing.h>\n#elif 1\n#define ONE 1\n#else\n#include <nothing.h>\n#endif\n"
        + KERNEL.replace("= 1", "= ONE"),
        "#ifndef __CUDACC_RTC__\n#include <cuda_runtime.h>\n#endif\n" + KERNEL,
    ],
)
def test_what_a_compiler_would_not_miss_is_not_missed(cache, source):
    assert filled(source) == [1, 1, 1, 1]


def test_a_header_that_is_asked_for_and_missing_is_named():
    with pytest.raises(FileNotFoundError, match=r'k\.cu:2: there is no header "helper\.h"'):
        emulator.Module('#if 1\n#include "helper.h"\n#endif\n' + KERNEL, "k.cu")
    # behind a condition that the compiler alone knows, the compiler asks for it
    with pytest.raises(emulator.CompileError, match=r"helper\.h"):
        emulator.Module('#define A 2\n#if A > 1\n#include "helper.h"\n#endif\n' + KERNEL, "k.cu")["k"]


@pytest.mark.parametrize(
    "data", [KERNEL.encode("utf-8-sig"), KERNEL.encode("utf-16"), b"// \xe9t\xe9\r\n" + KERNEL.encode()]
)
def test_files_in_other_encodings(tmp_path, cache, data):
    (tmp_path / "k.cu").write_bytes(data)
    y = np.zeros(4, np.float32)
    emulator.load(tmp_path / "k.cu")["k"](1, 4, y)
    assert y.tolist() == [1, 1, 1, 1]


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "k.cu").write_bytes(b"\x7fELF\0\0")
    with pytest.raises(ValueError, match=r"k\.cu is no text: its byte 4 is 0"):
        emulator.load(tmp_path / "k.cu")


@pytest.mark.parametrize(
    "name", ["T", "A", "size", "kernel", "here", "current", "block_size", "call", "function", "name"]
)
def test_a_macro_may_have_any_name(cache, name):
    source = (
        f'#define {name} 16\n__global__ void k(float* y) {{ __syncthreads(); y[threadIdx.x] = {name}; printf(""); }}'
    )
    assert filled(source) == [16] * 4


def test_the_names_of_a_definition_count():
    source = "__global__ void k(float*, int);\n__global__ void k(float* y, int n) {}\n__global__ void k(float*, int);\n"
    assert emulator.Module(source).kernels["k"].parameters == ("y", "n")


def test_the_architecture_is_known(cache):
    source = """
#if __CUDA_ARCH__ < 600
#error "old"
#endif
__global__ void k(float* y) {
#ifdef __CUDA_ARCH__
    y[threadIdx.x] = __CUDACC__;
#endif
}"""
    assert filled(source) == [1, 1, 1, 1]


BUILTINS = {
    "normcdff(1.0f)": 0.8413447, "erfinvf(0.5f)": 0.47693628, "erfinvf(-0.999f)": -2.3267562, "rhypotf(3, 4)": 0.2,
    "norm3df(1, 2, 2)": 3, "sinpif(0.5f)": 1, "lroundf(2.5f)": 3, "lrintf(2.5f)": 2, "ilogbf(9)": 3, "umin(3, 4u)": 3,
    "labs(-7)": 7, "__float2uint_rz(2.9f)": 2, "__int2float_rz(16777217)": 16777216, "__fmul_rz(1.1f, 1.1f)": 1.21,
    "__fadd_ru(1.0f, 1e-10f)": 1.0000001, "__byte_perm(0x33221100, 0x77665544, 0x7610) % 256": 0,
    "__dp4a(0x01020304, 0x01010101, 5)": 15, "__brevll(1ull << 63)": 1, "__funnelshift_l(0x80000000, 1, 1)": 3,
    "__reduce_add_sync(0xf, int(threadIdx.x))": 6, "__umul64hi(1ull << 63, 4)": 2,
}  # fmt: skip


def test_what_nvrtc_knows_without_a_header(cache):
    sums = "".join(f"    y[{i}] = {text};\n" for i, text in enumerate(BUILTINS))
    module = emulator.Module(f"__global__ void k(float* y) {{\n{sums}}}")
    y = np.zeros(len(BUILTINS), np.float32)
    module["k"](1, 4, y)
    np.testing.assert_allclose(y, list(BUILTINS.values()), rtol=3e-7)


def test_rounding_towards_zero_is_exact(cache):
    source = """__global__ void k(const float* a, const float* b, float* y) {
        y[threadIdx.x] = __fmul_rz(a[threadIdx.x], b[threadIdx.x]);
    }"""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 1000)).astype(np.float32)
    y = np.zeros(1000, np.float32)
    emulator.Module(source)["k"](1, 1000, a, b, y)
    exact = a.astype(np.float64) * b
    assert (abs(y) <= abs(exact)).all() and (abs(np.nextafter(y, np.sign(y) * np.float32(np.inf))) > abs(exact)).all()


def test_one_text_has_its_headers_once(tmp_path):
    (tmp_path / "a.h").write_text("int a;\n")
    (tmp_path / "k.cu").write_text('#include "a.h"\n#include "a.h"\n#include <vector>\n#include "stdio.h"\n')
    text = includes.text_of(tmp_path / "k.cu")
    assert text.flat.count("int a;") == 1 and text.system == ["vector", "stdio.h"]
