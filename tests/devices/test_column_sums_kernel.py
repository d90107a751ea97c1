"""Sums of columns against NumPy in float64, and the dense layer's gradient that is made of them."""

import numpy as np
import pytest
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_PTX,
    assert_close_to_reference,
    assert_same_bits_in_every_order,
    compile_together,
    nans,
    profile,
    run,
)

from minivit import ops
from minivit.devices import get_device
from minivit.devices.launches import column_sums

compile_together([column_sums(1, 1, dtype) for dtype in (np.float32, np.float64)])


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (1, 33), (33, 7), (31, 8), (500, 65)])
@FLOAT_AND_DOUBLE
@SOURCE_AND_PTX
def test_every_size(via, dtype, rows, width):
    x, sums = np.random.default_rng(0).standard_normal((rows, width)).astype(dtype), nans(width, dtype)
    run(column_sums(rows, width, dtype), sums, x, rows, width, via=via)
    assert_close_to_reference(sums, x.sum(axis=0, dtype=np.float64), x.sum(axis=0), np.abs(x).sum(axis=0))


def test_each_number_is_read_once_in_whole_sectors_and_the_order_is_fixed():
    rows, width = 70, 40
    values = {"x": np.ones((rows, width), np.float32), "sums": nans(width, np.float32), "rows": rows, "width": width}
    total = profile(column_sums(rows, width, np.float32), values).total
    assert total.bytes_read == 4 * rows * width and total.sectors == rows * width // 8 + width // 8
    assert total.conflicts == 0
    assert_same_bits_in_every_order([column_sums(rows, width, np.float32)], values)


@pytest.mark.parametrize("with_dx", [True, False])
def test_a_dense_layers_gradients(with_dx):
    rng = np.random.default_rng(0)
    x, weight, dy = (rng.standard_normal(shape) for shape in ((2, 5, 6), (6, 7), (2, 5, 7)))
    kernels = get_device("emulator").ops
    for bias in (rng.standard_normal(7), None):
        expected = ops.linear_backward(dy, ops.linear_forward(x, weight, bias)[1])
        dx, dweight, dbias = kernels.linear_backward(dy, kernels.linear_forward(x, weight, bias)[1], with_dx)
        assert with_dx == (dx is not None) and (bias is None) == (dbias is None)
        for got, right in zip((dx, dweight, dbias), expected, strict=True):
            if got is not None:
                np.testing.assert_allclose(got, right, rtol=1e-13)
