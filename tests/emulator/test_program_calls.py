"""What programs ask of CUDA's runtime beside memory and launches: boxes of memory, symbols, launches from kernels."""

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator.program import run_program


def output(source, capfd, mode="run"):
    """What the program prints; it must end with status 0, and be found right."""
    report = run_program(emulator.Module(source, "p.cu"), mode=mode)
    assert report.status == 0, capfd.readouterr()
    assert report.ok, report
    return capfd.readouterr().out


BOXES = """#include <stdio.h>
__global__ void fill(cudaPitchedPtr p, int w, int h, int d) {
    for (int z = 0; z < d; ++z)
        for (int y = threadIdx.x; y < h; y += blockDim.x)
            for (int x = 0; x < w; ++x)
                ((float*)((char*)p.ptr + (z * h + y) * p.pitch))[x] += x + 10 * y + 100 * z;
}
int main() {
    cudaExtent all = make_cudaExtent(5 * sizeof(float), 3, 2);
    cudaPitchedPtr device;
    if (cudaMalloc3D(&device, all) || cudaMemset3D(device, 0, all)) return 1;
    fill<<<1, 32>>>(device, 5, 3, 2);
    float host[2][3][5] = {};
    cudaMemcpy3DParms copy = {};
    copy.srcPtr = device;
    copy.srcPos = make_cudaPos(1 * sizeof(float), 1, 0);
    copy.dstPtr = make_cudaPitchedPtr(host, 5 * sizeof(float), 5, 3);
    copy.extent = make_cudaExtent(4 * sizeof(float), 2, 2);
    copy.kind = cudaMemcpyDeviceToHost;
    if (cudaMemcpy3D(&copy)) return 2;
    printf("%g %g %g %g\\n", host[0][0][0], host[1][1][3], host[0][0][4], host[0][2][0]);
    cudaFree(device.ptr);
}
"""


@pytest.mark.parametrize("mode", ["run", "check"])
def test_boxes_of_memory(capfd, mode):
    assert output(BOXES, capfd, mode) == "11 124 0 0\n"


SYMBOL = """#include <stdio.h>
__device__ float table[8];
__global__ void twice() { table[threadIdx.x] *= 2; }
int main() {
    float host[8], *address;
    for (int i = 0; i < 8; ++i) host[i] = i;
    if (cudaGetSymbolAddress((void**)&address, table)) return 1;
    if (cudaMemcpy(address, host, sizeof host, cudaMemcpyHostToDevice)) return 2;
    twice<<<1, 8>>>();
    if (cudaMemcpy(host, address + 2, 6 * sizeof(float), cudaMemcpyDefault)) return 3;
    printf("%g %g\\n", host[0], host[5]);
}
"""


@pytest.mark.parametrize("mode", ["run", "check"])
def test_a_variable_is_copied_to_by_its_address(capfd, mode):
    assert output(SYMBOL, capfd, mode) == "4 14\n"


def test_a_copy_beyond_a_variable_is_refused(capfd):
    report = run_program(emulator.Module(SYMBOL.replace("address + 2, 6", "address + 3, 6"), "p.cu"), mode="check")
    assert ("cudaErrorInvalidValue", 10) in {(f.kind, f.line) for f in report.findings}, report


CHILDREN = """#include <stdio.h>
__global__ void halve(int* x, int n, int depth) {
    if (threadIdx.x < n) x[threadIdx.x] += depth;
    if (threadIdx.x == 0 && n > 1) {
        halve<<<1, 32>>>(x, n / 2, depth + 1);
        halve<<<1, 32, 0, cudaStreamTailLaunch>>>(x + n / 2, n / 2, depth + 1);
    }
}
int main() {
    int host[8] = {}, *x;
    cudaMalloc(&x, sizeof host);
    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    halve<<<1, 32>>>(x, 8, 1);
    if (cudaDeviceSynchronize()) return 1;
    cudaMemcpy(host, x, sizeof host, cudaMemcpyDeviceToHost);
    for (int i = 0; i < 8; ++i) printf("%d ", host[i]);
    cudaFree(x);
}
"""


@pytest.mark.parametrize("mode", ["run", "check"])
def test_a_kernel_launches_kernels(capfd, mode):
    assert output(CHILDREN, capfd, mode) == "10 " * 8


def test_a_mistake_in_a_childs_launch_is_found(capfd):
    report = run_program(emulator.Module(CHILDREN.replace("x + n / 2, n / 2", "x + n, n / 2"), "p.cu"), mode="check")
    assert ("out of bounds", 3) in {(f.kind, f.line) for f in report.findings}, report


def test_a_kernel_that_python_calls_launches_none():
    module = emulator.Module(CHILDREN, "p.cu")
    with pytest.raises(emulator.LaunchError, match=r"p\.cu:5.*halve is launched by a kernel: that needs a program"):
        module["halve"](1, 32, np.zeros(8, np.int32), 8, 1)


def test_a_kernel_cannot_wait_for_its_children():
    source = CHILDREN.replace(
        "    if (threadIdx.x == 0 &&", "    cudaDeviceSynchronize();\n    if (threadIdx.x == 0 &&"
    )
    with pytest.raises(emulator.CompileError, match=r"p\.cu:4: since CUDA 12 a kernel cannot wait"):
        run_program(emulator.Module(source, "p.cu"))


DEVICE = """#include <stdio.h>
#include <omp.h>
#include <nvToolsExt.h>
int main() {
    cudaDeviceProp p;
    cudaGetDeviceProperties(&p, 0);
    int overlap, can;
    cudaDeviceGetAttribute(&overlap, cudaDevAttrGpuOverlap, 0);
    cudaDeviceCanAccessPeer(&can, 0, 1);
    size_t heap;
    cudaDeviceGetLimit(&heap, cudaLimitMallocHeapSize);
    cudaSharedMemConfig banks;
    cudaDeviceGetSharedMemConfig(&banks);
    nvtxRangePush("all");
    int threads = 0;
#pragma omp parallel for
    for (int i = 0; i < 4; ++i) threads += omp_get_num_threads();
    nvtxRangePop();
    cudaEvent_t event;
    cudaEventCreate(&event, cudaEventBlockingSync);
    cudaEventDestroy(event);
    printf("%d %d %d %d %zu %d %d\\n", p.maxTexture1D, p.streamPrioritiesSupported, overlap, can, heap, banks, threads);
    return cudaThreadExit();
}
"""


def test_what_a_program_asks_of_the_device(capfd):
    assert output(DEVICE, capfd) == "131072 1 1 0 8388608 1 4\n"


def test_a_peer_that_is_not_there_is_refused(capfd):
    source = "#include <stdio.h>\nint main() { return cudaDeviceEnablePeerAccess(1, 0) ? 0 : 1; }\n"
    report = run_program(emulator.Module(source, "p.cu"), mode="check")
    assert [(f.kind, f.line) for f in report.findings] == [("cudaErrorInvalidDevice", 2)]


def test_errors_have_names_and_texts(capfd):
    source = """#include <stdio.h>
    int main() {
        printf("%s, %s", cudaGetErrorName(cudaErrorNotPermitted), cudaGetErrorString(cudaErrorPeerAccessNotEnabled));
    }"""
    assert output(source, capfd) == "cudaErrorNotPermitted, peer access has not been enabled"


def test_a_file_of_host_functions_alone_has_the_hosts_library():
    module = emulator.Module(
        "float* draw(int n) {\n    float* x = new float[n];\n    x[0] = rand();\n    return x;\n}\n"
    )
    assert module.hosted and module.compile_program().exists()
