"""The judge is judged: what the tests of the kernels rely on says no when it must."""

import importlib.metadata

import numpy as np
import pytest
from kernel_support import assert_close_to_reference, nans, need, run

from minivit import ops
from minivit.devices.launches import gelu_forward

EXACT = np.linspace(1, 2, 5)
FLOAT32 = EXACT.astype(np.float32)
EPS = float(np.finfo(np.float32).eps)


def test_a_good_result_passes():
    assert_close_to_reference(FLOAT32, EXACT, FLOAT32, 1)
    assert_close_to_reference(EXACT, EXACT, EXACT, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_bad_element_fails(dtype, value):
    got = EXACT.astype(dtype)
    got[3] = value
    with pytest.raises(AssertionError, match="1 of 5 elements are NaN or infinite"):
        assert_close_to_reference(got, EXACT, FLOAT32, 1)


def test_what_was_never_written_fails():
    with pytest.raises(AssertionError, match="5 of 5 elements"):
        assert_close_to_reference(nans(5, np.float32), EXACT, FLOAT32, 1)


@pytest.mark.parametrize(("dtype", "allowed"), [(np.float32, 8 * EPS), (np.float64, 1e-10)])
def test_the_bound(dtype, allowed):
    exact = np.ones(3)
    for off, passes in ((0.9 * allowed, True), (-0.9 * allowed, True), (1.2 * allowed, False), (-1.2 * allowed, False)):
        got = (exact + [0, off, 0]).astype(dtype)
        if passes:
            assert_close_to_reference(got, exact, exact.astype(np.float32), 1)
        else:
            with pytest.raises(AssertionError, match=r"at \(1,\)"):
                assert_close_to_reference(got, exact, exact.astype(np.float32), 1)


def test_a_result_of_another_shape_fails():
    with pytest.raises(AssertionError):
        assert_close_to_reference(FLOAT32[:1], EXACT, FLOAT32, 1)


def test_a_missing_tool_is_a_skip_or_where_none_is_allowed_a_failure(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.delenv("MINIVIT_NO_SKIP", raising=False)
    with pytest.raises(pytest.skip.Exception, match="pip install nvidia-cuda-nvrtc"):
        need("nvrtc")
    monkeypatch.setenv("MINIVIT_NO_SKIP", "1")
    with pytest.raises(pytest.fail.Exception, match="nvrtc is missing"):
        need("nvrtc")


def test_a_launch_on_a_gpu_goes_through_cupy_and_comes_back(fake_cuda):
    x, y = np.arange(5, dtype=np.float32), nans(5, np.float32)
    run(gelu_forward(5, np.float32), y, x, 5, via="gpu")
    expected, _ = ops.gelu_forward(x.astype(np.float64))
    assert_close_to_reference(y, expected, ops.gelu_forward(x)[0], np.abs(expected))
    assert fake_cuda.counts["to device"] == fake_cuda.counts["to host"] == 2
