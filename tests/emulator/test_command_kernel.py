"""python -m minivit kernel: launches as text, what is printed, and the exit status."""

import argparse

import pytest

from minivit.emulator import command
from minivit.emulator.launch_text import Array, LaunchText, launch_in, parse_launch

RIGHT = """// launch: scale<<<2, 64>>>(y[100], x[100], 100, 2.0f)
__global__ void scale(float* y, const float* x, int n, float s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = s * x[i];
}
template <typename T> __global__ void add(T* total, const int* labels, int n) {
    if (threadIdx.x < n) atomicAdd(total, T(labels[threadIdx.x]));
}
"""
WRONG = RIGHT.replace("if (i < n) ", "")


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.kernel(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def right(tmp_path):
    (tmp_path / "scale.cu").write_text(RIGHT)
    return tmp_path / "scale.cu"


@pytest.fixture
def wrong(tmp_path):
    (tmp_path / "wrong.cu").write_text(WRONG)
    return tmp_path / "wrong.cu"


@pytest.mark.parametrize(
    ("text", "launch"),
    [
        ("k<<<4, 256>>>()", LaunchText("k", (4,), (256,), 0, ())),
        (
            "a::k<float, 3> <<< dim3(2, 3), (16, 16), 4 * 33 >>> (y[2, 3] = 0, null, -1, 1e-6f);",
            LaunchText("a::k<float, 3>", (2, 3), (16, 16), 132, (Array("y", (2, 3), 0.0), None, -1, 1e-6)),
        ),
        ("k<<<(1000 + 255) / 256, 32>>>(x[2 * 8])", LaunchText("k", (4,), (32,), 0, (Array("x", (16,)),))),
    ],
)
def test_a_launch_is_read_as_in_cuda(text, launch):
    assert parse_launch(text) == launch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k(x)", "is not a launch; one looks like"),
        ("k<<<1>>>()", "has 1 values"),
        ("k<<<1, 2.5>>>()", "expected a whole number"),
        ("k<<<1, 32>>>(x)", r"an array has a shape: x\[1000\]"),
        ("k<<<1 / 0, 32>>>()", "not a number"),
    ],
)
def test_what_is_no_launch_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_launch(text)


def test_the_launch_of_a_file_stands_in_a_comment():
    assert launch_in(RIGHT) == "scale<<<2, 64>>>(y[100], x[100], 100, 2.0f)"
    assert launch_in("__global__ void k() {}") is None


def test_run_prints_what_came_out(right, capsys):
    assert run(right) == 0
    first = capsys.readouterr().out
    assert first.startswith("y (100,) float32: from -")
    assert run(right, "--seed", 1) == 0
    assert capsys.readouterr().out != first
    assert run(right, "add<int><<<1, 32>>>(total[1] = 100, labels[32], 32)") == 0
    assert 100 < int(capsys.readouterr().out.split()[-1]) < 100 + 32 * 9
    assert run(right, "scale<<<1, 64>>>(y[100], x[100], 64, 2)") == 0
    assert "36 of 100 are NaN: never written?" in capsys.readouterr().out


def test_check_and_profile_print_a_report(right, wrong, capsys):
    assert run(right, "--check") == 0
    assert "nothing wrong was found" in capsys.readouterr().out
    assert run(wrong, "--check") == 1
    assert "wrong.cu:4: out of bounds" in capsys.readouterr().out
    assert run(right, "--profile") == 0
    assert "scale.cu:4  global  load   x" in capsys.readouterr().out


def test_a_wrong_kernel_in_a_plain_run_is_status_1(wrong, capsys):
    assert run(wrong) == 1
    assert "--check" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("launch", "message"),
    [("times<<<1, 32>>>()", "no kernel 'times'"), ("add<<<1, 32>>>(total[1], labels[3], 3)", "is a template")],
)
def test_an_unknown_kernel_is_status_2(right, capsys, launch, message):
    assert run(right, launch) == 2
    assert message in capsys.readouterr().err


def test_a_users_mistake_is_an_error_with_words(right, tmp_path):
    with pytest.raises(ValueError, match="takes 4 arguments"):
        run(right, "scale<<<1, 32>>>(y[3], x[3])")
    with pytest.raises(ValueError, match="n is a number"):
        run(right, "scale<<<1, 32>>>(y[3], x[3], n[3], 2)")
    (tmp_path / "none.cu").write_text("__global__ void k() {}")
    with pytest.raises(ValueError, match=r"which launch\? .*none.cu has no main\(\).*like 'k<<<4, 256>>>\(\)'"):
        run(tmp_path / "none.cu")
    (tmp_path / "none.cu").write_text("template <typename T> __global__ void add(T* y, const T x[], int n) {}")
    with pytest.raises(ValueError, match=r"like 'add<float><<<4, 256>>>\(y\[1000\], x\[1000\], 1000\)'"):
        run(tmp_path / "none.cu")
    (tmp_path / "none.cu").write_text("int two() { return 2; }")
    with pytest.raises(ValueError, match="neither a kernel nor a main"):
        run(tmp_path / "none.cu")


def test_the_launch_may_come_after_the_options(tmp_path, capsys):
    from minivit.__main__ import main

    file = tmp_path / "one.cu"
    file.write_text("__global__ void one(float* y, int n) { if (threadIdx.x < n) y[threadIdx.x] = 1; }")
    assert main(["kernel", str(file), "--check", "one<<<1, 32>>>(y[20], 20)"]) == 0
    assert "nothing wrong was found" in capsys.readouterr().out
    assert main(["kernel", str(file), "--check", "one<<<1, 32>>>(y[20], 20)", "more.cu"]) == 2
    assert "2 files and 1 launch" in capsys.readouterr().err
