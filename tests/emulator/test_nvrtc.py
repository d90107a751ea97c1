"""How NVRTC is found and loaded, and the source in letters that every machine can write."""

import numpy as np
import pytest
from ptx_support import need_nvrtc

from minivit import emulator
from minivit.emulator.compiler import find_compiler
from minivit.emulator.ptx import nvrtc
from minivit.emulator.source import in_ascii

# As NVRTC 13.0 does it: the second library is opened when it is needed, and by its name alone.
ONE = """
#include <dlfcn.h>
extern "C" const char* nvrtcGetErrorString(int) { return "failed to open libnvrtc-builtins.so.99.0"; }
extern "C" int nvrtcVersion(int* major, int* minor) {
    *minor = 0;
    *major = dlopen("libnvrtc-builtins.so.99.0", RTLD_NOW) ? 99 : 0;
    return 0;
}
"""
TWO = 'extern "C" int nothing() { return 0; }'


def test_a_library_that_does_not_find_its_second_one(monkeypatch, tmp_path):
    """Of the wheel 13.0. The two lie in one folder, where the loader does not look."""
    for name, text in (("libnvrtc.so.99", ONE), ("libnvrtc-builtins.so.99.0", TWO)):
        source = tmp_path / "source.cpp"
        source.write_text(text)
        options = ("-fPIC", f"-Wl,-soname,{name}", "-o", f"{tmp_path / name}", f"{source}", "-ldl")
        made = find_compiler().link(*options, plain=True)
        assert made.returncode == 0, made.stderr
    monkeypatch.setattr(nvrtc, "_candidates", lambda: [tmp_path / "libnvrtc.so.99"])
    caches = nvrtc._library, nvrtc.version
    for function in caches:
        function.cache_clear()
    try:
        assert nvrtc.version() == (99, 0)
    finally:
        for function in caches:
            function.cache_clear()


@pytest.mark.parametrize("via", ["source", "ptx"])
def test_a_source_in_ascii_is_the_same_program(via):
    source = '// σ² = 2·√y …\n__global__ void k(int* y) { /* → */ y[0] = 3; y[1] = sizeof("√2"); }'
    if via == "ptx":
        need_nvrtc()
    for text in (source, in_ascii(source)):
        y = np.zeros(2, np.int32)
        emulator.Module(text, via=via)["k"](1, 1, y)
        assert y.tolist() == [3, 5], text
    assert in_ascii(source).isascii()
    assert in_ascii("a = b; // plain\n") == "a = b; // plain\n"
