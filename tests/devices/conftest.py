"""Devices for the tests: the emulator, and the CUDA back end on a stand-in for CuPy, or on a GPU where there is one."""

import sys

import pytest
from kernel_support import need

from minivit.devices import get_device


@pytest.fixture
def fake_cuda(monkeypatch):
    """device="cuda", on tests/devices/fake_cupy.py. Gives that module, whose `counts` say what was copied."""
    need("cupy")
    import fake_cupy

    monkeypatch.setitem(sys.modules, "cupy", fake_cupy)
    get_device.cache_clear()
    fake_cupy.counts.clear()
    yield fake_cupy
    get_device.cache_clear()
