"""What must not pass for an answer: what is right in part, in another order, of another shape, or says nothing."""

from decimal import Decimal
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from minivit import check
from minivit.check import Wrong
from minivit.gradcheck import gradcheck
from minivit.ops import layernorm_backward, layernorm_forward, linear_backward, linear_forward

rng = np.random.default_rng(0)
CUBE = rng.standard_normal((3, 3, 3))
LINEAR = {"x": rng.standard_normal((2, 4)), "weight": rng.standard_normal((4, 3)), "bias": rng.standard_normal(3)}


def said(function, *args, **kwargs) -> str:
    with pytest.raises(Wrong) as wrong:
        function(*args, **kwargs)
    return str(wrong.value)


@pytest.mark.parametrize("place", range(4))
def test_of_many_numbers_not_one_may_be_wrong(place) -> None:
    for expected in ((2, 49, 16, 3), (0.5, 0.25, 0.125, 1.0)):
        given = list(expected)
        given[place] += 1
        assert "think again" in said(check.answer, tuple(given), expected, tol=1e-3)
        wrong = f"1 of 4 wrong; furthest off at ({place},)"
        assert wrong in said(check.close, np.array(given), np.array(expected))
        alone = np.where(np.arange(4) == place, expected, np.array(expected) + 1)
        assert "think again" in said(check.answer, tuple(alone), expected, tol=1e-3)
        assert "3 of 4 wrong" in said(check.close, alone, np.array(expected))


@pytest.mark.parametrize("given", ["", " ", ".", "r", "row", "rows and columns", "the rows", "row s", None, 0, ()])
def test_a_word_is_the_whole_word(given) -> None:
    assert "no answer yet" in said(check.answer, given, "rows") or given is not None
    assert "think again" in said(check.answer, given, "rows") or given is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", 0), ("", False), (" ", 1), ("5", 50), ("500", 50), ("", (1, 2)), ("()", (1, 2)), ("1", (1, 2)),
        ((), (1, 2)), ("(1, 2, 3)", (1, 2)), ("t", True), ("", True), ("tru", True), ("n", False), (set(), {1}),
        ({1}, {1, 2}), ({1, 2, 3}, {1, 2}), ({1: "a"}, {1, 2}), ("", {1}), ("12", {"1", "2"}), ([], 0),
        ([[]], 0), (np.array([]), 0),
    ],
)  # fmt: skip
def test_a_part_of_an_answer_is_none(given, expected) -> None:
    assert "think again" in said(check.answer, given, expected)


def test_an_order_is_part_of_the_answer() -> None:
    for axes in permutations(range(3)):
        if axes != (0, 1, 2):
            assert "wrong; furthest off" in said(check.close, CUBE.transpose(axes), CUBE)
            assert "think again" in said(check.answer, tuple(np.array([2, 49, 16])[list(axes)]), (2, 49, 16))
    assert "think again" in said(check.answer, ((1, 3), (2, 4)), ((1, 2), (3, 4)))
    assert "expected (2, 4)" in said(check.close, LINEAR["x"].T, LINEAR["x"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1.0, np.ones(3)), (np.ones(3), 1.0), ([1.0], 1.0), (1.0, [1.0]), (np.ones((1, 3)), np.ones(3)),
        (np.ones(3), np.ones((3, 1))), (np.ones((3, 3)), np.ones(9)), (np.ones((2, 1)), np.ones((2, 5))),
        (np.ones(0), np.ones((0, 1))), (np.ones(0), 1.0),
    ],
)  # fmt: skip
def test_what_numpy_would_broadcast_is_not_equal(given, expected) -> None:
    assert f"the shape is {np.shape(given)}, expected {np.shape(expected)}" in said(check.close, given, expected)
    if np.size(expected):
        assert "think again" in said(check.answer, given, expected)


@pytest.mark.parametrize("shape", [(4, 2, 5), (5, 2, 4), (2, 5), (2, 5, 4, 1), (1, 2, 5, 4), (40,), (2, 5, 3), ()])
def test_a_shape_is_told_where_it_is_another(shape) -> None:
    array = np.zeros(shape)
    assert said(check.shape, array, (2, 5, 4), "x") == f"x: the shape is {shape}, expected (2, 5, 4)"
    check.shape(array, shape)
    check.shape(array, list(shape))


@pytest.mark.parametrize("extra", [1, 2])
def test_as_many_gradients_as_arguments(extra) -> None:
    def more(dy, cache):
        return *linear_backward(dy, cache), *[np.zeros(3)] * extra

    assert f"returns {3 + extra}, expected a gradient for each" in said(check.grad, linear_forward, more, LINEAR)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, 1e-9])
