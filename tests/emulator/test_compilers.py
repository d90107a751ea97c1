"""Finding the compiler, and the same bits from each that is here."""

import importlib.util
import os
import shutil
import sys

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator import build, compiler

SOURCE = """__global__ void axpy(float* y, const float* x, float a, int n) {
    __shared__ float tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    float v = tile[63 - threadIdx.x] * a + y[threadIdx.x];  // rounded twice: no compiler may make it an fma
    for (int bit = 16; bit > 0; bit /= 2) v = v * 1.1f + __shfl_xor_sync(0xffffffffu, v, bit);
    if (threadIdx.x < n) y[threadIdx.x] = v;
}"""


@pytest.fixture
def fresh(monkeypatch):
    compiler.find_compiler.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    compiler.find_compiler.cache_clear()


HERE = {os.path.realpath(path): name for name in compiler.CANDIDATES if (path := shutil.which(name))}
ZIG = [f"{sys.executable} -m ziglang c++"] if importlib.util.find_spec("ziglang") else []


@pytest.mark.parametrize("command", [*HERE.values(), *ZIG])
def test_every_compiler_gives_the_same_bits(fresh, tmp_path, command):
    fresh.setenv("MINIVIT_CXX", command)
    fresh.setenv("MINIVIT_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 64)).astype(np.float32)
    v = x[::-1] * np.float32(0.3) + y
    for bit in (16, 8, 4, 2, 1):
        v = v * np.float32(1.1) + v[np.arange(64) ^ bit]
    emulator.Module(SOURCE)["axpy"](1, 64, y, x, 0.3, 64)
    np.testing.assert_array_equal(y, v)


@pytest.mark.parametrize("command", [*HERE.values(), *ZIG])
def test_a_variable_that_was_never_set_spoils_the_result(fresh, tmp_path, command):
    fresh.setenv("MINIVIT_CXX", command)
    fresh.setenv("MINIVIT_CACHE", str(tmp_path))
    if not compiler.knows(compiler.find_compiler(), build.UNSET):
        pytest.skip("g++ 12 is the first that can")
    source = """__global__ void copy(float* y, const float* x, int n) {
        int t = threadIdx.x;
        float v, own[2];
        if (t < n) v = x[t], own[t % 2] = x[t];
        y[t] = v;
        y[t + 64] = own[t % 2];
    }"""
    y = np.zeros((2, 64), np.float32)
    emulator.Module(source)["copy"](1, 64, y, np.ones(64, np.float32), 50)
    assert (y[:, :50] == 1).all()
    assert not (np.abs(y[:, 50:]) < 1e30).any()  # huge, or NaN


def test_an_older_compiler_is_not_asked_for_it(fresh, tmp_path):
    program = tmp_path / "older"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *auto-var-init*) echo "unrecognized option" >&2; exit 1;; esac\nexec g++ "$@"\n'
    )
    program.chmod(0o755)
    fresh.setenv("MINIVIT_CXX", str(program))
    fresh.setenv("MINIVIT_CACHE", str(tmp_path / "cache"))
    assert emulator.Module(SOURCE)["axpy"].signature == ("f4*", "const f4*", "f4", "i4")


def test_ziglang_is_the_last_resort(fresh):
    fresh.delenv("MINIVIT_CXX", raising=False)
    fresh.setattr(compiler.shutil, "which", lambda name: None)
    fresh.setattr(compiler.importlib.util, "find_spec", lambda name: object())
    fresh.setattr(compiler, "_describe", lambda command: command)
    assert compiler.find_compiler()[1:] == ["-m", "ziglang", "c++"]


def test_no_compiler_at_all(fresh):
    fresh.delenv("MINIVIT_CXX", raising=False)
    fresh.setattr(compiler.shutil, "which", lambda name: None)
    fresh.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(emulator.NoCompilerError, match=r'none is here.*pip install "minivit\[compiler\]"'):
        compiler.find_compiler()


def test_a_chosen_compiler_that_is_not_there(fresh):
    fresh.setenv("MINIVIT_CXX", "no-such-compiler -x")
    with pytest.raises(emulator.NoCompilerError, match=r"no-such-compiler.*there is no such program"):
        compiler.find_compiler()


def test_a_compiler_that_cannot_build(fresh, tmp_path):
    """It answers --version, and says what it lacks when asked to compile."""
    program = tmp_path / "broken"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo broken 1.0 && exit 0\necho "no assembler" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    fresh.setenv("MINIVIT_CXX", str(program))
    fresh.setenv("MINIVIT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(emulator.NoCompilerError, match=r"broken cannot compile the emulator itself(.|\n)*no assembler"):
        emulator.Module(SOURCE)["axpy"]


def test_other_systems_are_refused_in_words():
    with pytest.raises(
        emulator.NoCompilerError, match=r"Linux on x86-64 and aarch64; this is win32 on arm64.*WSL; Colab"
    ):
        compiler.refuse_other_systems("win32", "arm64", chosen=True)
    with pytest.raises(emulator.NoCompilerError, match=r"macOS, but nobody has run it.*MINIVIT_CXX=clang\+\+.*Colab"):
        compiler.refuse_other_systems("darwin", "arm64", chosen=False)
    compiler.refuse_other_systems("darwin", "arm64", chosen=True)  # at the reader's own risk
