"""Numbers as they are handed over: below 0 of every type, and arrays that hold something already."""

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator.program import run_program

TYPES = {"signed char": np.int8, "short": np.int16, "int": np.int32, "long long": np.int64}


@pytest.fixture(scope="module")
def module():
    kernels = [
        f"__global__ void add_{i}({name}* y, const {name}* x, {name} a, int n) {{\n"
        "    int i = threadIdx.x - 2;\n"
        f"    if (i >= 0 && i < n) y[i] += ({name})(x[i] / 2 + a % 4 + (x[i] >> 1));\n}}"
        for i, name in enumerate(TYPES)
    ]
    made = emulator.Module("\n".join(kernels))
    made.compile([f"add_{i}" for i in range(len(TYPES))])
    return made


@pytest.mark.parametrize("number", range(len(TYPES)), ids=TYPES)
def test_whole_numbers_below_nothing(module, number):
    """/ and % go towards 0, >> downwards, in C as on a GPU; NumPy's // and % go downwards."""
    dtype = list(TYPES.values())[number]
    x = np.array([-7, -1, 0, 5, np.iinfo(dtype).min], dtype)
    y = np.array([100, -100, 3, -3, 0], dtype)
    expected = y + (np.trunc(x / 2).astype(np.int64) + np.fmod(-7, 4) + (x >> 1)).astype(dtype)
    module[f"add_{number}"](1, 32, y, x, dtype(-7), 5)
    np.testing.assert_array_equal(y, expected)


def test_memory_that_a_program_asks_for_holds_nothing_to_count_on(capfd):
    """What is read before it was written is neither 0 nor what lay there before."""
    source = """#include <stdio.h>
    __global__ void count(int* y) { y[0] += 1; }
    int main() {
        int *y, host = 0;
        cudaMalloc(&y, sizeof(int));
        count<<<1, 1>>>(y);
        cudaMemcpy(&host, y, sizeof(int), cudaMemcpyDeviceToHost);
        printf("%d", host == 1);
        cudaFree(y);
        return cudaGetLastError();
    }"""
    run_program(emulator.Module(source, "p.cu"))
    assert capfd.readouterr().out == "0"
    report = run_program(emulator.Module(source, "p.cu"), mode="check")
    assert [(f.kind, f.line) for f in report.findings] == [("uninitialised", 2)]
