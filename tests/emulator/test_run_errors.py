"""What goes wrong at a launch is said in words, with file, line, block and thread; and arrays stay as they were."""

import subprocess
import sys

import numpy as np
import pytest

from minivit import emulator

SOURCE = r"""__global__ void divergent(float* out) {
    if (threadIdx.x < 16) {
        __syncthreads();  // line 3
    } else {
        __syncthreads();  // line 5
    }
}
__global__ void both_on_a_line(float* out) {
    if (threadIdx.x < 16) { __syncthreads(); } else { __syncthreads(); }  // line 9
}
__global__ void absent(float* out, int n) {
    if (threadIdx.x >= n) return;
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, out[threadIdx.x], 16);  // line 13
}
__global__ void not_in_mask(float* out) {
    if (threadIdx.x < 4) out[threadIdx.x] = __shfl_sync(0xfu, 1.0f, 4);  // line 16
}
__global__ void left_out(float* out) {
    out[threadIdx.x] = __shfl_sync(2u, 1.0f, 1);  // line 19
}
__global__ void two_shuffles(float* out) {
    if (threadIdx.x & 1)
        out[0] = __shfl_xor_sync(0xffffffffu, 1.0f, 2);  // line 23
    else
        out[1] = __shfl_xor_sync(0xffffffffu, 1.0f, 2);  // line 25
}
__global__ void half_at_a_barrier(float* out) {
    if (threadIdx.x < 16) __syncwarp();  // line 28
    else __syncthreads();  // line 29
}
__global__ void different_masks(float* out) {
    if (threadIdx.x < 16) __syncwarp();
    else __syncwarp(0xffff0001u);
}
__global__ void dynamic(float* out) {
    extern __shared__ float tile[];
    tile[threadIdx.x] = 1;
    out[threadIdx.x] = tile[threadIdx.x];
}
__global__ void write_at(float* out, const float* in, int i) { out[i] = 1; }
__global__ void write_input(float* out, const float* in) { const_cast<float*>(in)[0] = 2; }
__global__ void null(float* out) { *out = 1; }
__global__ void divide(int* out, int n) { out[0] = 5 / n; }
__device__ int deep(int n, volatile int* p) {
    volatile int a[1000];
    a[n % 1000] = n;
    return n ? deep(n - 1, p) + a[n % 1000] : p[0];
}
__global__ void recursion(int* out) { out[0] = deep(1 << 20, out); }
__global__ void asserting(float* out) {
    assert(out[threadIdx.x] == 0);  // line 51
}
__global__ void trapping(float* out) {
    if (blockIdx.x == 1) __trap();  // line 54
    out[0] = 5;
}
__global__ void many(float* x, const double* y, int n, unsigned char u, float real, bool flag, float4 v) {}
"""


@pytest.fixture(scope="module")
def cuda():
    module = emulator.Module(SOURCE, "wrong.cu")
    module.compile(module.kernels)
    return module


