"""What check.grad and gradcheck say of a backward that is wrong, and of a forward that no differences can judge."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from minivit import check
from minivit.check import Wrong
from minivit.gradcheck import gradcheck
from minivit.ops import layernorm_backward, layernorm_forward, softmax_backward, softmax_forward

rng = np.random.default_rng(3)
X, SQUARE, W = rng.standard_normal((3, 4)), rng.standard_normal((4, 4)), rng.standard_normal((4, 4))
GAMMA, BETA = rng.random(4) + 0.5, rng.standard_normal(4)
NORM = {"x": X, "gamma": GAMMA, "beta": BETA}


def said(forward, backward, arguments) -> str:
    with pytest.raises(Wrong) as wrong:
        check.grad(forward, backward, arguments)
    return str(wrong.value)


def norm_with(**changes):
    """LayerNorm's backward with one gradient of another."""

    def backward(dy, cache):
        right = dict(zip(NORM, layernorm_backward(dy, cache), strict=True))
        return tuple({**right, **{name: change(dy, right[name]) for name, change in changes.items()}}.values())

    return backward


def hat(x):
    return layernorm_forward(x, np.ones(4), np.zeros(4), 1e-6)[0]


def norm(x, gamma, beta):
    return layernorm_forward(x, gamma, beta, 1e-6)


def loss(z):
    p = softmax_forward(z)[0]
    return -np.log(p[np.arange(3), [0, 2, 1]]).mean(), p


def loss_backward(dy, p):
    return dy * (p - np.eye(4)[[0, 2, 1]]) / 3


def rstd(x):
    return 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


MISTAKES = {
    "a loss that ignores dy": (loss, lambda dy, p: loss_backward(1, p), {"z": X}, "does not depend on dy"),
    "a layer that ignores dy": (lambda x: (x**2, x), lambda dy, x: 2 * x, {"x": X}, "does not depend on dy"),
    "dgamma over features": (norm, norm_with(gamma=lambda dy, _: (dy * hat(X)).sum(-1)), NORM, "over axis 1 of y"),
    "dgamma over features, square": (
        norm,
        norm_with(gamma=lambda dy, _: (dy * hat(SQUARE)).sum(-1)),
        NORM | {"x": SQUARE},
        "summed over axis 1 of y, expected over axis 0",
    ),
    "no means": (
        lambda x: layernorm_forward(x, GAMMA, BETA, 1e-6),
        lambda dy, cache: dy * GAMMA * rstd(X),
        {"x": X},
        "both means",
    ),
    "softmax without its sum": (softmax_forward, lambda dy, p: dy * p, {"s": X}, "Each row should sum to 0"),
    "another order": (
        lambda x, w: (x @ w, (x, w)),
        lambda dy, c: (c[0].T @ dy, dy @ c[1].T),
        {"x": SQUARE, "w": W},
        "This is dw: the gradients come in the order of the arguments, dx, dw",
    ),
    "another order, told by the shape": (
        lambda x, w: (x @ w, (x, w)),
        lambda dy, c: (c[0].T @ dy, dy @ c[1].T),
        {"x": X, "w": W},
        "This is dw",
    ),
    "= for += at a shortcut": (
        lambda x: (x + np.tanh(x), x),
        lambda dy, x: dy * (1 - np.tanh(x) ** 2),
        {"x": X},
        "What is missing is dy itself",
    ),
    "= for += in a loop over images": (
        lambda x, w: (x @ w, x),
        lambda dy, x: (dy @ W.T, np.outer(x[-1], dy[-1])),
        {"x": X, "w": W},
        "Only the last index of y's axis 0 counts: is = written where += is meant?",
    ),
    "a kink": (
        lambda x: (np.maximum(x, 0), x > 0),
        lambda dy, m: dy * m,
        {"x": np.array([[0.0, 1.0, -1.0]])},
        "has a kink",
    ),
    "a kink nearby": (
        lambda x: (np.maximum(x, 0), x > 0),
        lambda dy, m: dy * m,
        {"x": np.array([[3e-4, 1.0, -1.0]])},
        "the backward is right there",
    ),
    "the sum that was not taken": (
        lambda x, b: (x + b, None),
        lambda dy, c: (dy, dy),
        {"x": X, "b": BETA},
        "is a sum over axis 0",
    ),
    "an exception": (
        lambda x: (x @ W, x),
        lambda dy, x: dy @ np.ones((3, 3)),
        {"x": X},
        "the backward fails with ValueError: matmul",
    ),
    "an exception in the forward": (lambda x: (x @ X, x), lambda dy, x: dy, {"x": X}, "the forward fails with"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_backward_is_told_why(name) -> None:
    forward, backward, arguments, reason = MISTAKES[name]
    assert reason in said(forward, backward, arguments)


@pytest.mark.parametrize("name", ["x", "gamma", "beta"])
def test_no_reason_is_made_up(name) -> None:
    noise = rng.standard_normal(NORM[name].shape)
    told = said(norm, norm_with(**{name: lambda dy, right: right + 0.1 * noise * dy.flat[0]}), NORM)
    assert f"d{name}" in told and "\n" not in told


def random(x):
    return x * (rng.random(x.shape) > 0.5), None


def in_place(x):
    x -= x.max()
    return np.exp(x), np.exp(x)


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (lambda x: np.tanh(x), "the forward returns ndarray, expected the pair (y, cache)"),
        (lambda x: float(x.sum()), "the forward returns float, expected the pair"),
        (lambda x: (x, x, x), "expected the pair"),
        (lambda x: None, "the forward returns NoneType, expected the pair"),
        (in_place, "the forward changed its input x"),
        (random, "the forward is random"),
        (lambda x: ("y", None), "expected an array of real numbers"),
    ],
)
def test_what_no_differences_can_judge(forward, reason) -> None:
    assert reason in said(forward, lambda dy, cache: dy, {"x": X})
    with pytest.raises((TypeError, ValueError)) as refused:
        gradcheck(forward, lambda dy, cache: dy, {"x": X})
    assert reason in str(refused.value)


