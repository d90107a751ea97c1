"""What the checker says: of rounds of a loop, of outputs that nobody named, of a program's launches."""

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator.includes import check_is_source
from minivit.emulator.program import run_program

TILES = """
__global__ void sum(float* y, const float* x, int n) {
    __shared__ float tile[64];
    float s = 0;
    for (int first = 0; first < n; first += 64) {
        tile[threadIdx.x] = x[first + threadIdx.x];
        FIRST
        for (int i = 0; i < 64; ++i) s += tile[i];
        SECOND
    }
    y[threadIdx.x] = s;
}"""
BARRIER = "__syncthreads();"


def check_tiles(first, second, **options):
    kernel = emulator.Module(TILES.replace("FIRST", first).replace("SECOND", second))["sum"]
    return kernel.check(1, 64, np.full(64, np.nan, np.float32), np.ones(256, np.float32), 256, **options)


@pytest.mark.parametrize("order", range(3))
def test_a_race_across_the_rounds_of_a_loop_says_so(order):
    assert check_tiles(BARRIER, BARRIER, order=order)
    (found,) = check_tiles(BARRIER, "", order=order).findings
    assert "line 8 of one round and line 6 of the next" in found.message
    assert found.mend == "The barrier belongs after line 8: put __syncthreads() there."


@pytest.mark.parametrize("second", [BARRIER, ""])
def test_a_race_within_a_round_does_not(second):
    (found,) = check_tiles("", second).findings
    assert "round" not in found.message
    assert found.mend == "Put __syncthreads() between them."


def test_rounds_of_lanes_want_their_own_barrier():
    source = """
    __global__ void k(float* y) {
        __shared__ float box[32];
        float sum = 0;
        for (int i = 0; i < 4; ++i) {
            box[threadIdx.x] = i;
            __syncwarp();
            sum += box[31 - threadIdx.x];
        }
        y[threadIdx.x] = sum;
    }"""
    (found,) = emulator.Module(source)["k"].check(1, 32, np.full(32, np.nan, np.float32)).findings
    assert found.mend == "The barrier belongs after line 8: put __syncwarp() there."


def test_a_function_that_is_called_twice_is_no_loop():
    source = """
    __device__ __noinline__ float total(float* box, float v) {
        box[threadIdx.x] = v;
        __syncthreads();
        float sum = 0;
        for (int i = 0; i < 64; ++i) sum += box[i];
        return sum;
    }
    __global__ void k(float* y) {
        __shared__ float box[64];
        float first = total(box, threadIdx.x);
        y[threadIdx.x] = first + total(box, first);
    }"""
    (found,) = emulator.Module(source)["k"].check(1, 64, np.full(64, np.nan, np.float32)).findings
    assert (found.line, found.other_line) == (6, 3)
    assert found.called_in == ("kernel.cu", 11) or "line 6 of one round or call and line 3 of the next" in found.message


def test_an_output_that_nobody_named_is_remarked():
    some = "__global__ void k(int* y, int n) { int i = blockIdx.x * 32 + threadIdx.x; if (i < n) y[i] = i; }"
    kernel, y = emulator.Module(some)["k"], np.zeros(64, np.int32)
    report = kernel.check(2, 32, y, 40)
    assert report.ok
    assert "24 of the 64 elements of y are never written, to begin with y[40]" in str(report)
    assert [remark.array for remark in report.remarks] == ["y"]
    assert not kernel.check(2, 32, y, 64).remarks
    named = kernel.check(2, 32, y, 40, outputs=["y"])
    assert [finding.kind for finding in named.findings] == ["unwritten"]
    assert not named.remarks
    changed = emulator.Module(some.replace("y[i] = i", "y[i] += i"))["k"].check(2, 32, y, 40)
    assert changed.ok
    assert not changed.remarks  # it is an input, too


PROGRAM = """#include <cstdio>
__constant__ float w[4];
extern __shared__ float tile[];
__global__ void k(float* y, const float* x) {
    tile[threadIdx.x] = w[0];
    y[threadIdx.x] = x[threadIdx.x];
}
int main() {
    float *x, *y;
    cudaMalloc(&x, 32 * sizeof(float));
    cudaMalloc(&y, 32 * sizeof(float));
    k<<<1, 32, BYTES>>>(y, x);
    printf("%d\\n", int(cudaDeviceSynchronize()));
    cudaFree(x);
    cudaFree(y);
}
"""


def test_the_words_of_a_program_fit_a_program(capfd):
    report = run_program(emulator.Module(PROGRAM.replace("BYTES", "128")), mode="check")
    text = str(report)
    assert "Set it first, by cudaMemcpy, cudaMemset or a kernel." in text
    assert "outputs=" not in text
    report = run_program(emulator.Module(PROGRAM.replace("BYTES", "64")), mode="check")
    assert "Ask for more at the launch (<<<grid, block, bytes>>>)" in str(report)
    assert "shared=" not in str(report)


def test_a_programs_kernels_have_no_arrays_of_a_later_length(capfd):
    host = PROGRAM.replace("BYTES", "128").replace("int main() {", "int main() { int n = 3; float h[n]; h[0] = n;")
    assert run_program(emulator.Module(host)).status == 0  # the host's compiler takes it
    kernel = host.replace("tile[threadIdx.x] = w[0];", "int m = blockDim.x;\n    float own[m]; own[0] = 1;")
    with pytest.raises(
        emulator.CompileError, match=r"kernel.cu:6: a thread's own array has a length that is known when"
    ):
        run_program(emulator.Module(kernel))


def test_what_is_no_cuda_is_named():
    with pytest.raises(ValueError, match=r"train.py is a file of Python, expected CUDA C\+\+"):
        check_is_source("train.py")
    for name in ("add.cu", "add.cuh", "add.cpp", "add.txt", "add"):
        check_is_source(name)


def test_strict_without_check_is_refused(tmp_path, capsys):
    from minivit.__main__ import main

    (tmp_path / "p.cu").write_text("int main() {}\n")
    assert main(["kernel", str(tmp_path / "p.cu"), "--strict"]) == 2
    assert "say --check, too" in capsys.readouterr().err