def test_a_gradient_of_zeros_or_a_little_too_large_is_found_however_small_all_are(place, size) -> None:
    """A forward times 1e-9 has gradients of 1e-9, and an error of one in a thousand of these is 1e-12."""

    def forward(x, weight, bias):
        y, cache = linear_forward(x, weight, bias)
        return size * y, cache

    def backward_times(factor):
        def backward(dy, cache):
            grads = list(linear_backward(size * dy, cache))
            grads[place] = factor * grads[place]
            return tuple(grads)

        return backward

    name = list(LINEAR)[place]
    check.grad(forward, backward_times(1.0), LINEAR)
    assert gradcheck(forward, backward_times(1.0), LINEAR).ok
    for factor in (0.0, 1.001, -1.0):
        assert said(check.grad, forward, backward_times(factor), LINEAR).startswith(f"d{name} ")
        report = gradcheck(forward, backward_times(factor), LINEAR)
        assert [c.name for c in report.checks if not c.ok] == [name]
    missing = lambda dy, cache: tuple(None if i == place else g for i, g in enumerate(linear_backward(dy, cache)))  # noqa: E731
    assert f"d{name}: there is no answer yet; it is None" in said(check.grad, forward, missing, LINEAR)


def test_gradchecks_floor_is_where_it_says() -> None:
    """A gradient smaller than the floor, 1e-6, is held to floor · tolerance, 1e-12, and one of zero to rounding."""

    def report(size, factor):
        x = np.array([1.0, 2.0])
        return gradcheck(lambda x: (size * x, None), lambda dy, cache: factor * size * dy, {"x": x})

    assert not report(1e-8, 1.001).ok and not report(1e-10, 0.0).ok
    assert report(1e-14, 0.0).ok
    assert report(1.0, 1 + 1e-6).ok and not report(1.0, 1 + 3e-6).ok  # |a − n| / (|a| + |n|): half of it


def test_a_gradient_that_is_right_for_another_argument_is_not_right() -> None:
    arguments = {"x": rng.standard_normal((3, 4)), "gamma": np.ones(4), "beta": np.zeros(4)}
    swapped = lambda dy, cache: (lambda dx, dgamma, dbeta: (dx, dbeta, dgamma))(*layernorm_backward(dy, cache))  # noqa: E731
    assert "This is dbeta" in said(check.grad, layernorm_forward, swapped, arguments)


def test_differences_are_taken_one_and_two_thousandths_away() -> None:
    """gradcheck's step, where nobody gives another."""
    places = set()

    def forward(x):
        places.add(round(float(x[0]), 9))
        return x**2, x

    assert gradcheck(forward, lambda dy, x: 2 * x * dy, {"x": np.array([0.5])}).ok
    assert places == {0.5, 0.501, 0.499, 0.502, 0.498}


def test_a_number_may_be_written_with_two_hundred_letters() -> None:
    check.answer("0" * 198 + ".5", 0.5)
    assert "think again" in said(check.answer, "0" * 199 + ".5", 0.5)


def test_an_empty_argument_is_in_nobodys_way() -> None:
    """Its gradient is as empty; what is wrong with the others' is told as ever."""

    def forward(x, nothing):
        return 2 * x + nothing.sum(), None

    arguments = {"nothing": np.zeros(0), "x": rng.standard_normal((2, 3))}
    check.grad(lambda nothing, x: forward(x, nothing), lambda dy, cache: (np.zeros(0), 2 * dy), arguments)
    wrong = said(check.grad, lambda nothing, x: forward(x, nothing), lambda dy, cache: (np.zeros(0), 3 * dy), arguments)
    assert wrong.startswith("dx ") and "times 1.5" in wrong


def test_a_number_may_be_a_fraction_and_is_none_where_nothing_is_returned() -> None:
    check.close([Fraction(1, 4), Decimal("0.5")], [0.25, 0.5])
    check.close(Fraction(1, 4), 0.25)
    assert "one is None: does your function return its result?" in said(check.close, [1.0, None], [1.0, 2.0], "y")
    assert "y: expected an array of numbers, got str" in said(check.close, ["1", "2"], [1.0, 2.0], "y")
    assert "y: expected a number, got str" in said(check.close, "two", 2.0, "y")
    assert "y: expected an array of numbers, got list" in said(
        check.close, np.array([[1], [1, 2]], object), [1.0, 2.0], "y"
    )


def test_how_a_number_is_given_is_told() -> None:
    """Without a word on what it should be."""
    for given in ("2,483,776", "2 483 776", 2483776.0):
        check.answer(given, 2483776)
    for given in ("1,2", "24,83776", "2,483,7760", ",", "1,,000"):
        assert "one number is asked for, without words" in said(check.answer, given, 2483776)
    for given in ([2483776], (1, 2), ([1], [1, 2]), np.array([1]), {1}):
        assert said(check.answer, given, 2483776).endswith("think again: one number is asked for")
    assert "near, and all digits count" in said(check.answer, 2.48e6, 2483776)
    for given in (-2483776, 2.4e6, 0, True, np.nan, np.inf, np.uint8(3)):
        assert said(check.answer, given, 2483776).endswith("think again")
    assert said(check.answer, 50.3, 50).endswith("think again")
    assert said(check.answer, "rows", "columns").endswith("think again")
