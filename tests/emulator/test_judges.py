"""Functions of the host that Python calls, launches by address, cooperative launches, refusals by name."""

import numpy as np
import pytest

from minivit import emulator
from minivit.__main__ import main
from minivit.emulator.posted import with_addresses
from minivit.emulator.program import run_program
from minivit.emulator.rules import check_rules

JUDGED = """#include <cuda_runtime.h>
// launch: solve(A[1000], B[1000], C[1000], 1000)
__global__ void add(const float* a, const float* b, float* c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}
extern "C" void solve(const float* A, const float* B, float* C, int N) {
    add<<<(N + 255) / 256, 256>>>(A, B, C, N);
    cudaDeviceSynchronize();
}
"""
N = 1000
A, B = np.arange(N, dtype=np.float32), np.ones(N, np.float32)


def nothing():
    return np.full(N, np.nan, np.float32)


def solve(before="", after="", **options):
    assert before in JUDGED
    return emulator.host_function(emulator.Module(JUDGED.replace(before, after), "judge.cu"), **options)


def test_a_function_is_called_with_arrays():
    right, c = solve(), nothing()
    assert [parameter.name for parameter in right.parameters] == ["A", "B", "C", "N"]
    right(A, B, c, N)
    assert np.array_equal(c, A + 1)
    checked = right.check(A, B, nothing(), N)
    assert checked.ok and not checked.remarks, checked


WRONG = {
    "too far": ("i < n", "i <= n", "out of bounds", 5),
    "not all": ("i < n", "i < n - 1", "unwritten", 0),
    "never launched": ("(N + 255) / 256, 256", "0, 256", "cudaErrorInvalidConfiguration", 8),
    "the host reads it": ("    cudaDeviceSynchronize();", "    C[0] = 1;", "device memory", 0),
}


@pytest.mark.parametrize(("before", "after", "kind", "line"), WRONG.values(), ids=WRONG)
def test_what_a_function_does_wrong(capfd, before, after, kind, line):
    found = solve(before, after).check(A, B, nothing(), N).findings
    assert (kind, line) in {(finding.kind, finding.line) for finding in found}


def test_a_call_that_fails_leaves_the_arrays(capfd):
    c = nothing()
    with pytest.raises(emulator.LaunchError, match="solve: cudaErrorInvalidConfiguration"):
        solve("(N + 255) / 256, 256", "1, 2048")(A, B, c, N)
    with pytest.raises(emulator.LaunchError, match="ended the process, with exit status 139"):
        solve("    cudaDeviceSynchronize();", "    C[0] = 1;")(A, B, c, N)
    with pytest.raises(emulator.LaunchError, match="has freed C"):
        solve("    cudaDeviceSynchronize();", "    cudaFree(C);")(A, B, c, N)
    with pytest.raises(emulator.LaunchError, match="wrote to its input A"):
        solve("a[i] + b[i];", "(((float*)a)[i] = 7);")(A, B, c, N)
    assert np.isnan(c).all()
    managed = solve("    cudaDeviceSynchronize();", "    C[0] = A[1];", memory="managed")
    managed(A, B, c, N)
    assert c[:3].tolist() == [1, 2, 3]


def test_which_function_is_asked_for():
    with pytest.raises(emulator.CompileError, match=r"no function 'solution' of the host.* it has solve"):
        emulator.host_function(emulator.Module(JUDGED), "solution")
    with pytest.raises(emulator.CompileError, match="add is a kernel"):
        emulator.host_function(emulator.Module(JUDGED), "add")
    with pytest.raises(ValueError, match="'device' or 'managed'"):
        solve(memory="host")
    with pytest.raises(ValueError, match="A and C share memory"):
        solve()(A, B, A, N)


def test_a_call_on_the_command_line(tmp_path, capfd):
    path = tmp_path / "judge.cu"
    path.write_text(JUDGED)
    assert main(["kernel", str(path), "--check"]) == 0
    assert main(["kernel", str(path), "solve(A[9], B[9], C[9], 9)", "--check"]) == 0
    assert main(["kernel", str(path)]) == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith("C (1000,) float32: from -")
    path.write_text(JUDGED.replace("i < n", "i <= n"))
    assert main(["kernel", str(path), "--check"]) == 1
    assert main(["kernel", str(path), "solve(A[9], B[9], C[9]", "--check"]) == 2


COOPERATIVE = """#include <cstdio>
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
__global__ void turn(float* part, float* sum) {
    __shared__ float kept[64];
    cg::grid_group grid = cg::this_grid();
    int mine = 7 * threadIdx.x;
    kept[threadIdx.x] = blockIdx.x + 1;
    part[grid.thread_rank()] = threadIdx.x;
    grid.sync();
    float total = 0;
    for (int i = 0; i < 64; ++i) total += part[(blockIdx.x + 1) % gridDim.x * 64 + i];
    grid.sync();
    part[grid.thread_rank()] = total + kept[threadIdx.x] + mine - 7 * threadIdx.x;
    if (threadIdx.x == 0) atomicAdd(sum, part[grid.thread_rank()]);
}
int main() {
    float *part, *sum, result = 0;
    cudaMalloc(&part, 5 * 64 * sizeof(float));
    cudaMalloc(&sum, sizeof(float));
    cudaMemset(sum, 0, sizeof(float));
    void* arguments[] = {&part, &sum};
    cudaError_t error = cudaLaunchCooperativeKernel((void*)turn, dim3(5), dim3(64), arguments, 0, 0);
    cudaMemcpy(&result, sum, sizeof(float), cudaMemcpyDeviceToHost);
    printf("%s %g\\n", cudaGetErrorName(error), result);
    cudaFree(part), cudaFree(sum);
}
"""
TURN = "(void*)turn, dim3(5), dim3(64)"


