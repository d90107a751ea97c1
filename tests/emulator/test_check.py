"""The checker on small kernels: right ones give no finding; wrong ones give one that says what is wrong, and where.

Mistakes in real kernels are in test_zoo.py.
"""

import subprocess
from shutil import which

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator.trace import process
from minivit.emulator.trace.library_file import LibraryFile

NAN = np.float32(np.nan)

RIGHT = {
    "every thread reads what one has written": """
        __global__ void broadcast(float* y, const float* x) {
            __shared__ float first;
            if (threadIdx.x == 0) first = x[0];
            __syncthreads();
            y[blockIdx.x * blockDim.x + threadIdx.x] = first + x[0];
        }""",
    "a warp talks through shared memory": """
        __global__ void warp_tree(float* y, const float* x) {
            __shared__ float box[64];
            int t = threadIdx.x, lane = t % 32, i = blockIdx.x * 64 + t;
            box[t] = x[i];
            __syncwarp();
            for (int half = 16; half > 0; half /= 2) {
                float other = lane < half ? box[t + half] : 0;
                __syncwarp();
                if (lane < half) box[t] += other;
                __syncwarp();
            }
            y[i] = box[t - lane];
        }""",
    "quarters of a warp each have their own mask": """
        __global__ void quarters(float* y, const float* x) {
            __shared__ float box[64];
            int t = threadIdx.x, i = blockIdx.x * 64 + t;
            unsigned mask = 0xffu << (t % 32 / 8 * 8);
            for (int step = 0; step < t % 32 / 8 + 1; ++step) {
                box[t] = x[i] + step;
                __syncwarp(mask);
                y[i] = box[t ^ 7];
                __syncwarp(mask);
            }
        }""",
    "two tiles take turns": """
        __global__ void double_buffer(float* y, const float* x) {
            __shared__ float tile[2][64];
            int t = threadIdx.x;
            float sum = 0;
            for (int k = 0; k < 4; ++k) {
                tile[k % 2][t] = x[(t + k) % 64];
                __syncthreads();
                sum += tile[k % 2][63 - t];
            }
            y[blockIdx.x * 64 + t] = sum;
        }""",
    "threads share a word but not a byte": """
        __global__ void bytes(unsigned char* y, const unsigned char* x) {
            __shared__ unsigned char box[64];
            int t = threadIdx.x;
            box[t] = x[t];
            __syncthreads();
            y[blockIdx.x * 64 + t] = box[t ^ 1];
        }""",
    "atomics, a barrier, then a read": """
        __global__ void count(float* y, const float* x) {
            __shared__ int n;
            if (threadIdx.x == 0) n = 0;
            __syncthreads();
            if (x[threadIdx.x] > 0) atomicAdd(&n, 1);
            __syncthreads();
            y[blockIdx.x * 64 + threadIdx.x] = n + __syncthreads_count(n > 3);
        }""",
    "in place, each its own": """
        __global__ void own(float* y, const float* x) {
            float* mine = y + blockIdx.x * 64 + threadIdx.x;
            *mine = 1;
            *mine = *mine * x[threadIdx.x] + *mine;
        }""",
    "a read, a barrier, a write": """
        __global__ void shift(float* y, const float* x) {
            __shared__ float box[64];
            int t = threadIdx.x;
            box[t] = x[t];
            for (int k = 0; k < 3; ++k) {
                __syncthreads();
                float next = box[(t + 1) % 64];
                __syncthreads();
                box[t] = next;
            }
            y[blockIdx.x * 64 + t] = box[t];
        }""",
}
WRONG = {  # kernel: the finding's kind, words in its message, the line
    "one_writes_before": (
        "race", "reads byte 0 of the shared array word, and thread (0, 0, 0)", "y[t] = word;",
        "__shared__ float word; if (t == 0) word = 1; y[t] = word;"),
    "one_writes_after": (
        "race", "reads byte 0 of the shared array word, and thread (63, 0, 0)", "y[t] = word;",
        "__shared__ float word; if (t == 63) word = 1;\ny[t] = word;"),
    "all_write_the_same": (
        "race", "of the same block writes it", "flag = true;",
        "__shared__ bool flag;\nflag = true;"),
    "a_reader_is_overtaken": (
        "race", "of the shared array box", "y[t] = box[t ^ 1];",
        "__shared__ float box[64]; box[t] = 0; __syncthreads();\ny[t] = box[t ^ 1];\nbox[t] = 1;"),
    "atomic_and_store": (
        "race", "one of them is no atomic", "y[0] = 1;",
        "atomicAdd(&y[0], 1.0f);\nif (t == 9) y[0] = 1;"),
    "same_byte": ("race", "writes bytes[0]", "bytes[t / 2] = 1;", "bytes[t / 2] = 1;"),
    "before_the_start": ("out of bounds", "that begin 4 bytes before y", "y[t - 1] = 0;", "y[t - 1] = 0;"),
    "a_byte_too_far": ("out of bounds", "1 bytes of bytes[64]", "bytes[t + 1] = 0;", "bytes[t + 1] = 0;"),
    "far_too_far": ("out of bounds", "elements of y end at byte 256", "y[t + 1000000] = 0;", "y[t + 1000000] = 0;"),
    "half_a_double": (
        "misaligned", "reads 8 bytes at once", "double d",
        "double d = *(const double*)(x + 1); y[t] = d;"),
    "own_array": (
        "array index", "index 4 of an array", "v[t % 5]",
        "float v[4] = {1, 2, 3, x[t]};\ny[t] = v[t % 5];"),
    "vote_of_some": (
        "deadlock", "wait", "__any_sync",
        "if (t < 8) y[t] = __any_sync(0xffffffffu, t);\nelse __syncthreads();"),
    "gives_up": ("trap", "__trap() was called", "__trap();", "if (t == 5) __trap();"),
    "asserts": ("assert", "assert(t < 60) failed", "assert(t < 60);", "assert(t < 60);"),
    "reads_its_output": ("uninitialised", "reads y[0]", "y[t] += 1;", "y[t] += 1;"),
    "leaves_some_out": ("unwritten", "32 of the 64 elements of y are never written", "", "if (t < 32) y[t] = 0;"),
    "runs_away": ("endless loop", "still running", "while", "volatile int one = 1; while (one) y[t] = 1;"),
    "recurses": ("stack overflow", "more stack", "", "y[t] = deep(x, t);"),
}  # fmt: skip
DEEP = """
__device__ float deep(const float* x, int n) {
    float v[99];
    v[n % 99] = x[0];
    return deep(v, n + 1) + v[n % 7];
}
"""