def test_gradcheck_names_a_kink_and_a_list() -> None:
    relu = lambda x: (np.maximum(x, 0), x > 0)  # noqa: E731
    report = gradcheck(relu, lambda dy, m: dy * m, {"x": np.array([0.0, 1.0])})
    assert not report.ok and "x[0] = 0 the forward has a kink" in str(report)
    right = gradcheck(softmax_forward, softmax_backward, {"x": X})
    assert right.ok and "kink" not in str(right)
    wrong = gradcheck(softmax_forward, lambda dy, p: dy * p, {"x": X})
    assert not wrong.ok and "kink" not in str(wrong)
    with pytest.raises(TypeError, match="arguments are a list, expected a dict"):
        gradcheck(relu, lambda dy, m: dy * m, [X])


def test_a_scalar_loss_is_checked() -> None:
    assert gradcheck(loss, loss_backward, {"z": X}).ok
    check.grad(loss, loss_backward, {"z": X})


def test_a_function_of_the_readers_that_fails_is_a_sentence() -> None:
    def wrong(x):
        return x[7]

    with pytest.raises(Wrong, match=r"your function fails with IndexError.*\nin line \d+ of wrong: return x\[7\]"):
        check.call(wrong, x=X[0])
    with pytest.raises(NotImplementedError):
        check.call(lambda x: (_ for _ in ()).throw(NotImplementedError("your turn")), x=X)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Fraction(1, 49), 1 / 49), (Decimal("0.25"), 0.25), ("1 / 49", 1 / 49), ("49", 49), ("−3", -3), ("0.5", 0.5),
        ((Fraction(1, 2), 3), (0.5, 3)), (["1/2", "3"], (0.5, 3)), ("(2, 49, 16)", (2, 49, 16)), ("True", True),
        ("no", False), ("Sharper.", "sharper"), ("'the  same'", "the same"), ({Fraction(1, 2)}, {0.5}),
    ],
)  # fmt: skip
def test_a_right_answer_in_another_form(given, expected, capsys) -> None:
    refused = ""
    try:
        check.answer(given, expected)
    except Wrong as wrong:
        refused = str(wrong)
    assert refused == "" and capsys.readouterr().out.endswith("ok\n")


@pytest.mark.parametrize("given", ["1/0", "fifty", "1/48", "", "(", "9" * 5000, Fraction(1, 48), [], "nan"])
def test_a_wrong_answer_in_another_form(given) -> None:
    with pytest.raises(Wrong) as wrong:
        check.answer(given, 1 / 49)
    assert len(str(wrong.value)) < 300