def launch_error(cuda, name, *args, block=32, **keywords):
    out = np.zeros(64, np.float32)
    with pytest.raises(emulator.LaunchError) as caught:
        cuda[name](2, block, out, *args, **keywords)
    assert (out == 0).all()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "args", "parts"),
    [
        (
            "divergent",
            (),
            ["wrong.cu:5: divergent, block (0, 0, 0), thread (16, 0, 0)", "wait at the one in wrong.cu:3"],
        ),
        ("both_on_a_line", (), ["wrong.cu:9", "__syncthreads()"]),
        ("absent", (20,), ["wrong.cu:13", "lane 4 shuffles with lane 20, which has left the loop, or returned"]),
        ("not_in_mask", (), ["wrong.cu:16", "lane 0 shuffles with lane 4, which is not in the mask"]),
        ("left_out", (), ["wrong.cu:19", "lane 0 calls a shuffle with the mask 0x00000002, in which it is not"]),
        ("two_shuffles", (), ["wrong.cu:23", "thread (1, 0, 0)", "wait at the shuffle in wrong.cu:25"]),
        (
            "half_at_a_barrier",
            (),
            ["wrong.cu:28", "deadlock: 16 threads wait", "16 wait at the __syncthreads() in wrong.cu:29"],
        ),
        ("different_masks", (), ["deadlock: 32 threads wait", "name the same mask"]),
        ("null", (), []),
        ("asserting", (), []),
        ("trapping", (), ["wrong.cu:54: trapping, block (1, 0, 0), thread (0, 0, 0): __trap() was called"]),
    ],
)
def test_what_a_gpu_could_not_do(cuda, name, args, parts):
    if name == "null":
        with pytest.raises(emulator.LaunchError, match=r"null.*nobody owns.*kernel\.check"):
            cuda["null"](1, 32, None)
    elif name == "asserting":
        out = np.array([0, 0, 1], np.float32)
        with pytest.raises(
            emulator.LaunchError, match=r"wrong.cu:51: .*thread \(2, 0, 0\): assert\(out.* == 0\) failed"
        ):
            cuda["asserting"](1, 3, out)
    else:
        message = launch_error(cuda, name, *args)
        assert all(part in message for part in parts), message


def test_a_block_that_is_no_multiple_of_32_has_absent_lanes(cuda):
    assert "the block has no such thread: make its size a multiple of 32" in launch_error(cuda, "absent", 32, block=20)


@pytest.mark.parametrize("index", [64, 64 + 63, -1, -64])
def test_writing_beside_an_array(cuda, index):
    where = "behind the end" if index > 0 else "before the start"
    message = launch_error(cuda, "write_at", np.zeros(4, np.float32), index)
    assert "write_at wrote outside out" in message
    assert where in message


def test_writing_to_an_input(cuda):
    x = np.zeros(4, np.float32)
    assert "wrote to its input in, which is const float*" in launch_error(cuda, "write_input", x)
    assert (x == 0).all()


def test_writing_behind_dynamic_shared_memory(cuda):
    out = np.zeros(64, np.float32)
    cuda["dynamic"](1, 64, out, shared=256)
    assert (out == 1).all()
    message = launch_error(cuda, "dynamic", shared=252, block=64)
    assert "dynamic, block (0, 0, 0): wrote behind its 252 bytes of dynamic shared memory" in message


def test_division_by_zero_and_endless_recursion_do_not_end_python(cuda):
    out = np.ones(4, np.int32)
    cuda["divide"](1, 1, out, 2)
    with pytest.raises(emulator.LaunchError, match=r"divide, .*divided by zero"):
        cuda["divide"](1, 1, out, 0)
    with pytest.raises(emulator.LaunchError, match=r"recursion, .*stack of this thread is full"):
        cuda["recursion"](1, 1, out)
    np.testing.assert_array_equal(out, [2, 1, 1, 1])


def test_a_launch_after_an_error_is_right_again(cuda):
    launch_error(cuda, "half_at_a_barrier")
    out = np.zeros(64, np.float32)
    cuda["dynamic"](1, 64, out, shared=256)
    assert (out == 1).all()


@pytest.mark.parametrize(
    ("grid", "block", "shared", "message"),
    [
        (0, 32, 0, "grid is 0, its x is 0, expected 1 … 2147483647"),
        ((1, 65536), 32, 0, r"grid is \(1, 65536\), its y is 65536, expected 1 … 65535"),
        (1, 0, 0, "block is 0"),
        (1, 1025, 0, "its x is 1025, expected 1 … 1024"),
        (1, (32, 33), 0, "1056 threads, expected at most 1024"),
        (1, (1, 1, 65), 0, "its z is 65, expected 1 … 64"),
        (1, (1, 1, 1, 1), 0, "up to three"),
        (
            1,
            32,
            227 * 1024 + 1,
            "shared is 232449 bytes, expected 0 … 232448.* a block gets 49152; more, .* only when it asks",
        ),
        (1, 32, -1, "shared is -1"),
    ],
)
def test_sizes_that_no_gpu_takes(cuda, grid, block, shared, message):
    with pytest.raises(ValueError, match=f"dynamic: .*{message}"):
        cuda["dynamic"](grid, block, np.zeros(64, np.float32), shared=shared)


