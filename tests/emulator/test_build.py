"""From source text to library: headers, names of kernels, messages of the compiler, and the cache."""

import os
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator import build, includes, library, source

ADD = """template <typename T> __global__ void add(T* y, const T* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + AMOUNT;
}
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


def added(path):
    y = np.full(3, np.nan, np.float32)
    emulator.load(path)["add<float>"](1, 32, y, np.zeros(3, np.float32), 3)
    (amount,) = set(y)
    return amount


def write(folder, amount=1.0):
    (folder / "amount.cuh").write_text(f"#pragma once\nconstexpr float AMOUNT = {amount};\n")
    (folder / "add.cu").write_text('#include "amount.cuh"\n' + ADD)
    return folder / "add.cu"


# ---- source ----


def test_flatten_puts_headers_in_their_place_once(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.cu").write_text('#include "deep/b.cuh"\n#include "c.cuh"\nint a;\n')
    (tmp_path / "deep" / "b.cuh").write_text('#pragma once\n#include "../c.cuh"\nint b;\n')
    (tmp_path / "c.cuh").write_text("#pragma once\nint c;")
    text = includes.flatten(tmp_path / "a.cu")
    code = [line for line in text.splitlines() if line and not line.startswith("#line")]
    assert code == ["int c;", "int b;", "int a;"]
    assert source.source_lines(text)["a.cu", 3] == "int a;"
    assert source.source_lines(text)["deep/b.cuh", 3] == "int b;"


def test_headers_of_a_text_come_from_include(tmp_path, cache):
    write(tmp_path, 4)
    module = emulator.Module('#include "amount.cuh"\n' + ADD, include=[tmp_path])
    assert module["add<double>"].signature == ("f8*", "const f8*", "i4")
    with pytest.raises(FileNotFoundError, match=r'kernel.cu:1: there is no header "amount.cuh"'):
        emulator.Module('#include "amount.cuh"\n' + ADD)


def test_kernels_are_found_by_their_text():
    text = """// __global__ void no(int comment);
    static const char* words = "__global__ void no(int)";
    extern "C" __global__ void __launch_bounds__(32 * (1 + 1), 2) a(float* x, const float y[], int n = 3) {}
    template <typename T, int N = 4> /* why */ __global__ void b(T (*unused), Pair<T, int> p) {}
    __global__ void c() {}"""
    found = source.find_kernels(text)
    assert {name: (k.template, k.parameters) for name, k in found.items()} == {
        "a": (False, ("x", "y", "n")),
        "b": (True, ("unused", "p")),
        "c": (False, ()),
    }


def test_kernels_that_are_one_call_are_found_by_their_text():
    text = """#line 5 "k.cu"
    __global__ void yes(float* x) { f<2>(x,
                                         g(x)); }  // this is all
    __global__ void no(float* x) { x[0] = f(x); }
    __global__ void two(float* x) { f(x); g(x); }
    __global__ void guarded(float* x, int n) { if (n > 0) f(x); }
    __global__ void named(float* x) { using T = F<2>; f<T>(x); }"""
    assert source.lines_of_one_call(text) == {("k.cu", 5), ("k.cu", 6), ("k.cu", 10)}


def test_dynamic_shared_memory_has_any_name():
    text = """extern __shared__ __align__(16) unsigned char a[]; extern volatile __shared__ float b [ ] ;
    // extern __shared__ int c[];"""
    assert source.dynamic_shared_names(text) == ["a", "b"]


# ---- messages ----


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x[0] = y;", r"k.cu:3: .*'y'.*\n    x\[0\] = y;"),
        ("uint32_t i = 0;", r"k.cu:3: .*'uint32_t'.*\n.*\nHint: NVRTC, .* has no standard library"),
        (
            "float big[100000]; for (int i = 0; i < 100000; ++i) big[i] = x[i]; x[0] = big[int(x[1])];",
            "own arrays are too large",
        ),
        ("__half h = 1;", r"Hint: numbers of 16 bits want #include <cuda_fp16.h>"),
        ("if (x) { x[0] = 1;", r"^k.cu: is a { never closed\?$"),
        ('printf("%d\n", 1);', r'k.cu:3: .*\n.*\nHint: a " is not closed on its line'),
        ("x[0] = tex2D(x, 1);", r"k.cu:3: tex2D: textures, surfaces"),
        ('asm volatile("bar.sync 0;");', r"k.cu:3: .*\n.*\nHint: inline PTX"),
        (
            "__shared__ float big[13000]; x[0] = big[threadIdx.x];",
            "k has more than 49152 bytes of __shared__ variables",
        ),
    ],
)
def test_the_compiler_speaks_of_the_readers_file(cache, body, message):
    module = emulator.Module(f"__global__ void k(float* x) {{\n\n{body}\n}}", "k.cu")
    with pytest.raises(emulator.CompileError, match=message) as caught:
        module["k"]
    assert str(cache) not in str(caught.value)


def test_a_wrong_template_argument(cache):
    with pytest.raises(emulator.CompileError, match=r"add<flot>:1: .*flot"):
        emulator.Module("const float AMOUNT = 1;" + ADD)["add<flot>"]


@pytest.mark.parametrize("header", ["<cuda_fp8.h>", "<cuda/atomic>", '"cublas_v2.h"', "<thrust/sort.h>"])
def test_libraries_are_refused_by_name(header):
    with pytest.raises(emulator.CompileError, match=rf"k\.cu:2: #include {header}: .*neither its libraries nor"):
        emulator.Module(f"\n#include {header}\n", "k.cu")


