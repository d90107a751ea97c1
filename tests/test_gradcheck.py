"""The gradient check is checked: it accepts what is right, finds what is wrong, and says where."""

import numpy as np
import pytest

from minivit import ops
from minivit.gradcheck import compare, compare_scaled, compare_zero, gradcheck, numerical_gradient
from minivit.ops import layernorm_backward, layernorm_forward, linear_backward, linear_forward

rng = np.random.default_rng(0)
LINEAR = {"x": rng.standard_normal((2, 3, 4)), "weight": rng.standard_normal((4, 5)), "bias": rng.standard_normal(5)}


def test_the_numerical_gradient_of_a_known_function():
    x = rng.standard_normal((2, 3))
    before = x.copy()
    numeric = numerical_gradient(lambda: float(np.sum(np.sin(x))), x)
    np.testing.assert_allclose(numeric, np.cos(before), atol=1e-11)
    np.testing.assert_array_equal(x, before)  # every element was put back


def test_four_points_beat_two():
    """The error falls like h⁴: a step ten times as long costs ten thousand times the error."""
    x = np.array([0.7])
    short, long = (abs(numerical_gradient(lambda: float(np.exp(x[0])), x, h)[0] - np.exp(0.7)) for h in (0.01, 0.1))
    assert 5e3 < long / short < 2e4


def test_a_right_gradient_passes_and_the_table_says_so():
    report = gradcheck(linear_forward, linear_backward, LINEAR)
    assert report.ok
    assert report.error <= 1e-8
    assert [check.name for check in report.checks] == ["x", "weight", "bias"]
    assert str(report).count(" ok") == 3
    assert "WRONG" not in str(report)


def test_arguments_are_left_alone():
    arguments = {name: value.copy() for name, value in LINEAR.items()}
    for value in arguments.values():
        value.flags.writeable = False
    gradcheck(linear_forward, linear_backward, arguments)
    assert all(np.array_equal(arguments[name], LINEAR[name]) for name in LINEAR)


def one_wrong_element(dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    dweight[2, 3] *= 1 + 1e-5
    return dx, dweight, dbias


def test_one_wrong_element_is_found_and_its_place_reported():
    report = gradcheck(linear_forward, one_wrong_element, LINEAR)
    assert [check.ok for check in report.checks] == [True, False, True]
    wrong = report.checks[1]
    assert wrong.index == (2, 3)
    assert wrong.error == pytest.approx(5e-6, rel=1e-2)
    assert wrong.analytic == pytest.approx(wrong.numeric * (1 + 1e-5), rel=1e-8)
    assert "WRONG at (2, 3): analytic" in str(report)
    assert not report.ok


@pytest.mark.parametrize(
    "wrong",
    [
        lambda dx, dgamma, dbeta: (-dx, dgamma, dbeta),
        lambda dx, dgamma, dbeta: (2 * dx, dgamma, dbeta),
        lambda dx, dgamma, dbeta: (dx, dbeta, dgamma),
        lambda dx, dgamma, dbeta: (dx, dgamma, dbeta / 6),
        lambda dx, dgamma, dbeta: (np.zeros_like(dx), dgamma, dbeta),
        lambda dx, dgamma, dbeta: (dx * np.nan, dgamma, dbeta),
        lambda dx, dgamma, dbeta: (np.where(dx == dx.max(), np.inf, dx), dgamma, dbeta),
    ],
    ids=["sign", "factor", "swapped", "mean for sum", "all zero", "NaN", "one infinity"],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_wrong_gradients_are_found(wrong):
    arguments = {"x": rng.standard_normal((2, 6)), "gamma": rng.standard_normal(6), "beta": rng.standard_normal(6)}
    report = gradcheck(layernorm_forward, lambda dy, cache: wrong(*layernorm_backward(dy, cache)), arguments)
    assert not report.ok
    assert "WRONG" in str(report)


@pytest.mark.parametrize("comparison", [compare, compare_scaled, compare_zero])
@pytest.mark.parametrize("place", ["analytic", "numeric"])
def test_nan_never_passes(comparison, place):
    gradients = {"analytic": np.zeros(3), "numeric": np.zeros(3)}
    gradients[place][1] = np.nan
    check = comparison("x", **gradients)
    assert not check.ok
    assert check.index == (1,)


def test_the_upstream_gradient_is_not_the_callers_x():
    """Were both the first numbers of default_rng(0), LayerNorm's dx would be zero, and any factor in it unseen."""
    x = np.random.default_rng(0).standard_normal((2, 3, 5))
    arguments = {"x": x, "gamma": np.ones(5), "beta": np.zeros(5)}
    assert gradcheck(layernorm_forward, layernorm_backward, arguments).ok

    def twice(dy, cache):
        dx, dgamma, dbeta = layernorm_backward(dy, cache)
        return 2 * dx, dgamma, dbeta

    wrong = gradcheck(layernorm_forward, twice, arguments).checks[0]
    assert not wrong.ok
    assert abs(wrong.analytic) > 1e-2


def test_small_gradients_of_zero_do_not_pass():
    """An absolute tolerance would let them."""
    assert not compare("x", np.zeros(3), np.full(3, 1e-7)).ok
    assert not compare_scaled("x", np.zeros(3), np.full(3, 1e-12)).ok
    assert not compare_zero("x", np.zeros(3), np.full(3, 1e-9)).ok
    assert compare_zero("x", np.full(3, 1e-17), np.full(3, 1e-12)).ok


def test_scaled_errors_are_relative_to_the_largest_gradient():
    analytic = np.array([1.0, 1e-9])
    assert compare_scaled("x", analytic, analytic + [0, 1e-8]).ok
    assert not compare("x", analytic, analytic + [0, 1e-8]).ok
    assert not compare_scaled("x", analytic, analytic + [0, 1e-5]).ok


def test_float32_is_refused():
    with pytest.raises(TypeError, match="x is float32, expected float64"):
        gradcheck(linear_forward, linear_backward, LINEAR | {"x": LINEAR["x"].astype(np.float32)})


@pytest.mark.parametrize("comparison", [compare, compare_scaled, compare_zero])
def test_a_gradient_of_another_shape_is_refused(comparison):
    with pytest.raises(ValueError, match=r"the gradient of x has shape \(3,\), expected \(1, 3\)"):
        comparison("x", np.zeros(3), np.zeros((1, 3)))


def test_a_forgotten_gradient_is_refused():
    with pytest.raises(ValueError, match=r"returned 2 gradients, expected one for each of \['x', 'weight', 'bias'\]"):
        gradcheck(linear_forward, lambda dy, cache: linear_backward(dy, cache)[:2], LINEAR)


def test_a_backward_may_return_one_array_or_none_for_what_is_absent():
    no_bias = {"x": LINEAR["x"], "weight": LINEAR["weight"]}
    assert gradcheck(lambda x, weight: linear_forward(x, weight, None), linear_backward, no_bias).ok
    assert gradcheck(lambda x: (x**2, x), lambda dy, x: 2 * x * dy, {"x": LINEAR["x"]}).ok


def test_a_gradient_that_is_exactly_zero_passes():
    """softmax(x + c) does not see c; its difference is rounding, not zero."""

    def forward(x, c):
        return ops.softmax_forward(x + c)

    def backward(dp, p):
        dx = ops.softmax_backward(dp, p)
        return dx, dx.sum(axis=1, keepdims=True)

    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert gradcheck(forward, backward, {"x": rng.normal(size=(3, 4)), "c": rng.normal(size=(3, 1))}).ok
