"""What an exercise calls: silent mistakes are found, and the learner is told where and why."""

import numpy as np
import pytest

from minivit import check, emulator
from minivit.check import Wrong
from minivit.ops import (
    attention_weights,
    layernorm_backward,
    layernorm_forward,
    linear_backward,
    linear_forward,
    softmax_backward,
    softmax_forward,
)

rng = np.random.default_rng(0)
X = rng.standard_normal((2, 5, 4))
SQUARE = rng.standard_normal((4, 4))


def said(function, *args, **kwargs) -> str:
    with pytest.raises(Wrong) as wrong:
        function(*args, **kwargs)
    return str(wrong.value)


def test_a_right_answer_prints_a_line(capsys) -> None:
    check.close(X + 1e-11, X, "dx")
    check.shape(X, (2, 5, 4), "x")
    check.answer(49, 49, "patches")
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("dx  max|Δ| 1.0e-11 (tol ") and all(line.endswith("ok") for line in out)


@pytest.mark.parametrize("nothing", [None, ..., NotImplemented])
def test_no_answer_is_no_answer(nothing) -> None:
    assert "no answer yet" in said(check.close, nothing, X)
    assert "no answer yet" in said(check.shape, nothing, (2,))
    assert "no answer yet" in said(check.answer, nothing, 3)


def test_where_it_is_wrong() -> None:
    wrong = X.copy()
    wrong[1, 3, 2] += 0.5
    message = said(check.close, wrong, X, "y")
    assert "1 of 40 wrong" in message and "at (1, 3, 2)" in message


def test_a_pair_is_not_its_result() -> None:
    """Of equal shapes, or of ragged ones, which NumPy does not make an array of."""
    for pair in (softmax_forward(X), linear_forward(X, np.eye(4), np.zeros(4)), (0.5, X)):
        assert "got a pair. Is [0] missing?" in said(check.close, pair, X, "y")
    check.close((1.0, 2.0), np.array([1.0, 2.0]))


def test_what_is_no_array_is_told_without_numpys_words() -> None:
    assert "got a pair. Is [0] missing?" in said(check.shape, (X, None), X.shape)
    assert "got a pair. Is [0] missing?" in said(check.close, ((X, X[0]), None), X)
    assert "a tuple whose parts differ in shape" in said(check.close, (X, X[0], X[0, 0]), X)
    assert "a list whose parts differ in shape" in said(check.shape, [[1], [1, 2]], (2,))


def test_bools_and_small_integers_have_reasons_too() -> None:
    right = np.array([[True, False, True], [False, False, True]])
    assert "Only index 2 of axis 1 is wrong" in said(check.close, right & [True, True, False], right)
    assert "same -1" in said(check.close, np.array([5, 7, 9], np.uint8), np.array([6, 8, 10], np.uint8))


def test_infinities() -> None:
    masked = np.array([1.0, -np.inf, 2.0])
    check.close(masked, masked)
    assert "1 of 3 wrong" in said(check.close, np.array([1.0, 7.0, 2.0]), masked)
    assert "1 of 3 wrong" in said(check.close, np.array([5.0, -np.inf, 2.0]), masked)


def test_small_numbers_are_held_to_their_own_size() -> None:
    """Gradients of 1e-9 that are all zero do not pass."""
    assert "All are zero" in said(check.close, np.zeros(4), np.full(4, 1e-9))


def test_a_known_mistake_is_named() -> None:
    assert "The scale!" in said(check.close, 8 * X, X, mistakes={"Other": X + 1, "The scale!": 8 * X})
    assert "The sum!" in said(check.close, X, X.sum(0), mistakes={"The sum!": X})


def test_gradients() -> None:
    arguments = {"x": X, "weight": rng.standard_normal((4, 3)), "bias": rng.standard_normal(3)}
    check.grad(linear_forward, linear_backward, arguments)

    def not_summed(dy, cache):
        dx, dweight, _ = linear_backward(dy, cache)
        return dx, dweight, dy

    def sign(dy, cache):
        return tuple(-gradient for gradient in linear_backward(dy, cache))

    assert "dbias: the shape is (2, 5, 3), expected (3,)" in said(check.grad, linear_forward, not_summed, arguments)
    assert "sum over axes (0, 1)" in said(check.grad, linear_forward, not_summed, arguments)
    assert "wrong sign" in said(check.grad, linear_forward, sign, arguments)
    assert "returns 2, expected" in said(check.grad, linear_forward, lambda *_: (1, 2), arguments)
    assert "the pair (y, cache)" in said(check.grad, lambda x: x, lambda dy, c: dy, {"x": X})
    assert "The minus!" in said(check.grad, linear_forward, sign, arguments, mistakes={"The minus!": sign})


