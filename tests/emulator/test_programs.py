"""Whole programs: host code and kernels, run, checked and profiled; what goes wrong on either side is told."""

import os
import subprocess
import sys

import pytest

from minivit import emulator
from minivit.__main__ import main
from minivit.emulator.posted import has_host_code, has_main, with_launches
from minivit.emulator.program import run_program

PROGRAM = """#include <stdio.h>
#include <vector>
#include <cuda_runtime.h>
#define N 1000
#define CHECK(x) do { cudaError_t e = (x); if (e != cudaSuccess) { \\
    fprintf(stderr, "line %d: %s\\n", __LINE__, cudaGetErrorString(e)); return 3; } } while (0)
__constant__ float factor;
__device__ int counter;
template <typename T>
__global__ void scale(T* y, const T* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        y[i] = factor * x[i];
        atomicAdd(&counter, 1);
    }
}
int main(int argc, char** argv) {
    std::vector<float> x(N), y(N);
    for (int i = 0; i < N; ++i) x[i] = i;
    float *d_x, *d_y, f = argc > 1 ? 5 : 3;
    CHECK(cudaMalloc(&d_x, N * sizeof(float)));
    CHECK(cudaMalloc((void**)&d_y, N * sizeof(float)));
    CHECK(cudaMemcpyToSymbol(factor, &f, sizeof f));
    CHECK(cudaMemcpy(d_x, x.data(), N * sizeof(float), cudaMemcpyHostToDevice));
    cudaEvent_t begin, end;
    cudaEventCreate(&begin);
    cudaEventCreate(&end);
    cudaEventRecord(begin);
    scale<<<(N + 255) / 256, 256>>>(d_y, d_x, N);
    cudaEventRecord(end);
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
    float ms = -1;
    CHECK(cudaEventElapsedTime(&ms, begin, end));
    CHECK(cudaMemcpy(y.data(), d_y, N * sizeof(float), cudaMemcpyDeviceToHost));
    int count;
    CHECK(cudaMemcpyFromSymbol(&count, counter, sizeof count));
    printf("y[10] = %g, counted %d, %d\\n", y[10], count, ms >= 0);
    CHECK(cudaFree(d_x));
    CHECK(cudaFree(d_y));
}
"""


def report(source, mode="check", **options):
    return run_program(emulator.Module(source, "p.cu"), mode=mode, **options)


def test_a_program_runs(capfd):
    assert report(PROGRAM, "run").status == 0
    assert capfd.readouterr().out == "y[10] = 30, counted 1000, 1\n"
    assert report(PROGRAM, "run", arguments=["five"]).status == 0
    assert capfd.readouterr().out == "y[10] = 50, counted 1000, 1\n"


def test_a_right_program_is_found_right():
    checked = report(PROGRAM)
    assert checked.ok and not checked.remarks and checked.status == 0
    assert str(checked) == "1 launch: nothing wrong was found"


def test_each_launch_is_profiled():
    (launch,) = report(PROGRAM, "profile").launches
    assert launch.arrays == {"d_x": (125, 0), "d_y": (0, 125), "counter": (1, 1), "factor": (1, 0)}


COPIED = "x.data(), N * sizeof(float), cudaMemcpyHostToDevice"

