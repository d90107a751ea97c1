"""The LayerNorm kernels of narrow rows: chosen by themselves, and held as test_layernorm_kernels.py holds others."""

import numpy as np
import pytest
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_PTX,
    assert_same_bits_in_every_order,
    compile_together,
    values_for,
)
from test_layernorm_kernels import backward, check_backward, check_forward, forward, inputs

from minivit.devices.launches import layernorm_backward, layernorm_forward, layernorm_narrow, partial_rows
from minivit.gradcheck import gradcheck

ROWS = (1, 7, 31, 32, 33, 65, 197)
WIDTHS = {np.float32: (4, 8, 12, 16, 24, 32, 36, 48, 64), np.float64: (2, 4, 6, 8, 10, 24, 32)}

compile_together(
    launch
    for dtype, widths in WIDTHS.items()
    for width in widths
    for launch in (layernorm_forward(1, width, dtype), *layernorm_backward(1, width, dtype))
)


@pytest.mark.parametrize(
    ("width", "dtype", "lanes"),
    [(4, np.float32, 1), (12, np.float32, 4), (16, np.float32, 4), (64, np.float32, 16), (68, np.float32, None),
     (50, np.float32, None), (2, np.float64, 1), (32, np.float64, 16), (34, np.float64, None)],
)  # fmt: skip
def test_a_row_has_as_many_lanes_as_it_has_vectors_rounded_up_to_a_power_of_two(width, dtype, lanes):
    assert layernorm_narrow.lanes(width, np.dtype(dtype)) == lanes
    kernels = layernorm_forward(8, width, dtype).kernel, layernorm_backward(8, width, dtype)[0].kernel
    for kernel, direction in zip(kernels, ("forward", "backward"), strict=True):
        assert kernel.startswith(f"layernorm_narrow_{direction}<") == (lanes is not None)
        assert lanes is None or kernel.endswith(f", {lanes}>")


def test_another_version_can_be_asked_for():
    assert layernorm_forward(8, 24, np.float32, 4).kernel == "layernorm_forward_v4<float, 1>"
    assert layernorm_backward(8, 24, np.float32, 3)[0].kernel == "layernorm_backward_v3<float, 1>"


@SOURCE_AND_PTX
@FLOAT_AND_DOUBLE
def test_forward(dtype, via):
    for width in WIDTHS[dtype]:
        for rows in ROWS:
            check_forward(*inputs(rows, width, dtype), None, via)
    check_forward(*inputs(33, 24, dtype, mean=1e3), None, via)


@SOURCE_AND_PTX
@FLOAT_AND_DOUBLE
def test_backward(dtype, via):
    for width in WIDTHS[dtype]:
        for rows in ROWS:
            check_backward(*inputs(rows, width, dtype), None, via)


def test_backward_of_many_rows():
    """More than 512 groups of rows: each block has several rounds, the last not of all its rows."""
    check_backward(*inputs(17_001, 8, np.float32), None, "source")


def test_a_nan_spoils_its_row_and_no_other():
    x, _, gamma, beta = inputs(33, 24, np.float32)
    x[7, 20] = np.nan
    for array in forward(x, gamma, beta, None):
        np.testing.assert_array_equal(np.isnan(array).reshape(33, -1).any(axis=1), np.arange(33) == 7)


def test_finite_differences_through_the_kernels():
    x, _, gamma, beta = inputs(3, 6, np.float64)

    def kernel_forward(x, gamma, beta):
        y, mean, rstd = forward(x, gamma, beta, None)
        return y, (x, gamma, mean, rstd)

    def kernel_backward(dy, cache):
        return backward(dy, *cache, None)

    report = gradcheck(kernel_forward, kernel_backward, {"x": x, "gamma": gamma, "beta": beta})
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize("rows", [33, 65])
def test_the_same_bits_in_every_order(rows):
    P, width = partial_rows(rows), 24
    shapes = dict.fromkeys(("y", "dx", "dy", "x"), (rows, width)) | dict.fromkeys(("mean", "rstd"), rows)
    shapes |= dict.fromkeys(("dgamma", "dbeta", "gamma", "beta"), width)
    shapes |= dict.fromkeys(("dgamma_partial", "dbeta_partial"), (P, width))
    for launches in ([layernorm_forward(rows, width, np.float32)], layernorm_backward(rows, width, np.float32)):
        values = values_for(launches, shapes, rows=rows, width=width, eps=1e-6, partials=P)
        assert_same_bits_in_every_order(launches, values)
