"""What an exercise calls: is it right, and if not, where is it wrong, and what is the likely reason?

    from minivit import check
    check.shape(patches, (2, 49, 16))
    check.close(patches, expected, "patches")
    check.grad(my_forward, my_backward, {"x": x, "gamma": gamma})

Each prints a line where all is well and raises `Wrong` where it is not. The reasons are found in reasons.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..gradcheck import Backward, Forward, analytic_gradients, both_gradients
from ..messages import say
from .reasons import PAIR, likely_reason

UNANSWERED = (None, ..., NotImplemented)
PATIENCE = 20  # seconds, after which a learner's kernel is taken for an endless loop
ROUNDING = 1e-10  # what differences make of a gradient that is exactly zero, such as a key's bias has, is less


class Wrong(AssertionError):
    """An answer that is not right. A notebook shows the message alone, without the path through our code."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def shape(array: Any, expected: tuple[int, ...], name: str = "shape") -> None:
    """`array` must have this shape."""
    actual = _array(array, tuple(expected), name).shape
    if actual != tuple(expected):
        raise Wrong(f"{name}: the shape is {actual}, expected {tuple(expected)}")
    say(f"{name}  {actual} ok")


def close(
    actual: Any, expected: Any, name: str = "result", *, tol: float = 1e-7, mistakes: Mapping[str, Any] | None = None
) -> None:
    """`actual` must equal `expected` to `tol` times the largest of its finite numbers, in every place.

    mistakes: what known mistakes would give, by what to say about them; a match is named before any other reason.
    """
    expected = np.asarray(expected, np.float64)
    actual = _array(actual, expected.shape, name)
    if actual.dtype.kind == "c":
        raise Wrong(f"{name}: the array is complex, expected real numbers: take .imag or .real")
    if actual.dtype.kind not in "biuf":
        raise Wrong(f"{name}: expected an array of numbers, got {type(actual.tolist()).__name__}")
    actual = actual.astype(np.float64)  # bools have no difference, and that of small integers wraps around
    if actual.shape != expected.shape:
        said = f"{name}: the shape is {actual.shape}, expected {expected.shape}"
        raise Wrong(_message(said, actual, expected, mistakes))
    allowed = tol * (float(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))) or 1.0)
    with np.errstate(invalid="ignore"):
        error = np.where(actual == expected, 0.0, np.abs(actual - expected))  # an infinity equals itself
    largest = float(np.max(error, initial=0.0))
    line = f"{name}  max|Δ| {largest:.1e} (tol {allowed:.1e})"
    if not largest <= allowed:  # NaN is not
        wrong = int(np.sum(~(error <= allowed)))
        index = tuple(int(i) for i in np.unravel_index(np.argmax(error), error.shape))
        where = f" at {index}" if index else ""
        said = f"{line}: {wrong:,} of {error.size:,} wrong; furthest off{where}: {actual[index]:.6g}, expected "
        raise Wrong(_message(f"{said}{expected[index]:.6g}", actual, expected, mistakes, allowed))
    say(f"{line} ok")