def test_a_gradient_that_is_zero_may_be_rounding() -> None:
    """A softmax is blind to what is added to all of a row, so the bias has no gradient; the differences' is 1e-13."""

    def forward(x, bias):
        y, cache = softmax_forward(x + bias)
        return y, cache

    def backward(dy, cache):
        dx = softmax_backward(dy, cache)
        return dx, dx.sum(-1, keepdims=True)

    check.grad(forward, backward, {"x": X, "bias": np.ones((2, 5, 1))})


def test_a_mistake_costs_no_differences() -> None:
    calls = []

    def forward(x):
        calls.append(1)
        return 2 * x, None

    check.grad(forward, lambda dy, cache: 2 * dy, {"x": X})
    alone, calls[:] = len(calls), []
    check.grad(forward, lambda dy, cache: 2 * dy, {"x": X}, mistakes={"1": lambda dy, cache: dy})
    assert len(calls) == alone + 2  # it is asked, and asked again whether it is random


def in_place(x, bias):
    x += bias
    return x, None


def test_a_function_that_changes_its_input() -> None:
    """What is expected may be made of that input."""
    x, bias = X.copy(), np.ones(4)
    changed = "changed its input x: x += … writes into it"
    assert changed in said(check.call, in_place, x=x, bias=bias)
    assert changed in said(check.grad, in_place, lambda dy, cache: (dy, dy.sum((0, 1))), {"x": x, "bias": bias})
    assert np.array_equal(x, X)
    y, cache = check.pair(lambda x, bias: (x + bias, None), x=x, bias=bias)
    assert np.array_equal(y, X + 1) and cache is None
    assert "the pair (y, cache)" in said(check.pair, lambda x: x, x=x)


def test_a_backward_that_changes_its_input() -> None:
    arguments = {"x": X, "scale": np.full(4, 2.0)}

    def forward(x, scale):
        return x * scale, (x, scale)

    def into_dy(dy, cache):
        dscale = (dy * cache[0]).sum((0, 1))
        dy *= cache[1]
        return dy, dscale

    def into_x(dy, cache):
        x, scale = cache
        x *= dy
        return dy * scale, x.sum((0, 1))

    assert "the backward changed its input dy" in said(check.grad, forward, into_dy, arguments)
    assert "the backward changed its input x" in said(check.grad, forward, into_x, arguments)


def test_a_complex_array() -> None:
    assert "is complex, expected real numbers" in said(check.close, X + 1j, X)


def test_layernorm_without_its_mean_term() -> None:
    arguments = {"x": X, "gamma": np.ones(4), "beta": np.zeros(4)}

    def backward(dy, cache):
        dx, dgamma, dbeta = layernorm_backward(dy, cache)
        return dx + np.mean(dy, -1, keepdims=True), dgamma, dbeta

    said_ = said(check.grad, lambda *a: layernorm_forward(*a, 1e-6), backward, arguments)
    assert said_.startswith("dx") and "a mean over the last axis missing" in said_


def test_answers() -> None:
    check.answer("Rows", "rows")
    check.answer(0.5, 0.52, tol=0.1)
    check.answer({1, 2}, {2, 1})
    check.answer((2, 49, 16), (2, 49, 16))
    assert "class token" in said(check.answer, 49, 50, reasons={49: "and the class token?"})
    known = {(-0.707, 0.707): "by D, not by D - 1", frozenset("ab"): "and c?", (2, 1): "other axis"}
    assert "by D, not" in said(check.answer, (-(0.5**0.5), 0.5**0.5), (-1, 1), tol=1e-3, reasons=known)
    assert "think again" in said(check.answer, (-0.72, 0.72), (-1, 1), tol=1e-3, reasons=known)
    assert "think again" in said(check.answer, 1.5, 3, tol=1e-3, reasons=known)
    assert "and c?" in said(check.answer, {"a", "b"}, {"c"}, reasons=known)
    assert "other axis" in said(check.answer, np.array([2, 1]), (1, 2), reasons=known)
    for given in (51, "51", "fifty", (50,), True, 50.1, np.nan):
        message = said(check.answer, given, 50)
        assert "think again" in message and "expected" not in message  # the answer is not given away
    assert "think again" in said(check.answer, "columns", "rows")
    assert "think again" in said(check.answer, 3, "rows")
    assert "other axis" in said(check.answer, " Columns", "rows", reasons={"columns": "other axis"})
    for given in ("ab", [["a"], ["b"]], 3):
        assert "think again" in said(check.answer, given, {"a", "b"})
    assert "think again" in said(check.answer, ((2, 49), 16), (2, 49, 16))
    check.answer(np.inf, np.inf)


