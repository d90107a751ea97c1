"""erf against the standard library's, and GELU against its definition."""

import math

import numpy as np
import pytest

from minivit import ops

X = np.concatenate((np.linspace(-7, 7, 20001), [0.0, -0.0, 1e-300, 1e-9, 40, -40, 1e300, np.inf, -np.inf]))


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_erf_is_the_standard_librarys(dtype, bound):
    x = X.astype(dtype, copy=True) if dtype == np.float64 else X[np.abs(X) != 1e300].astype(dtype)
    expected = np.array([math.erf(value) for value in x])
    y = ops.erf(x)
    assert y.dtype == dtype
    assert np.abs(y - expected).max() <= bound
    assert np.abs(y).max() <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_of_nan_is_nan(dtype):
    assert np.isnan(ops.erf(np.array([np.nan], dtype))).all()


def test_erf_is_odd_to_the_last_bit():
    np.testing.assert_array_equal(ops.erf(-X), -ops.erf(X))


def test_erf_of_integers_is_refused():
    with pytest.raises(TypeError, match="int64, expected float32 or float64"):
        ops.erf(np.arange(3))


def test_gelu_is_x_times_the_normal_distribution():
    x = np.linspace(-5, 5, 1001)
    expected = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x]
    np.testing.assert_allclose(ops.gelu_forward(x, "erf")[0], expected, atol=1e-12)


def test_tanh_gelu_is_near_but_not_the_same():
    x = np.linspace(-5, 5, 1001)
    difference = np.abs(ops.gelu_forward(x, "tanh")[0] - ops.gelu_forward(x, "erf")[0]).max()
    assert 4.6e-4 < difference < 4.8e-4  # 4.73e-4, at |x| = 2.70


def test_an_unknown_gelu_is_refused():
    with pytest.raises(ValueError, match='gelu is \'relu\', expected "erf" or "tanh"'):
        ops.gelu_forward(X, "relu")


@pytest.mark.parametrize("kind", ["erf", "tanh"])
def test_gelu_by_tiles_is_gelu(monkeypatch, kind):
    x = np.random.default_rng(0).standard_normal((11, 9)).T  # not contiguous
    y, slope = ops.gelu_forward(x, kind)
    monkeypatch.setattr("minivit.ops.gelu.TILE", 7)
    tiled, tiled_slope = ops.gelu_forward(x, kind)
    np.testing.assert_allclose(tiled, y, atol=1e-15)
    np.testing.assert_allclose(tiled_slope, slope, atol=1e-15)
    assert tiled.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["erf", "tanh"])
def test_without_its_slope_y_is_the_same_to_the_bit(kind, dtype):
    x = np.random.default_rng(0).standard_normal((5, 7)).astype(dtype)
    y, cache = ops.gelu_forward(x, kind, with_slope=False)
    assert cache is None
    np.testing.assert_array_equal(y, ops.gelu_forward(x, kind)[0])


@pytest.mark.parametrize("kind", ["erf", "tanh"])
def test_float32_follows_float64_for_numbers_of_any_size(kind):
    x = np.concatenate((np.linspace(-12, 12, 10001), [-1e10, -3e3, 3e3, 1e10])).astype(np.float32)
    (y, slope), (expected, expected_slope) = ops.gelu_forward(x, kind), ops.gelu_forward(x.astype(np.float64), kind)
    np.testing.assert_allclose(y, expected, rtol=2e-7, atol=1e-6)
    np.testing.assert_allclose(slope, expected_slope, atol=2e-6)
