"""emulator.compare: a kernel beside a reference, and the check itself tried first."""

import numpy as np
import pytest

from minivit import emulator

SCALE = """__global__ void scale(float* y, const float* x, int n, float s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = s * x[i];
}"""


def launch(n, threads=64, s=3.0):
    x = np.random.default_rng(n).standard_normal(n, dtype=np.float32)
    return -(-n // threads), threads, (np.empty(n, np.float32), x, n, s)


def reference(y, x, n, s):
    y[:] = np.float32(s) * x


def compared(source, name="scale", reference=reference, launch=launch, sizes=(1000,), **options):
    return emulator.compare(emulator.Module(source)[name], reference, sizes, launch, **options)


def test_a_right_kernel_is_right_at_every_size():
    found = compared(SCALE)
    assert found and found.ok and not found.varying
    assert found.sizes == [(1000,), (1,), (31,), (32,), (33,), (63,), (64,), (65,), (129,)]
    assert str(found).startswith("scale: equal to the reference (sizes 1000, 1, 31,")
    assert compared(SCALE, boundaries=False).sizes == [(1000,)]


WRONG = {
    "the guard": ("i < n", "i < n - 1", r"1, order 0: y\[0\] is NaN: never written"),
    "beyond the end": ("i < n", "i <= n", "wrote outside y"),
    "only whole warps": ("i < n", "i < n / 32 * 32", r"y\[992\] is NaN"),
    "the number": ("s * x[i]", "s * x[i] + 1e-3f", r"y\[\d+\] is [-\d.]+, expected [-\d.]+; [\d,]+ of 1,000 are wrong"),
    "an input": ("const float* x", "float* x", None),
    "an input changed": ("const float* x, int n, float s) {", "float* x, int n, float s) { x[0] = 7;", "x was changed"),
    "who comes first": ("s * x[i]", "i >= 64 ? s * x[i] + 0 * y[i - 64] : s * x[i]", "order 1: y"),
}


@pytest.mark.parametrize(("before", "after", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told(before, after, message):
    found = compared(SCALE.replace(before, after))
    assert bool(found) == (message is None), found
    if message:
        assert not found.unsound
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(str(found))


def identity(y, x, n, s):
    y[:] = x


@pytest.mark.parametrize(
    ("reference", "options", "reason"),
    [
        (identity, {}, "a kernel that copies x would pass for y"),
        (lambda y, x, n, s: y.fill(0), {}, "a kernel that writes zeros would pass for y"),
        (reference, {"atol": 100}, "a kernel that writes zeros would pass"),
        (reference, {"rtol": 1}, "a kernel that writes zeros would pass"),
    ],
)
def test_a_check_that_idle_kernels_pass_is_unsound(reference, options, reason):
    found = compared(SCALE, reference=reference, launch=lambda n: launch(n, s=1), **options)
    assert not found and found.unsound and reason in str(found)


def test_what_is_added_to_keeps_its_content():
    source = """__global__ void count(int* total, const int* x, int n) {
        int i = threadIdx.x;
        if (i < n) atomicAdd(&total[x[i]], 1);
    }"""

    def launch(n):
        return 1, 256, (np.full(4, 10, np.int32), np.arange(n, dtype=np.int32) % 3, n)

    def reference(total, x, n):
        total += np.bincount(x, minlength=4).astype(np.int32)

    sizes = dict(sizes=(1, 100, 256), boundaries=False)
    assert compared(source, "count", reference, launch, **sizes)
    assert not compared(source.replace(", 1)", ", 2)"), "count", reference, launch, **sizes)
    idle = compared(source, "count", lambda total, x, n: total.__setitem__(0, 11), launch, atol=2, **sizes)
    assert "a kernel that does nothing would pass for total" in str(idle)


def test_sums_whose_bits_vary_are_a_remark():
    source = """__global__ void sum(float* total, const float* x, int n) {
        int i = blockIdx.x * 32 + threadIdx.x;
        if (i < n) atomicAdd(total, x[i]);
    }"""
    found = compared(
        source,
        "sum",
        lambda total, x, n: np.add(total, x.sum(), out=total),
        lambda n: (-(-n // 32), 32, (np.ones(1, np.float32), np.random.default_rng(0).random(n, np.float32), n)),
        rtol=1e-4,
    )
    assert found and found.varying == ["total"] and "remark: the last bits of total" in str(found)


def test_sizes_may_be_pairs():
    source = """__global__ void transpose(float* y, const float* x, int rows, int columns) {
        int column = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 8 + threadIdx.y;
        if (row < rows && column < columns) y[column * rows + row] = x[row * columns + column];
    }"""

    def launch(rows, columns):
        x = np.random.default_rng(1).standard_normal((rows, columns), dtype=np.float32)
        return (-(-columns // 16), -(-rows // 8)), (16, 8), (np.empty((columns, rows), np.float32), x, rows, columns)

    def reference(y, x, rows, columns):
        y[:] = x.T

    found = compared(source, "transpose", reference, launch, sizes=[(20, 30)])
    assert found and {(7, 30), (8, 30), (9, 30), (20, 15), (20, 17)} <= set(found.sizes)
    assert not compared(source.replace("row < rows &&", ""), "transpose", reference, launch, sizes=[(20, 30)])


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="fills no array"):
        compared(SCALE, reference=lambda y, x, n, s: s * x)
    with pytest.raises(ValueError, match="leaves NaN in y"):
        compared(SCALE, reference=lambda y, x, n, s: y.fill(np.nan))
    with pytest.raises(ValueError, match="changes x, which is an input"):
        compared(SCALE, reference=lambda y, x, n, s: x.fill(1))
    with pytest.raises(TypeError, match=r"expected \(grid, block, args\)"):
        compared(SCALE, launch=lambda n: (1, 32))
    with pytest.raises(TypeError, match="takes 4 arguments"):
        compared(SCALE, launch=lambda n: (1, 32, (np.zeros(n, np.float32),)))