def test_a_grid_that_is_no_whole_number(cuda):
    with pytest.raises(TypeError, match=r"grid is 2\.5, expected whole numbers"):
        cuda["dynamic"](2.5, 32, np.zeros(64, np.float32))


RIGHT = {
    "x": np.zeros(4, np.float32),
    "y": np.zeros(4),
    "n": 4,
    "u": 255,
    "real": np.float64(0.5),
    "flag": True,
    "v": (1, 2, 3, 4.5),
}


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        (
            "x",
            np.zeros(4),
            TypeError,
            r"x is an array of float64, expected float32 for float\*: pass x.astype\(np.float32\)",
        ),
        ("x", np.zeros((4, 4), np.float32)[:, 1], ValueError, "x is not contiguous.*np.ascontiguousarray"),
        (
            "x",
            read_only(np.zeros(4, np.float32)),
            ValueError,
            r"x is read-only, and the kernel may write through float\*",
        ),
        ("x", [1.0, 2.0], TypeError, r"x is \(list\), expected a NumPy array for float\*"),
        ("x", 3.0, TypeError, r"x is 3.0 \(float\), expected a NumPy array"),
        ("y", np.zeros(4, np.float32), TypeError, r"y is an array of float32, expected float64 for const double\*"),
        ("n", 4.0, TypeError, r"n is 4.0 \(float\), expected a whole number for int"),
        ("n", 2**31, ValueError, "n is 2147483648, expected -2147483648 … 2147483647, which int can hold"),
        ("n", np.zeros(1, np.int32), TypeError, "n is .*expected a whole number for int"),
        ("n", None, TypeError, "n is None"),
        ("u", -1, ValueError, "u is -1, expected 0 … 255, which unsigned char can hold"),
        ("real", "1", TypeError, "real is '1' .*expected a real number for float"),
        ("real", 1e300, ValueError, r"real is 1e\+300 .*too large for float"),
        ("flag", 1, TypeError, r"flag is 1 \(int\), expected True or False for bool"),
        ("v", (1, 2, 3), TypeError, "v is .*expected 4 numbers for float4"),
    ],
)
def test_arguments_of_the_wrong_kind(cuda, name, value, error, message):
    cuda["many"](1, 1, *RIGHT.values())
    with pytest.raises(error, match="many: " + message):
        cuda["many"](1, 1, *(RIGHT | {name: value}).values())


def test_real_numbers_may_be_infinite_and_inputs_read_only(cuda):
    cuda["many"](1, 1, *(RIGHT | {"real": float("inf"), "y": read_only(np.zeros(4))}).values())


def test_the_number_of_arguments(cuda):
    with pytest.raises(TypeError, match=r"null takes 1 arguments \(float\* out\), got 2"):
        cuda["null"](1, 1, np.zeros(4, np.float32), 4)


def test_ctrl_c_ends_a_kernel_that_has_no_end():
    program = """
import os, signal, threading
import numpy as np
from minivit import emulator

module = emulator.Module('''
__global__ void spin(float* y, int n) { while (n) y[threadIdx.x] += 1; }
__global__ void add(float* y) { y[threadIdx.x] += 1; }
''')
y = np.zeros(64, np.float32)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    module["spin"](1, 64, y, 1)
except KeyboardInterrupt:
    y[:] = 0
    module["add"](1, 64, y)  # the next launch is as good as any
    print(y.sum())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.returncode) == ("64.0\n", 0), done.stderr


def test_the_name_of_a_file_is_no_source():
    with pytest.raises(ValueError, match=r"'add\.cu' is the name of a file, expected CUDA source: emulator\.load"):
        emulator.Module("add.cu")