def checked(source):
    return run_program(emulator.Module(source, "p.cu"), mode="check")


def test_grid_sync_in_a_cooperative_launch(capfd):
    found = checked(COOPERATIVE)
    assert found.ok and not found.remarks, found
    assert capfd.readouterr().out == f"cudaSuccess {5 * 2016 + 15}\n"
    kernel, part = emulator.Module(COOPERATIVE)["turn"], np.zeros(320, np.float32)
    for order in range(3):
        total = np.zeros(1, np.float32)
        kernel(5, 64, part, total, order=order)
        assert total[0] == 5 * 2016 + 15
    assert kernel.check(5, 64, part, np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("before", "after", "kind", "line"),
    [
        ("    grid.sync();\n    part", "    part", "race", 12),
        (TURN, TURN.replace("5", "108 * 32 + 1"), "cudaErrorCooperativeLaunchTooLarge", 23),
        (f"cudaLaunchCooperativeKernel({TURN}, arguments, 0, 0)", "(turn<<<5, 64>>>(part, sum), cudaGetLastError())",
         "grid barrier", 10),
        ("    grid.sync();\n    float", "    if (threadIdx.x < 32) grid.sync(); else __syncthreads();\n    float",
         "divergent barrier", 10),
    ],
    ids=["missing", "too many blocks", "no cooperative launch", "divergent"],
)  # fmt: skip
def test_a_wrong_barrier_of_the_grid(capfd, before, after, kind, line):
    assert before in COOPERATIVE
    found = checked(COOPERATIVE.replace(before, after)).findings
    assert (kind, line) in {(finding.kind, finding.line) for finding in found}


def test_blocks_that_have_returned_are_not_waited_for():
    kernel = emulator.Module(COOPERATIVE.replace("    int mine", "    if (blockIdx.x == 2) return;\n    int mine"))[
        "turn"
    ]
    with pytest.raises(emulator.LaunchError, match=r"4 blocks wait at grid\.sync\(\) for 1 that have returned"):
        kernel(5, 64, np.zeros(320, np.float32), np.zeros(1, np.float32))


def test_a_kernel_is_launched_by_its_address(capfd):
    source = """#include <cstdio>
    template <typename T> __global__ void one(T* y) { *y = 5; }
    __global__ void two(int* y) { *y += 2; }
    int main() {
        int *y, result;
        cudaMalloc(&y, 4);
        void *arguments[] = {&y}, *kernels[] = {(void*)one<int>, reinterpret_cast<void*>(two), (void *) &two};
        for (void* kernel : kernels) cudaLaunchKernel(kernel, dim3(1), dim3(1), arguments, 0, 0);
        cudaLaunchKernel(two, 1, 1, arguments);
        cudaLaunchKernel((const void*)two, dim3(1), dim3(1), arguments, size_t(0), cudaStream_t(0));
        printf("%s, ", cudaGetErrorName(cudaLaunchKernel(y, 1, 1, arguments)));
        cudaMemcpy(&result, y, 4, cudaMemcpyDeviceToHost);
        printf("%d\\n", result);
        cudaFree(y);
    }"""
    found = checked(source)
    assert [finding.kind for finding in found.findings] == ["cudaErrorInvalidDeviceFunction"], found
    assert capfd.readouterr().out == "cudaErrorInvalidDeviceFunction, 13\n"
    assert [launch.launch for launch in found.launches[:2]] == ["one<int><<<1, 1>>>", "two<<<1, 1>>>"]
    assert with_addresses("(void*)other, (void*)x->two", ["two"]) == "(void*)other, (void*)x->two"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("texture<float, 2> t;", "texture: textures, surfaces"),
        ("__global__ void k(cudaTextureObject_t t) {}", "cudaTextureObject_t: textures"),
        ("this_multi_grid().sync();", "this_multi_grid: there is one device"),
        ("int main() { cuInit(0); }", "cuInit: the driver's own interface"),
        ("int main() { thrust::sort(a, b); }", "thrust: the emulator has CUDA C"),
        ("cudaGraph_t graph;", "cudaGraph_t: CUDA's graphs"),
        ("void tex1D(int);\nvoid f() { tex1D(3); }  // texture<float>", None),
    ],
)
def test_what_is_not_there_is_refused_by_name(code, words):
    if words is None:
        check_rules(code)
    else:
        with pytest.raises(emulator.CompileError, match=f"a.cu:2: {words}"):
            check_rules(f'#line 1 "a.cu"\n\n{code}\n')


def test_the_second_device_is_not_there(capfd):
    found = checked(
        "#include <cuda_runtime.h>\nint main() { return cudaSetDevice(1) == cudaErrorInvalidDevice ? 0 : 3; }"
    )
    assert found.status == 0 and "there is one device" in found.findings[0].message