def grad(
    forward: Forward,
    backward: Backward,
    arguments: Mapping[str, np.ndarray],
    *,
    tol: float = 1e-7,
    mistakes: Mapping[str, Backward] | None = None,
) -> None:
    """Each gradient of a pair must equal four-point differences in float64: `y, cache = forward(*arguments)` and
    `dx, … = backward(dy, cache)`. Each gradient is judged against its own largest number.

    mistakes: wrong backwards, by what to say about them.
    """
    arrays = {name: np.array(value, np.float64) for name, value in arguments.items()}
    given = {name: x.copy() for name, x in arrays.items()}
    y, cache = _pair(forward(*given.values()), "the forward")
    _unchanged("the forward", given, arrays)
    dy = np.random.default_rng(0).standard_normal(np.shape(y))
    given["dy"] = np.copy(dy)
    gradients = _tuple(_answered(backward(given["dy"], cache), "the backward"))
    _unchanged("the backward", given, {**arrays, "dy": dy})
    if len(gradients) != len(arrays):
        raise Wrong(f"the backward returns {len(gradients)}, expected a gradient for each of {', '.join(arrays)}")
    for (name, x), gradient in zip(arrays.items(), gradients, strict=True):
        gradient = _array(gradient, x.shape, f"d{name}")
        if gradient.shape != x.shape:
            said = f"d{name}: the shape is {gradient.shape}, expected {x.shape}, that of {name}"
            raise Wrong(_message(said, gradient, x))
    known = {said: analytic_gradients(forward, wrong, arrays) for said, wrong in (mistakes or {}).items()}
    for i, (name, analytic, numeric) in enumerate(both_gradients(forward, backward, arrays)):
        if np.abs(numeric).max(initial=0) < ROUNDING:
            numeric = np.zeros_like(numeric)
        close(analytic, numeric, f"d{name}", tol=tol, mistakes={said: wrong[i] for said, wrong in known.items()})


def call(function: Callable[..., Any], /, **arguments: Any) -> Any:
    """function(*arguments), which must leave the arrays given as they are: what is expected may be made of them."""
    given = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}
    result = function(*given.values())
    _unchanged("your function", given, arguments)
    return result


def pair(function: Callable[..., Any], /, **arguments: Any) -> tuple[Any, Any]:
    """As `call`, for a function that returns (y, cache)."""
    return _pair(call(function, **arguments), "your function")


def answer(
    given: Any, expected: Any, name: str = "your answer", *, tol: float = 0.0, reasons: Mapping[Any, str] | None = None
) -> None:
    """A prediction: a number, a word, a truth value, a tuple of numbers or a set. The right one is not told.

    tol: how far off a number may be, relative to the right one. reasons: what to say to a particular wrong answer, or
    to one as near to it.
    """
    given = _answered(given, name)
    if isinstance(expected, str):
        right = isinstance(given, str) and _word(given) == _word(expected)
    elif isinstance(expected, (set, frozenset)):
        right = _set(given) == expected
    else:
        right = _near(given, expected, tol)
    if not right:
        said = next((said for wrong, said in (reasons or {}).items() if _same(wrong, given, tol)), "think again")
        raise Wrong(f"{name}: {given!r} is not right: {said}")
    say(f"{name}: {given!r} ok")


def catches(test: Callable[[Any], bool], right: Any, wrong: Mapping[str, Any]) -> None:
    """A test of the learner's own: `test(function)` must be true of the right function and false, or fail, for each of
    the wrong ones, which are given by name."""
    try:
        verdict = test(right)
    except NotImplementedError:
        raise
    except Exception as error:  # whatever the learner's own code raises
        raise Wrong(f"your test fails on the right function with {type(error).__name__}: {error}") from None
    if not isinstance(verdict, bool | np.bool_):
        returned = "an array" if isinstance(verdict, np.ndarray) else repr(verdict)
        raise Wrong(f"your test returned {returned}, not True or False")
    if not verdict:
        raise Wrong("your test refuses the right function")
    missed = [name for name, function in wrong.items() if _passes(test, function)]
    if missed:
        raise Wrong(f"your test lets {len(missed)} of {len(wrong)} wrong functions pass: {'; '.join(missed)}")
    say(f"accepts the right one and catches {len(wrong)} of {len(wrong)} wrong ones ok")