@pytest.fixture(scope="module")
def module():
    parameters = "float* y, const float* x, unsigned char* bytes"
    texts = [
        f"__global__ void {name}({parameters}) {{ int t = threadIdx.x; {wrong[3]}\n}}" for name, wrong in WRONG.items()
    ]
    module = emulator.Module(DEEP + "\n".join([*RIGHT.values(), *texts]), "small.cu")
    for mode in ("run", "trace"):
        module.compile(module.kernels, mode)
    return module


def name_of(source):
    return source.split("void ")[1].split("(")[0]


@pytest.mark.parametrize("what", RIGHT)
def test_a_right_kernel_is_clean(module, what):
    kernel = module[name_of(RIGHT[what])]
    dtype = np.uint8 if what == "threads share a word but not a byte" else np.float32
    report = kernel.check(3, 64, np.zeros(192, dtype), np.ones(192, dtype), outputs=("y",))
    assert report.ok, report
    assert "nothing wrong was found" in str(report)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_kernel_is_called_so(module, name):
    kind, words, line, _ = WRONG[name]
    outputs = ("y",) if kind in ("uninitialised", "unwritten") else ()
    arrays = np.zeros(64, np.float32), np.ones(64, np.float32), np.zeros(64, np.uint8)
    report = module[name].check(1, 64, *arrays, outputs=outputs, seconds=1 if kind == "endless loop" else 20)
    found = [finding for finding in report.findings if finding.kind == kind]
    assert found, report
    assert any(words in finding.message and line in finding.source for finding in found), report
    assert found[0].block in ((0, 0, 0), None)
    assert (f"small.cu:{found[0].line}: {kind}: " in str(report)) == (kind != "unwritten")


def test_two_writers_are_asked_whether_each_has_an_element(module):
    arrays = np.zeros(64, np.float32), np.ones(64, np.float32), np.zeros(64, np.uint8)
    mends = {name: module[name].check(1, 64, *arrays).findings[0].mend for name in ("same_byte", "one_writes_before")}
    assert mends["same_byte"].startswith("Both write it: does each thread have an element of its own?")
    assert mends["one_writes_before"].startswith("Put __syncthreads() between them")


def test_a_null_pointer_is_called_so(module):
    (finding,) = module["own"].check(1, 64, None, np.ones(64, np.float32)).findings
    assert finding.kind == "wild pointer"
    assert "a null pointer" in finding.message