# What is put in the place of what: the kind of finding, and the line.
WRONG = {
    "too far": ("if (i < n)", "if (i <= n)", "out of bounds", 13),
    "race": ("atomicAdd(&counter, 1)", "counter++", "race", 14),
    "never copied": (f"CHECK(cudaMemcpy(d_x, {COPIED}));", "", "uninitialised",
                     13),
    "direction": (COPIED, COPIED.replace("HostToDevice", "DeviceToHost"),
                  "cudaErrorInvalidValue", 24),
    "too many bytes": ("x.data(), N * sizeof(float), cudaMemcpyHostToDevice", "x.data(), 8 * N, cudaMemcpyHostToDevice",
                       "cudaErrorInvalidValue", 24),
    "the host's pointer": ("(d_y, d_x, N)", "(d_y, x.data(), N)", "cudaErrorIllegalAddress", 29),
    "too many threads": ("(N + 255) / 256, 256", "1, 2048", "cudaErrorInvalidConfiguration", 29),
    "shared memory": ("(N + 255) / 256, 256", "4, 256, 50000", "cudaErrorInvalidValue", 29),
    "freed twice": ("cudaFree(d_y)", "cudaFree(d_x)", "cudaErrorInvalidValue", 40),
    "used after free": ("scale<<<", "cudaFree(d_x); scale<<<", "cudaErrorIllegalAddress", 29),
    "the device's pointer": ("CHECK(cudaFree(d_x))", "d_x[0] = 1", "device memory", 0),
    "symbol": ("&f, sizeof f", "&f, 8", "cudaErrorInvalidValue", 23),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "kind", "line"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(capfd, before, after, kind, line):
    assert before in PROGRAM
    checked = report(PROGRAM.replace(before, after))
    assert not checked.ok
    assert (kind, line) in {(f.kind, f.line) for f in checked.findings}, checked


def test_remarks_are_no_mistakes():
    source = PROGRAM.replace("    CHECK(cudaFree(d_y));\n", "").replace("    CHECK(cudaGetLastError());\n", "")
    source = source.replace("    CHECK(cudaDeviceSynchronize());\n", "")
    checked = report(source)
    assert checked.ok and {r.kind for r in checked.remarks} == {"never freed", "error not asked for"}
    head, *remarks = str(checked).splitlines()  # a line each
    assert head == "1 launch: nothing wrong was found" and len(remarks) == 2
    assert remarks[1].endswith(":29: error not asked for: cudaGetLastError() tells whether this launch could begin")


def test_an_error_stays_until_the_program_ends(capfd):
    assert report(PROGRAM.replace("y[i] =", "y[i << 28] ="), "run").status == 3
    assert "an illegal memory access was encountered" in capfd.readouterr().err


def test_managed_and_pinned_memory_streams_and_rows(capfd):
    source = """#include <cstdio>
    #include <cuda_runtime.h>
    __global__ void add(float* a, int n) { int i = threadIdx.x; if (i < n) a[i] += i; }
    int main() {
        float *managed, *pinned, *device, host[6] = {1, 2, 3, 4, 5, 6}, back[6] = {};
        size_t pitch;
        cudaMallocManaged(&managed, 4 * sizeof(float));
        cudaMallocHost(&pinned, 4 * sizeof(float));
        for (int i = 0; i < 4; ++i) managed[i] = pinned[i] = 1;
        cudaStream_t stream;
        cudaStreamCreate(&stream);
        add<<<1, 32, 0, stream>>>(managed, 4);
        add<<<dim3(1), dim3(32), 0, stream>>>(pinned, 4);
        cudaStreamSynchronize(stream);
        cudaMallocPitch(&device, &pitch, 3 * sizeof(float), 2);
        cudaMemcpy2D(device, pitch, host, 3 * sizeof(float), 3 * sizeof(float), 2, cudaMemcpyHostToDevice);
        cudaMemcpy2D(back, 3 * sizeof(float), device, pitch, 3 * sizeof(float), 2, cudaMemcpyDeviceToHost);
        printf("%g %g %g %g %g\\n", managed[3], pinned[2], back[0], back[5], (double)(pitch % 512));
        void* arguments[] = {&managed, new int(2)};
        cudaLaunchKernel(add, dim3(1), dim3(32), arguments, 0, 0);
        printf("%s %g\\n", cudaGetErrorName(cudaDeviceSynchronize()), managed[1]);
        cudaStreamDestroy(stream);
        cudaFree(managed), cudaFree(device), cudaFreeHost(pinned);
        return 7;
    }"""
    checked = report(source)
    assert checked.ok and checked.status == 7, checked
    assert capfd.readouterr().out == "4 3 1 6 0\ncudaSuccess 3\n"


def test_asserts_and_printf_on_both_sides(capfd):
    source = """#include <cassert>
    #include <cstdio>
    #include <cuda_runtime.h>
    __global__ void k(int n) { printf("thread %d\\n", threadIdx.x); assert(n == 1); }
    int main() {
        printf("host\\n");
        k<<<1, 2>>>(1);
        k<<<1, 2>>>(2);
        printf("%d\\n", cudaDeviceSynchronize() == cudaErrorAssert);
    }"""
    assert report(source, "run").status == 0
    out, err = capfd.readouterr()
    assert (
        out == "host\nthread 0\nthread 1\nthread 0\n1\n"
        and "p.cu:4: k, block (0, 0, 0)" in err
        and "assert(n == 1)" in err
    )


def test_time_and_memory_have_limits():
    endless = "#include <cstdio>\nint main() { for (volatile int i = 0;; ++i) {} }\n"
    with pytest.raises(emulator.LaunchError, match="still running after 2 seconds"):
        report(endless, "run", seconds=2)
    greedy = "#include <cstdlib>\nint main() { void* volatile p = malloc(1ull << 33); return p ? 0 : 4; }\n"
    assert report(greedy, "run", memory=1 << 30).status == 4


def test_memory_that_leaves_no_room_to_check_is_no_mistake():
    wide = """#include <cstdio>
    __global__ void k(float* x) { *x = 1; }
    int main() {
        float* x;
        if (cudaMalloc(&x, 1u << 28)) return 5;
        k<<<1, 1>>>(x);
        return cudaGetLastError();
    }"""
    with pytest.raises(emulator.EmulatorError, match=r"who touched what.*no room: give a program more \(--memory"):
        report(wide, memory=1 << 30)


def test_launches_are_found_in_any_clothes():
    text = with_launches("if (a) ns::add<float, 4><<<dim3(g(1), 2),\n  b>>>(x, y);")
    assert text.count("\n") == 1 and "emulator_launch(emulator_grid(dim3(g(1), 2),\n  b)," in text
    assert '"ns::add<float, 4>", [&](auto... emulator_a) { ns::add<float, 4>(emulator_a...); })(x, y);' in text
    assert with_launches("k << <1, 2 >> >(x);").startswith("emulator_launch(emulator_grid(1, 2 ), ")
    assert with_launches("// k<<<1, 2>>>(x)\n") == "// k<<<1, 2>>>(x)\n"
    with pytest.raises(emulator.CompileError, match="never closed"):
        with_launches("k<<<1, 2(x);")
    assert has_host_code("k<<<1, 1>>>();") and not has_host_code("// k<<<1, 1>>>();\n1 << 2;")
    assert has_main("int main(void) {") and not has_main("int domain(int x) { return x; }")


def test_a_kernel_of_a_program_is_run_alone():
    import numpy as np

    module, y = emulator.Module(PROGRAM), np.zeros(4, np.float32)
    module.set_symbol("factor", np.float32(2))
    module["scale<float>"](1, 32, y, np.arange(4, dtype=np.float32), 4)
    assert y.tolist() == [0, 2, 4, 6] and module.symbol("counter", np.int32)[0] == 4


def test_the_command_line(tmp_path, capfd):
    path = tmp_path / "p.cu"
    path.write_text(PROGRAM)
    assert main(["kernel", str(path)]) == 0
    assert main(["kernel", str(path), "--check"]) == 0
    assert capfd.readouterr().out.endswith("1 launch: nothing wrong was found\n")
    path.write_text(PROGRAM.replace("    CHECK(cudaFree(d_y));\n", ""))
    assert main(["kernel", str(path), "--check"]) == 0
    assert main(["kernel", str(path), "--check", "--strict"]) == 1
    path.write_text(PROGRAM.replace("i < n", "i <= n"))
    assert main(["kernel", str(path), "--check"]) == 1
    path.write_text(PROGRAM.replace("int i =", "int i"))
    assert main(["kernel", str(path)]) == 2
    assert "p.cu:11:" in capfd.readouterr().err


def test_output_goes_where_it_is_sent(tmp_path):
    path = tmp_path / "p.cu"
    path.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "minivit", "kernel", str(path)], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0 and done.stdout == "y[10] = 30, counted 1000, 1\n"
