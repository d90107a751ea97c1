"""A launch without an end is ended; a damaged cache is mended."""

import os
import signal
import threading

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator import build

ENDLESS = "__global__ void k(int* y) { while (y[0] == 0) {} }"


def test_an_endless_launch_has_an_end():
    kernel, y = emulator.Module(ENDLESS)["k"], np.zeros(1, np.int32)
    before = signal.getsignal(signal.SIGVTALRM)
    for _ in range(2):
        with pytest.raises(emulator.LaunchError, match=r"still running after 0.2 seconds"):
            kernel(1, 32, y, seconds=0.2)
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    kernel(1, 32, np.ones(1, np.int32), seconds=0.2)
    with pytest.raises(ValueError, match="seconds is 0, expected more than 0"):
        kernel(1, 32, y, seconds=0)


def test_the_limit_holds_in_another_thread():
    kernel, raised = emulator.Module(ENDLESS)["k"], []

    def launch():
        try:
            kernel(1, 32, np.zeros(1, np.int32), seconds=0.2)
        except emulator.LaunchError as error:
            raised.append(error)

    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()
    assert len(raised) == 1


def test_a_damaged_entry_of_the_cache_is_built_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path))
    source = "__global__ void k(int* y) { y[threadIdx.x] = 7; }"
    library = emulator.Module(source).compile(["k"])
    (runtime,) = library.parent.glob("*.o")
    whole = library.read_bytes(), runtime.read_bytes()
    for damage in (b"", whole[0][:1000], whole[0][:-9], b"\0" + whole[0][1:]):
        for path in (library, runtime):
            os.replace(_written(tmp_path / "damaged", damage), path)
        y = np.zeros(32, np.int32)
        assert emulator.Module(source).compile(["k"]) == library
        emulator.Module(source)["k"](1, 32, y)
        assert (y == 7).all()
        assert build.kept(library) is not None
        assert build.kept(runtime) is not None


def _written(path, content):
    path.write_bytes(content)
    return path


def test_what_is_kept_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("sync"), sync(number))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("name"), replace(a, b))[1])
    with build.workplace(tmp_path / "a.txt") as (_, result):
        result.write_text("text")
    assert done == ["sync", "name", "sync"]
    assert build.kept(tmp_path / "a.txt") == b"text"


def test_another_compiler_or_place_of_headers_is_another_library(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path))
    compiler = build.find_compiler()
    paths = {build._runtime(compiler, "run")}
    again = type(compiler)((*compiler.command, "-march=native"), compiler.family, compiler.version)
    paths.add(build._runtime(again, "run"))
    monkeypatch.setenv("CPATH", str(tmp_path))
    paths.add(build._runtime(compiler, "run"))
    assert len(paths) == 3


def test_the_first_compilation_says_what_it_does(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path))
    build._say_once.cache_clear()
    for name in ("a", "b"):
        emulator.Module(f"__global__ void {name}() {{}}").compile([name])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("minivit: compiling with ")
    assert str(tmp_path) in line
