"""The LayerNorm kernels against NumPy in float64, at ragged sizes, and by finite differences."""

import numpy as np
import pytest
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_PTX,
    assert_close_to_reference,
    compile_together,
    nans,
    run_by_name,
)

from minivit import ops
from minivit.devices.launch import CTYPES
from minivit.devices.launches import layernorm_backward, layernorm_forward, partial_rows
from minivit.devices.launches.layernorm import VERSIONS
from minivit.gradcheck import gradcheck

EPS = 1e-6
ROWS = (1, 17, 31, 32, 33, 50, 65, 197)
WIDTHS = (1, 33, 50, 64, 100, 384)  # 100 floats are 25 vectors of 16 bytes: v4's last round has 7 lanes without one
WIDE = 1536
FORWARD, BACKWARD = VERSIONS["layernorm_forward"], VERSIONS["layernorm_backward"]


def takes(width, dtype, version, vectorised):
    """Does a version take rows of this width? The vectorised one wants a multiple of 16 bytes."""
    return version != vectorised or width % (16 // np.dtype(dtype).itemsize) == 0


def every_kernel():
    """A launch of each kernel that the tests below need."""
    for dtype in (np.float32, np.float64):
        for width in (*WIDTHS, WIDE):
            for version in FORWARD:
                if takes(width, dtype, version, vectorised=4):
                    yield layernorm_forward(1, width, dtype, version)
        for width in WIDTHS:
            for version in BACKWARD:
                if takes(width, dtype, version, vectorised=3):
                    yield from layernorm_backward(1, width, dtype, version)


compile_together(every_kernel())


def inputs(rows, width, dtype, mean=0.0):
    rng = np.random.default_rng(rows * width)
    shapes = (rows, width), (rows, width), width, width
    x, dy, gamma, beta = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return (x + mean).astype(dtype), dy, gamma, beta


def forward(x, gamma, beta, version, via="source"):
    """y, mean and rstd of the kernel."""
    rows, width = x.shape
    values = forward_values(x, gamma, beta)
    run_by_name([layernorm_forward(rows, width, x.dtype, version)], values, via)
    return values["y"], values["mean"], values["rstd"]


def forward_values(x, gamma, beta):
    rows, width = x.shape
    outputs = {"y": nans(x.shape, x.dtype), "mean": nans(rows, x.dtype), "rstd": nans(rows, x.dtype)}
    return {**outputs, "x": x, "gamma": gamma, "beta": beta, "rows": rows, "width": width, "eps": EPS}


def backward(dy, x, gamma, mean, rstd, version, via="source"):
    """dx, dgamma and dbeta of the kernels."""
    values = backward_values(dy, x, gamma, mean, rstd)
    run_by_name(layernorm_backward(*x.shape, x.dtype, version), values, via)
    return values["dx"], values["dgamma"], values["dbeta"]


def backward_values(dy, x, gamma, mean, rstd):
    rows, width = x.shape
    P = partial_rows(rows)
    shapes = {"dx": x.shape, "dgamma": width, "dbeta": width, "dgamma_partial": (P, width), "dbeta_partial": (P, width)}
    outputs = {name: nans(shape, x.dtype) for name, shape in shapes.items()}
    inputs = {"dy": dy, "x": x, "gamma": gamma, "mean": mean, "rstd": rstd}
    return {**outputs, **inputs, "rows": rows, "width": width, "partials": P}


def references(x, dy, gamma, beta):
    """NumPy's y, mean, rstd, dx, dgamma and dbeta, in the dtype of x."""
    y, cache = ops.layernorm_forward(x, gamma, beta, EPS)
    return (y, x.mean(axis=1), cache[1][:, 0], *ops.layernorm_backward(dy, cache))


def check_forward(x, dy, gamma, beta, version, via, terms=8):
    double = [array.astype(np.float64) for array in (x, dy, gamma, beta)]
    exact, rounded = references(*double), references(x, dy, gamma, beta)
    mean, rstd = exact[1][:, None], exact[2][:, None]
    magnitudes = (
        (np.abs(x) + np.abs(mean)) * rstd * np.abs(gamma) + np.abs(beta),  # y = x rstd γ − μ rstd γ + β
        np.abs(x).mean(axis=1),
        exact[2],
    )
    if version == 1:
        terms += np.sqrt(x.shape[1])  # a sum in sequence: its rounding errors are a random walk of `width` steps
    outputs = forward(x, gamma, beta, version, via)
    for got, *reference, magnitude in zip(outputs, exact[:3], rounded[:3], magnitudes, strict=True):
        assert_close_to_reference(got, *reference, magnitude, terms=terms)


@SOURCE_AND_PTX
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("version", FORWARD)
@FLOAT_AND_DOUBLE
def test_forward(dtype, version, width, via):
    if not takes(width, dtype, version, vectorised=4):
        with pytest.raises(ValueError, match=f"version 4 takes a width that is a multiple of . .* not {width}"):
            layernorm_forward(1, width, dtype, version)
        return
    for rows in ROWS:
        check_forward(*inputs(rows, width, dtype), version, via)


@pytest.mark.parametrize("version", FORWARD)
@FLOAT_AND_DOUBLE
def test_forward_of_wide_rows(dtype, version):
    check_forward(*inputs(3, WIDE, dtype), version, "source")


@pytest.mark.parametrize("version", FORWARD)
@FLOAT_AND_DOUBLE
def test_a_large_mean_costs_no_more_digits_than_x_has_lost(dtype, version):
    """Mean 1e3, standard deviation 1: E[x²] − μ² would leave rstd with no digit right in float32."""
    check_forward(*inputs(33, 384, dtype, mean=1e3), version, "source")


@pytest.mark.parametrize("version", FORWARD)
def test_a_constant_row_gives_beta(version):
    _, _, gamma, beta = inputs(1, 64, np.float32)
    y, mean, rstd = forward(np.full((2, 64), 3, np.float32), gamma, beta, version)
    np.testing.assert_array_equal(y, [beta, beta])
    np.testing.assert_array_equal(mean, 3)
    np.testing.assert_allclose(rstd, EPS**-0.5, rtol=1e-6)


@pytest.mark.parametrize("version", FORWARD)
def test_a_nan_spoils_its_row_and_no_other(version):
    x, _, gamma, beta = inputs(33, 64, np.float32)
    x[7, 50] = np.nan
    y, mean, rstd = forward(x, gamma, beta, version)
    assert np.isnan(y[7]).all()
    for array in (y, mean, rstd):
        np.testing.assert_array_equal(np.isnan(array).reshape(33, -1).any(axis=1), np.arange(33) == 7)


def check_backward(x, dy, gamma, beta, version, via):
    exact = references(*(array.astype(np.float64) for array in (x, dy, gamma, beta)))
    rounded = references(x, dy, gamma, beta)
    mu, rstd = (array.astype(x.dtype) for array in exact[1:3])
    xhat = (np.abs(x) + np.abs(mu)[:, None]) * rstd[:, None]  # of the terms of x̂ = x rstd − μ rstd
    dxhat = np.abs(dy * gamma)
    means = dxhat.mean(axis=1, keepdims=True) + xhat * (dxhat * xhat).mean(axis=1, keepdims=True)
    magnitudes = rstd[:, None] * (dxhat + means), (np.abs(dy) * xhat).sum(axis=0), np.abs(dy).sum(axis=0)
    gradients = backward(dy, x, gamma, mu, rstd, version, via)
    for got, *reference, magnitude in zip(gradients, exact[3:], rounded[3:], magnitudes, strict=True):
        assert_close_to_reference(got, *reference, magnitude)


@SOURCE_AND_PTX
@pytest.mark.parametrize("mean", [0, 1e3])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("version", BACKWARD)
@FLOAT_AND_DOUBLE
def test_backward(dtype, version, width, mean, via):
    if not takes(width, dtype, version, vectorised=3):
        with pytest.raises(ValueError, match=f"version 3 takes a width that is a multiple of . .* not {width}"):
            layernorm_backward(1, width, dtype, version)
        return
    for rows in ROWS:
        check_backward(*inputs(rows, width, dtype, mean), version, via)


@pytest.mark.parametrize("rows", [600, 17_000])
@pytest.mark.parametrize("version", BACKWARD)
def test_backward_of_many_rows(version, rows):
    """Partial sums of more than 8 groups of rows, and of 512, the most there are; each thread has several."""
    check_backward(*inputs(rows, 8, np.float32), version, "source")


@pytest.mark.parametrize(("forward_version", "backward_version"), [(1, 1), (2, 2), (3, 3), (4, 3)])
def test_finite_differences_through_the_kernels(forward_version, backward_version):
    x, _, gamma, beta = inputs(3, 6, np.float64)

    def kernel_forward(x, gamma, beta):
        y, mean, rstd = forward(x, gamma, beta, forward_version)
        return y, (x, gamma, mean, rstd)

    def kernel_backward(dy, cache):
        return backward(dy, *cache, backward_version)

    report = gradcheck(kernel_forward, kernel_backward, {"x": x, "gamma": gamma, "beta": beta})
    assert report.ok, f"\n{report}"


def test_the_best_version_that_fits_is_chosen():
    assert layernorm_forward(8, 384, np.float32).kernel == "layernorm_forward_v4<float, 3>"
    assert layernorm_forward(8, 384, np.float64).kernel == "layernorm_forward_v4<double, 6>"
    assert layernorm_forward(8, 2048, np.float32).kernel == "layernorm_forward_v4<float, 16>"
    for width in (50, 4100):
        assert layernorm_forward(8, width, np.float32).kernel == "layernorm_forward_v3<float>"
    assert layernorm_backward(8, 384, np.float32)[0].kernel == "layernorm_backward_v3<float, 3>"
    assert layernorm_backward(8, 50, np.float32)[0].kernel == "layernorm_backward_v2<float>"
    assert layernorm_backward(8, 10**4, np.float32)[0].kernel == "layernorm_backward_dx_v1<float>"


@pytest.mark.parametrize("dtype", CTYPES)
def test_no_block_asks_for_more_shared_memory_than_every_gpu_has(dtype):
    for width in range(1, 13_000):
        for version in (2, 3):
            try:
                fused, _ = layernorm_backward(1000, width, dtype, version)
            except ValueError:
                continue
            assert 0 < fused.shared <= 48 * 1024
            assert fused.block[0] >= 32


def test_the_partial_sums_depend_on_the_sizes_alone():
    assert [partial_rows(rows) for rows in (1, 32, 33, 197, 256 * 197)] == [1, 1, 2, 7, 512]


@pytest.mark.parametrize("launch", [layernorm_forward, layernorm_backward])
def test_what_is_refused(launch):
    for rows, width in ((0, 64), (8, 0)):
        with pytest.raises(ValueError, match="nothing to compute"):
            launch(rows, width, np.float32)
    with pytest.raises(ValueError, match="has no version 9, only 1, 2, 3"):
        launch(8, 64, np.float32, 9)
    with pytest.raises(ValueError, match="at most"):
        launch(8, 10**5, np.float32, VERSIONS[launch.__name__][-1])


def test_more_rows_than_32_bits_hold_are_refused():
    x, _, gamma, beta = inputs(1, 64, np.float32)
    values = {**forward_values(x, gamma, beta), "rows": 2**31}
    with pytest.raises(ValueError, match="rows is 2147483648"):
        run_by_name([layernorm_forward(2**31, 64, np.float32)], values)
