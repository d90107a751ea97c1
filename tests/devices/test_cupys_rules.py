"""What CuPy refuses where NumPy does not, found with the real one (14.2) on a driver that computes nothing: the
stand-in refuses it too, and nothing of ours asks for it.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from minivit import ops
from minivit.devices import DeviceError, get_device, launches
from minivit.devices.launch import ROOM, SHARED
from minivit.devices.static import every_launch

INTEGERS = [np.dtype(kind + str(size)) for kind in "iu" for size in (1, 2, 4, 8)]


@pytest.mark.parametrize(
    ("dtype", "low", "high", "number"),
    [(np.uint8, -1, 10, -1), (np.uint64, -1, 10, -1), (np.uint8, 0, 1000, 1000), (np.int8, -1, 1000, 1000)],
)
def test_no_bound_is_clipped_to_that_the_dtype_does_not_hold(fake_cuda, dtype, low, high, number):
    assert np.clip(np.array([3], dtype), low, high) == 3
    array = fake_cuda.asarray(np.array([3], dtype))
    with pytest.raises(OverflowError, match=rf"Python integer {number} out of bounds for {np.dtype(dtype)}"):
        np.clip(array, low, high)
    with pytest.raises(OverflowError):
        np.clip(array, a_min=low, a_max=high)
    assert int(np.clip(array, 0, 2)[0]) == 2


@pytest.mark.parametrize("classes", [10, 1000])
def test_labels_may_have_any_integer_dtype(fake_cuda, classes):
    """Also one that holds neither -1 nor the number of classes."""
    device = get_device("cuda")
    logits = np.random.default_rng(0).standard_normal((3, classes)).astype(np.float32)
    expected, _ = ops.cross_entropy_forward(logits, np.array([1, 9, 4]))
    refused = {}
    for dtype in INTEGERS:
        try:
            labels = device.asarray(np.array([1, 9, 4], dtype))
            loss, _ = device.ops.cross_entropy_forward(device.asarray(logits), labels)
            np.testing.assert_allclose(float(loss), expected, rtol=1e-6)
        except OverflowError as error:
            refused[dtype.name] = str(error)
    assert not refused


def test_a_label_of_64_bits_without_a_sign_does_not_become_a_class(fake_cuda):
    device = get_device("cuda")
    logits = device.asarray(np.zeros((2, 10), np.float32))
    for label in (10, 2**31, 2**32 + 1, 2**63 + 1, 2**64 - 1):
        loss, _ = device.ops.cross_entropy_forward(logits, device.asarray(np.array([1, label], np.uint64)))
        assert np.isnan(float(loss)), label


def test_a_rung_that_the_gpu_is_too_old_for_is_refused_and_shared_memory_is_what_it_has(fake_cuda, monkeypatch):
    old = SimpleNamespace(compute_capability="75", attributes={"MaxSharedMemoryPerBlockOptin": 48 * 1024})
    monkeypatch.setattr(fake_cuda.cuda, "Device", lambda: old)
    cuda = get_device("cuda")
    with pytest.raises(
        DeviceError, match=r"attention_forward_v6<.* needs compute capability 8.0, and this GPU has 7.5"
    ):
        cuda._compiled(launches.attention_forward(1, 1, 5, 8, np.float32, False, 6)[0])
    assert cuda.room == SHARED


def test_a_gpu_with_more_shared_memory_gets_the_tiles_that_were_tried(fake_cuda, monkeypatch):
    """An H100 has 227 KB a block: tiles that fill it no test would have run, and no budget counted."""
    large = SimpleNamespace(compute_capability="90", attributes={"MaxSharedMemoryPerBlockOptin": 232448})
    monkeypatch.setattr(fake_cuda.cuda, "Device", lambda: large)
    assert get_device("cuda").room == ROOM


def test_a_source_that_is_not_ascii_is_refused(fake_cuda):
    """CuPy writes it to a file, in the encoding of the machine's locale: under LC_ALL=C that is ASCII."""
    with pytest.raises(UnicodeEncodeError):
        fake_cuda.RawModule(code="__global__ void k() {} // σ\n", options=("--std=c++17",), name_expressions=("k",))


def test_every_source_that_cupy_gets_is_ascii(fake_cuda, monkeypatch):
    sources = []

    def module(*, code, options, name_expressions):
        sources.append(code)
        return SimpleNamespace(get_function=lambda name: SimpleNamespace())

    monkeypatch.setattr(fake_cuda, "RawModule", module)
    launches = every_launch()
    for launch in launches:
        get_device("cuda")._compiled(launch)
    assert len(sources) == len(launches)
    assert all(source.isascii() for source in sources)
