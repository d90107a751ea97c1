"""The profiler against sums that can be done by hand: sectors, turns of the banks, distinct sectors, requests."""

import numpy as np
import pytest

from minivit import emulator

ACCESSES = {  # one line that reads: warps' requests, lanes, sectors moved, ideal
    "in a row": ("y[t] = x[t];", 2, 64, 8, 8),
    "one off": ("y[t] = x[t + 1];", 2, 64, 10, 8),
    "every second": ("y[t] = x[2 * t];", 2, 64, 16, 8),
    "far apart": ("y[t] = x[32 * t];", 2, 64, 64, 8),
    "all the same": ("y[t] = x[7];", 2, 64, 2, 2),
    "backwards": ("y[t] = x[63 - t];", 2, 64, 8, 8),
    "one lane": ("if (t % 32 == 0) y[t] = x[t];", 2, 2, 2, 2),
    "ragged": ("if (t < 33) y[t] = x[t];", 2, 33, 5, 5),
    "three times": ("for (int k = 0; k < 3; ++k) y[t] += x[t + 64 * k];", 6, 192, 24, 24),
    "each its own number of times": ("for (int k = 0; k <= t % 32; ++k) y[t] += x[t + 64 * k];", 64, 1056, 160, 160),
    "16 bytes a lane": ("float4 v = ((const float4*)x)[t]; y[t] = v.x + v.y + v.z + v.w;", 2, 64, 32, 32),
    "8 bytes a lane": ("double v = ((const double*)x)[t]; y[t] = v;", 2, 64, 16, 16),
}
BANKS = {  # an expression of shared memory that is read: turns of the worst request, turns in all
    "in a row": ("box[t]", 1, 2),
    "all the same": ("box[5]", 1, 2),
    "every second": ("box[2 * t]", 2, 4),
    "a column of a square": ("box[32 * t]", 32, 64),
    "a column with padding": ("box[33 * t]", 1, 2),
    "two words of one bank": ("box[t % 2 * 32]", 2, 4),
    "8 bytes": ("((double*)box)[t]", 1, 4),
    "16 bytes": ("sum(((float4*)box)[t])", 1, 8),
    "one word of 16 bytes": ("((float4*)box)[t].y", 4, 8),
    "16 bytes far apart": ("sum(((float4*)box)[8 * t])", 8, 64),
}


@pytest.fixture(scope="module")
def module():
    texts = [
        f"__global__ void access_{i}(float* y, const float* x) {{ int t = threadIdx.x;\n{line}\n}}"
        for i, (line, *_) in enumerate(ACCESSES.values())
    ] + [
        f"__global__ void banks_{i}(float* y) {{ int t = threadIdx.x; extern __shared__ __align__(16) float box[];\n"
        f"for (int k = t; k < 4096; k += 64) box[k] = k; __syncthreads();\nfloat v = {line};\ny[t] = v; }}"
        for i, (line, *_) in enumerate(BANKS.values())
    ]
    texts.insert(0, "__device__ float sum(float4 v) { return v.x + v.y + v.z + v.w; }")
    texts.append("""
__global__ void several(float* y, const float* x, int* n) {
    int t = threadIdx.x, lane = t % 32;
    __shared__ int hits;
    if (t == 0) hits = 0;
    __syncthreads();
    atomicAdd(&hits, 1);
    float sum = x[blockIdx.x * 64 + t] + __shfl_xor_sync(0xffffffffu, x[t], 1);
    __syncwarp();
    y[blockIdx.x * 64 + t] = sum;
    atomicAdd(n, lane);
}
__global__ void beyond(float* y) { y[threadIdx.x] = 0; }""")
    module = emulator.Module("\n".join(texts), "accesses.cu")
    module.compile(module.kernels, "trace")
    module.compile(module.kernels)
    return module


