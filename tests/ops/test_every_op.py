"""What holds for all operations: the dtype is kept, arguments are left alone, the same call gives the same bits."""

import numpy as np
import pytest

from minivit.proof import OPS

# tests/ops/test_op_gradients.py holds that OPS has every operation of minivit.ops.


def draw(name, dtype):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in OPS[name][2].values()]


def run(name, dtype):
    """The arguments, y, and the gradients of two backwards, as they are after all of that has run."""
    forward, backward, _ = OPS[name]
    arguments = draw(name, dtype)
    y, cache = forward(*arguments)
    dy = np.asarray(np.random.default_rng(1).standard_normal(np.shape(y)), dtype)
    first, second = backward(dy, cache), backward(dy, cache)
    return arguments, y, *(g if isinstance(g, tuple) else (g,) for g in (first, second))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPS)
def test_keeps_the_dtype_forward_and_backward(name, dtype):
    _, y, gradients, _ = run(name, dtype)
    assert y.dtype == dtype
    assert {gradient.dtype for gradient in gradients if gradient is not None} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", OPS)
def test_gradients_have_their_arguments_shapes(name):
    _, _, gradients, _ = run(name, np.float64)
    shapes = [gradient.shape for gradient in gradients if gradient is not None]
    assert shapes == list(OPS[name][2].values())


@pytest.mark.parametrize("name", OPS)
def test_changes_no_argument_and_repeats_itself(name):
    arguments, y, first, second = run(name, np.float64)
    _, y_again, _, _ = run(name, np.float64)
    for a, b in zip((*arguments, y, *first), (*draw(name, np.float64), y_again, *second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", OPS)
def test_the_upstream_gradient_is_left_alone(name):
    forward, backward, _ = OPS[name]
    y, cache = forward(*draw(name, np.float64))
    dy = np.array(np.ones_like(y))
    backward(dy, cache)
    np.testing.assert_array_equal(dy, 1)


@pytest.mark.parametrize("name", OPS)
def test_float32_agrees_with_float64(name):
    _, y32, gradients32, _ = run(name, np.float32)
    _, y64, gradients64, _ = run(name, np.float64)
    for a, b in zip((y32, *gradients32), (y64, *gradients64), strict=True):
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())