def kernel(
    kernel: Any,
    grid: int | tuple,
    block: int | tuple,
    *arguments: Any,
    expected: Mapping[str, np.ndarray],
    shared: int = 0,
    tol: float = 1e-5,
    at_most: Mapping[str, int] | None = None,
    mistakes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """A kernel of the emulator must be free of races, wrong addresses and other mistakes, and compute what is expected.

    expected: by the name of the kernel's parameter, what that array must hold afterwards. at_most: limits to what it
    asks of the memory, by the name of a number in `kernel.profile(…).total`: sectors, requests, conflicts, ….
    mistakes: by the parameter's name, those that `close` takes. The arrays given are left as they are.
    """
    report = kernel.check(grid, block, *arguments, shared=shared, seconds=PATIENCE)
    if not report:
        raise Wrong(str(report))
    say(f"{kernel.name}<<<{grid}, {block}>>>  no mistake found ok")
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    kernel(grid, block, *copies, shared=shared)
    for name, value in expected.items():
        close(copies[list(kernel.names).index(name)], value, name, tol=tol, mistakes=(mistakes or {}).get(name))
    if at_most:
        total = kernel.profile(grid, block, *arguments, shared=shared).total
        for name, limit in at_most.items():
            counted = getattr(total, name)
            if counted > limit:
                raise Wrong(f"{name}: {counted:,}, expected at most {limit:,}. kernel.profile(…) counts line by line")
            say(f"{name}  {counted:,} (at most {limit:,}) ok")


def _message(
    said: str,
    actual: np.ndarray,
    expected: np.ndarray,
    mistakes: Mapping[str, Any] | None = None,
    allowed: float = 1e-9,
) -> str:
    for name, wrong in (mistakes or {}).items():
        if np.shape(wrong) == actual.shape and np.allclose(
            actual, wrong, rtol=1e-6, atol=max(allowed, 1e-9), equal_nan=True
        ):
            return f"{said}.\n{name}"
    reason = likely_reason(actual, expected)
    return f"{said}.\n{reason}" if reason else f"{said}."


def _answered(value: Any, name: str) -> Any:
    if any(value is nothing for nothing in UNANSWERED):
        raise Wrong(f"{name}: there is no answer yet; it is {value!r}")
    return value


def _pair(value: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise Wrong(f"{name} returns {type(value).__name__}, expected the pair (y, cache)")
    return value


def _array(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """An answer as an array. A pair is none, unless it makes one of the `shape` that is expected."""
    try:
        array = np.asarray(_answered(value, name))
    except ValueError:  # its parts differ in shape
        array = None
    if isinstance(value, tuple) and len(value) == 2 and (array is None or array.shape != shape):
        raise Wrong(f"{name}: expected an array, got a pair. {PAIR}")
    if array is None:
        raise Wrong(f"{name}: expected an array, got a {type(value).__name__} whose parts differ in shape")
    return array


def _tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _same(wrong: Any, given: Any, tol: float) -> bool:
    for kind in (str, set | frozenset):
        if isinstance(wrong, kind) or isinstance(given, kind):
            return isinstance(wrong, kind) and isinstance(given, kind) and _word(wrong) == _word(given)
    return _near(given, wrong, tol)


def _word(given: Any) -> Any:
    return given.strip().lower() if isinstance(given, str) else given


def _set(given: Any) -> set | None:
    try:
        return None if isinstance(given, str) else set(given)
    except TypeError:  # no collection, or one of lists
        return None


def _near(given: Any, expected: Any, tol: float) -> bool:
    try:
        given, expected = np.asarray(given), np.asarray(expected)
    except ValueError:  # its parts differ in shape
        return False
    if given.shape != expected.shape or any(array.dtype.kind not in "biuf" for array in (given, expected)):
        return False
    with np.errstate(invalid="ignore"):
        near = np.abs(np.subtract(given, expected, dtype=float)) <= tol * np.abs(expected)
    return bool(np.all((given == expected) | near))


def _passes(test: Callable[[Any], bool], function: Any) -> bool:
    try:
        return bool(test(function))
    except NotImplementedError:
        raise
    except Exception:  # a test that breaks on a wrong function has noticed it
        return False


def _unchanged(who: str, given: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    for name, value in before.items():
        if not isinstance(value, np.ndarray):
            continue
        if not np.array_equal(given[name], value, equal_nan=value.dtype.kind in "fc"):
            raise Wrong(f"{who} changed its input {name}: {name} += … writes into it, {name} = {name} + … does not")