@pytest.mark.parametrize("what", ACCESSES)
def test_sectors(module, what):
    text, requests, lanes, moved, ideal = ACCESSES[what]
    report = module[f"access_{list(ACCESSES).index(what)}"].profile(
        1, 64, np.zeros(64, np.float32), np.ones(4096, np.float32)
    )
    (line,) = [line for line in report.lines if line.array == "x"]
    assert (line.requests, line.lanes, line.moved, line.ideal) == (requests, lanes, moved, ideal)
    assert (line.space, line.operation, line.source) == ("global", "load", text)
    assert line.bytes == lanes * line.size


@pytest.mark.parametrize("what", BANKS)
def test_bank_conflicts(module, what):
    _, ways, turns = BANKS[what]
    report = module[f"banks_{list(BANKS).index(what)}"].profile(1, 64, np.zeros(64, np.float32), shared=16384)
    (line,) = [line for line in report.lines if line.space == "shared" and line.operation == "load"]
    assert (line.most, line.moved) == (ways, turns)
    assert (line.conflicts == 0) == (ways == 1)
    assert line.note() == ("" if ways == 1 else f"{ways}-way bank conflict")
    assert report.total.conflicts == line.conflicts


def test_totals_and_addresses(module):
    y, x, n = np.zeros(192, np.float32), np.ones(192, np.float32), np.zeros(1, np.int32)
    report = module["several"].profile(3, 64, y, x, n)
    total = report.total
    assert (total.threads, total.barriers) == (192, 3)
    assert total.warp_operations == 3 * 2 * 2
    assert report.arrays == {"y": (0, 24), "x": (24, 0), "n": (1, 1)}
    assert total.distinct_bytes == 32 * (24 + 24 + 2)
    assert total.bytes_read == 4 * (192 + 192 + 192)  # x twice, n by the atomic
    assert total.bytes_written == 4 * (192 + 192)
    (hits,) = [line for line in report.lines if line.operation == "atomic" and line.space == "shared"]
    assert hits.most == 32
    line_of = {line.source.strip(): line.line for line in report.lines}
    stores = report.addresses(line_of["y[blockIdx.x * 64 + t] = sum;"])
    assert [request.array for request in stores] == ["y"] * 6
    np.testing.assert_array_equal(stores[1].offsets, 128 + 4 * np.arange(32))
    assert report.addresses(stores[0].size, "elsewhere.cu") == []
    one = report.addresses(line_of["if (t == 0) hits = 0;"])[0]
    assert one.offsets[0] >= 0
    assert (one.offsets[1:] == -1).all()
    assert (y == 0).all()
    for word in ("accesses.cu:", "global  store", "distinct sectors: 25 read, 25 written: 1,600 bytes", "192 threads"):
        assert word in str(report)


def test_a_wrong_kernel_is_not_profiled(module):
    with pytest.raises(emulator.LaunchError, match="out of bounds"):
        module["beyond"].profile(1, 64, np.zeros(63, np.float32))


def test_a_kernel_that_is_one_call_is_what_it_calls():
    """The lines are those of the function that does it all; of two kernels that share it, neither is named."""
    text = """
__device__ __forceinline__ float twice(const float* x) { return 2 * *x; }
template <int K>
__device__ __forceinline__ void copy(float* y, const float* x) {
    y[threadIdx.x] = twice(x + threadIdx.x);
}
template <int K>
__global__ void one_call(float* y, const float* x) {
    copy<K>(y,
            x);
}
__global__ void two_calls(float* y, const float* x) {
    copy<1>(y, x);
    copy<2>(y, x);
}"""
    module = emulator.Module(text, "k.cu")
    y, x = np.zeros(32, np.float32), np.ones(32, np.float32)

    def places(kernel):
        return {(line.operation, line.line, line.called_in) for line in module[kernel].profile(1, 32, y, x).lines}

    assert places("one_call<1>") == {("load", 2, ("k.cu", 5)), ("store", 5, ("", 0))}
    assert {called_in for *_, called_in in places("two_calls")} == {("k.cu", 13), ("k.cu", 14)}
