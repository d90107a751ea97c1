"""Freed memory is kept, on huge pages; and where malloc gives none, nothing is asked of it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from minivit.devices import memory


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc's malloc")
def test_freed_memory_is_kept_only_after_the_call():
    """In a process of its own: how often do six arrays of 8 MB fault pages in, when they are made again and again?"""
    program = """
import resource, numpy, minivit.devices.memory as memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5): [numpy.full(2**20, 1.0) for _ in range(6)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
import minivit; minivit.Trainer, minivit.fit
faults(); first = faults(); memory.keep_freed_memory(); faults(); print(first, faults())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 100 and after < 20, done.stdout


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").is_dir(), reason="asks Linux for huge pages")
def test_what_is_kept_asks_for_huge_pages():
    """In a process of its own: the part of the heap where a new array lies has the flag, also after a second call."""
    program = """
import re, numpy, minivit.devices.memory as memory
def advised():
    array = numpy.ones(375_000)  # 3 MB: 2 MB to the first whole page; from 4 MB on NumPy asks itself
    last = array.ctypes.data + array.nbytes - 1
    for block in re.split(r"\\n(?=[0-9a-f]+-)", open("/proc/self/smaps").read()):
        start, end = (int(number, 16) for number in block.split()[0].split("-"))
        if start <= last < end: return " hg" in block.split("VmFlags:")[1]
print(advised()); memory.keep_freed_memory(); print(advised()); memory.keep_freed_memory(); print(advised())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


@pytest.mark.parametrize("array", [None, 2**40])
def test_no_page_is_advised_where_malloc_has_none(monkeypatch, array):
    called = []

    def function(name, result=None):
        return lambda *values: called.append(name) or result

    libc = {name: function(name) for name in ("mallopt", "free", "madvise")}
    libc |= {"malloc": function("malloc", array), "sbrk": function("sbrk", 2**41)}
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace(**libc))
    memory.keep_freed_memory()
    after = [name for name in called[called.index("malloc") :] if name != "mallopt"]
    assert after == (["malloc", "free", "sbrk", "madvise"] if array else ["malloc"])


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's addresses as Linux does")
def test_where_addresses_are_limited_malloc_goes_on_without_the_room():
    program = """
import resource, numpy, minivit.devices.memory as memory
resource.setrlimit(resource.RLIMIT_AS, (memory.ROOM - 1, memory.ROOM - 1))
memory.keep_freed_memory(); print(sum(numpy.ones(2**19).nbytes for _ in range(9)))
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == [str(9 * 2**22)], done.stderr
