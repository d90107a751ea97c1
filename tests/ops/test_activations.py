"""SwiGLU, ReLU and tanh, number by number."""

import math

import numpy as np

from minivit import ops

X = np.random.default_rng(0).standard_normal((2, 5, 6))


def test_swiglu_is_a_gate_times_a_value():
    y, _ = ops.swiglu_forward(X)
    assert y.shape == (2, 5, 3)
    for b, n, i in np.ndindex(y.shape):
        gate, value = X[b, n, i], X[b, n, i + 3]
        assert math.isclose(y[b, n, i], gate / (1 + math.exp(-gate)) * value)


def test_swiglu_of_huge_numbers_overflows_nowhere():
    x = np.array([[-1e5, 1e5, 2.0, 3.0]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        y, cache = ops.swiglu_forward(x)
        dx = ops.swiglu_backward(np.ones_like(y), cache)
    np.testing.assert_array_equal(y, [[0, 3e5]])
    np.testing.assert_array_equal(dx, [[0, 3, 0, 1e5]])


def test_relu_and_tanh():
    np.testing.assert_array_equal(ops.relu_forward(X)[0], [[[max(0, v) for v in row] for row in part] for part in X])
    np.testing.assert_allclose(ops.tanh_forward(X)[0], [[[math.tanh(v) for v in row] for row in part] for part in X])
    assert ops.relu_forward(np.array([-np.inf]))[0] == 0