def test_after_a_crash_the_next_check_is_as_good(module):
    arrays = np.zeros(64, np.float32), np.ones(64, np.float32), np.zeros(64, np.uint8)
    assert [f.kind for f in module["recurses"].check(1, 64, *arrays, outputs=()).findings] == ["stack overflow"]
    assert [f.kind for f in module["same_byte"].check(1, 64, *arrays, outputs=()).findings] == ["race"]
    process._worker.kill()
    process._worker.wait()
    assert [f.kind for f in module["same_byte"].check(1, 64, *arrays, outputs=()).findings] == ["race"]


def test_a_process_that_dies_is_a_message(module, monkeypatch):
    monkeypatch.setattr(process, "START", "import sys; sys.exit(3)")
    process.stop()
    with pytest.raises(emulator.LaunchError, match="exit status 3"):
        module["own"].check(1, 64, np.zeros(64, np.float32), np.ones(64, np.float32))


def test_the_arrays_stay_as_they_are(module):
    y, x = np.full(64, NAN), np.ones(64, np.float32)
    assert module["own"].check(1, 64, y, x).ok
    assert np.isnan(y).all()


def test_an_array_full_of_nan_is_an_output(module):
    arrays = np.ones(64, np.float32), np.zeros(64, np.uint8)
    report = module["leaves_some_out"].check(1, 64, np.full(64, NAN), *arrays)
    assert [finding.kind for finding in report.findings] == ["unwritten"]
    assert module["leaves_some_out"].check(1, 64, np.zeros(64, np.float32), *arrays).ok
    assert module["leaves_some_out"].check(1, 64, np.full(64, NAN), *arrays, outputs=()).ok


@pytest.mark.parametrize("name", ["x", "z"])
def test_only_an_output_can_be_called_an_output(module, name):
    with pytest.raises(ValueError, match=f"no output '{name}'"):
        module["own"].check(1, 64, np.zeros(64, np.float32), np.ones(64, np.float32), outputs=(name,))


def test_arrays_that_share_memory_are_checked_as_one():
    text = "__global__ void shift(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x]; }"
    both = np.zeros(65, np.float32)
    kernel = emulator.Module(text)["shift"]
    assert kernel.check(1, 64, both[:64], both[:64]).ok
    (race,) = kernel.check(1, 64, both[1:], both[:64]).findings
    assert race.kind == "race"
    assert race.array == "y and x"


def test_what_a_kernel_prints_is_shown(capsys):
    kernel = emulator.Module('__global__ void hello() { printf("thread %d\\n", threadIdx.x); }')["hello"]
    assert kernel.check(1, 2).ok
    assert capsys.readouterr().out == "thread 0\nthread 1\n"


@pytest.mark.skipif(which("addr2line") is None, reason="needs binutils' addr2line to compare with")
def test_lines_are_those_of_addr2line(module):
    library, _ = module.built("own", "trace")
    file = LibraryFile(library.path)
    addresses = range(file.rows[0].address, file.rows[-1].address, 7)
    command = ["addr2line", "-s", "-e", str(library.path), *map(hex, addresses)]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    for address, place in zip(addresses, expected, strict=False):
        name, line = file.line_of(address)
        assert place.endswith("?") or place.split(" ")[0] in (f"{name.split('/')[-1]}:{line}", "??:0"), hex(address)
    assert {"box", "tile", "word"} <= {array.name for array in file.shared_arrays}


def test_a_report_is_true_where_nothing_was_found_and_a_null_pointer_is_found():
    module = emulator.Module(
        "__global__ void right(float* y) { y[0] = 1; }  __global__ void wrong(float* y) { int* p = 0; y[0] = *p; }"
    )
    y = np.zeros(1, np.float32)
    assert module["right"].check(1, 1, y)
    report = module["wrong"].check(1, 1, y)
    assert not report and report.findings[0].kind == "wild pointer"


def test_structs_that_functions_take_and_give_back_are_watched():
    """g++'s own instrumentation leaves them out where the function is called."""
    source = """struct Two { float m, d; };
    __device__ __noinline__ Two join(Two a, Two b) { return {fmaxf(a.m, b.m), a.d + b.d}; }
    __global__ void k(float* y) {
        __shared__ Two part[64];
        part[threadIdx.x] = {float(threadIdx.x), 1};
        if (threadIdx.x == 0) part[0] = join(part[0], part[40]);
        y[threadIdx.x] = 1;
    }"""
    (found,) = emulator.Module(source)["k"].check(1, 64, np.full(64, np.nan, np.float32)).findings
    assert (found.kind, {found.line, found.other_line}) == ("race", {5, 6})