def test_dynamic_shared_memory_in_a_namespace(cache):
    text = "namespace a { extern __shared__ float tile[]; __global__ void k() { tile[0] = 1; } }"
    with pytest.raises(emulator.CompileError, match=r"a::tile: declared, but defined nowhere.*outside of every"):
        emulator.Module(text)["a::k"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", r"k.cu has no kernel 'nothing'. Its kernels: add<...>, plain"),
        ("add", "add is a template: ask for one of its kernels, like add<float>"),
        ("plain<float>", "plain is no template: ask for 'plain'"),
    ],
)
def test_unknown_kernels(name, message):
    module = emulator.Module(ADD + "__global__ void plain() {}", "k.cu")
    with pytest.raises(emulator.CompileError, match=message) as caught:
        module[name]
    assert isinstance(caught.value, KeyError)


# ---- the cache ----


def test_a_file_is_built_again_when_it_or_its_header_changes(tmp_path, cache):
    assert added(write(tmp_path, 1)) == 1
    names = set(cache.iterdir())
    assert added(write(tmp_path, 1)) == 1
    assert set(cache.iterdir()) == names, "nothing new was built"
    assert added(write(tmp_path, 2)) == 2
    (tmp_path / "add.cu").write_text((tmp_path / "add.cu").read_text().replace("x[i] +", "10 +"))
    assert added(tmp_path / "add.cu") == 12
    assert added(write(tmp_path, 1)) == 1


RUN = """import sys, numpy as np
from minivit import emulator
from minivit.emulator import compiler
if sys.argv[2] == "build nothing":
    run = compiler._run
    asks = {"--version", "-fsyntax-only"}  # what the compiler is, and what it knows
    compiler._run = lambda command: run(command) if asks & set(command) else sys.exit("it builds")
y = np.zeros(3, np.float32)
emulator.load(sys.argv[1])["add<float>"](1, 32, y, np.zeros(3, np.float32), 3)
assert (y == 1).all(), y
"""


def test_two_processes_at_once_and_a_third_that_builds_nothing(tmp_path, cache):
    path = write(tmp_path, 1)
    both = [subprocess.Popen([sys.executable, "-c", RUN, path, ""]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(file.suffix for file in cache.iterdir()) == [".o", ".so"], "no half-built files are left"
    subprocess.run([sys.executable, "-c", RUN, path, "build nothing"], check=True)


def test_old_files_are_removed(cache):
    folder = build.cache_folder()
    old, new, left = folder / "old.so", folder / "new.so", folder / "build-1-dead"
    old.touch(), new.touch(), left.mkdir()
    (left / "kernel.o").touch()
    for path in (old, left):
        os.utime(path, (0, time.time() - 31 * 24 * 3600))
    build.remove_old_files(folder)
    assert list(folder.iterdir()) == [new]
    os.utime(new, (0, 0))
    with build.workplace(folder / "next.so") as (_, result):
        result.touch()
    assert new.exists(), "a process looks through a folder once, not at every build"


def test_a_cache_that_cannot_be_written_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path / "file"))
    folder = build.cache_folder()
    assert folder.is_dir()
    assert folder == build.cache_folder()
    assert folder.stat().st_mode & 0o077 == 0, "others can neither read nor write there"


# ---- where compiled kernels are kept ----


def on_noexec(*folders):
    """A statvfs that says of these folders that they are mounted noexec."""
    real = os.statvfs

    def statvfs(path):
        told = real(path)
        flags = told.f_flag | os.ST_NOEXEC if any(str(path).startswith(str(f)) for f in folders) else told.f_flag
        return types.SimpleNamespace(f_flag=flags)

    return statvfs


@pytest.fixture
def fresh(monkeypatch):
    """No temporary folder yet, and none left."""
    build._temporary_folder.cache_clear()
    yield
    build._temporary_folder.cache_clear()


def test_a_cache_from_which_no_code_may_be_run_is_passed_over(tmp_path, monkeypatch, fresh):
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path / "noexec"))
    assert build.cache_folder() == tmp_path / "noexec" / "kernels"
    monkeypatch.setattr(build.os, "statvfs", on_noexec(tmp_path))
    other = build.cache_folder()
    assert other.is_dir() and tmp_path not in other.parents


def test_without_any_folder_it_is_said_which_variable_helps(tmp_path, monkeypatch, fresh):
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path))
    monkeypatch.setattr(build.os, "statvfs", on_noexec("/"))
    with pytest.raises(emulator.EmulatorError, match=r"noexec.*MINIVIT_CACHE"):
        build.cache_folder()


def test_a_library_that_is_not_loaded_is_said_in_words(tmp_path):
    (tmp_path / "broken.so").write_bytes(b"no library")
    with pytest.raises(emulator.EmulatorError, match=r"does not load.*noexec.*MINIVIT_CACHE"):
        library.Library(tmp_path / "broken.so")


def test_a_user_without_a_home_gets_a_temporary_folder(monkeypatch, fresh):
    monkeypatch.delenv("MINIVIT_CACHE", raising=False)
    monkeypatch.setattr(build, "user_cache", lambda: None)
    assert build.cache_folder().name.startswith("minivit-")


def test_a_full_disk_is_no_mistake_in_the_code(cache, monkeypatch):
    full = subprocess.CompletedProcess([], 1, "", "/tmp/x.s: fatal error: No space left on device")
    monkeypatch.setattr(build.Compiler, "run", lambda self, *flags: full)
    with pytest.raises(emulator.EmulatorError, match=r"could not be kept.*disk is full.*MINIVIT_CACHE"):
        emulator.Module("__global__ void only_here(float* x) { x[1] = 1; }")["only_here"]