def test_a_test_of_the_learner(capsys) -> None:
    wrong = {"the softmax over the wrong axis": lambda x: softmax_forward(x.T)[0].T, "no softmax": lambda x: x}
    right = lambda x: softmax_forward(x)[0]  # noqa: E731
    check.catches(lambda f: np.allclose(f(SQUARE).sum(1), 1), right, wrong)
    assert capsys.readouterr().out == "accepts the right one and catches 2 of 2 wrong ones ok\n"
    assert "no softmax" in said(check.catches, lambda f: f(SQUARE).shape == (4, 4), right, wrong)
    assert "refuses the right" in said(check.catches, lambda f: False, right, wrong)
    with pytest.raises(NotImplementedError):
        check.catches(_unsolved, right, wrong)
    assert "right function with TypeError: " in said(check.catches, lambda f: f(), right, wrong)
    assert "returned None, not True or False" in said(check.catches, lambda f: None, right, wrong)
    assert "returned an array, not" in said(check.catches, lambda f: f(SQUARE) > 0, right, wrong)


def _unsolved(function) -> bool:
    raise NotImplementedError


GUARDED = """
__global__ void twice(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[STRIDE * i % n] = 2 * x[STRIDE * i % n];
}
"""


def test_kernels() -> None:
    n = 101  # a prime, so that a stride still meets every element
    x, y = rng.standard_normal(n).astype(np.float32), np.zeros(n, np.float32)

    def kernel(stride: int, source: str = GUARDED):
        return emulator.Module(source.replace("STRIDE", str(stride)))["twice"]

    arguments = (4, 32, y, x, n)
    check.kernel(kernel(1), *arguments, expected={"y": 2 * x}, at_most={"sectors": 26})
    assert not y.any()
    assert "times 2" in said(check.kernel, kernel(1), *arguments, expected={"y": x})
    known = {"y": {"The square is taken.": x * x, "It is doubled.": np.float32(1 + 1e-6) * 2 * x}}  # to the tolerance
    assert "It is doubled." in said(check.kernel, kernel(1), *arguments, expected={"y": x}, mistakes=known)
    assert "sectors" in said(check.kernel, kernel(8), *arguments, expected={"y": 2 * x}, at_most={"sectors": 26})
    why = {"sectors": (26, "Do neighbours read neighbours?")}
    check.kernel(kernel(1), *arguments, expected={"y": 2 * x}, at_most=why)
    told = said(check.kernel, kernel(8), *arguments, expected={"y": 2 * x}, at_most=why)
    assert "expected at most 26" in told and told.endswith("\nDo neighbours read neighbours?")
    unguarded = kernel(1, GUARDED.replace("if (i < n) ", "").replace("STRIDE * i % n", "i"))
    assert "out of bounds" in said(check.kernel, unguarded, *arguments, expected={"y": 2 * x})


def test_the_upstream_gradient_is_not_the_learners_x() -> None:
    """Both are the first numbers of a generator; with one seed, LayerNorm's dx would be rounding and nothing else."""
    x = np.random.default_rng(0).standard_normal((2, 3, 5))
    check.grad(layernorm_forward, layernorm_backward, {"x": x, "gamma": np.ones(5), "beta": np.zeros(5)})


def test_a_notebook_shows_the_message_alone() -> None:
    assert Wrong("one\ntwo")._render_traceback_() == ["one", "two"]
    with pytest.raises(emulator.CompileError) as error:
        emulator.Module("__global__ void f(float* y) { y[0] = 1 }")["f"]
    assert error.value._render_traceback_()[0].startswith("CompileError: kernel.cu:1: expected ';'")


def test_rows_of_real_attention() -> None:
    q, k = rng.standard_normal((2, 2, 3, 5, 4))
    check.close(attention_weights(q, k).sum(-1), np.ones((2, 3, 5)), "row sums")
