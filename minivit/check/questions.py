"""What an exercise calls: is it right, and if not, where is it wrong, and what is the likely reason?

    from minivit import check
    check.shape(patches, (2, 49, 16))
    check.close(patches, expected, "patches")
    check.grad(my_forward, my_backward, {"x": x, "gamma": gamma})

Each prints a line where all is well and raises `Wrong` where it is not. The reasons are found in reasons.py.
"""

import os
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..messages import say
from .reasons import PAIR, likely_reason

UNANSWERED = (None, ..., NotImplemented)
PATIENCE = 20  # seconds, after which a learner's kernel is taken for an endless loop


class Wrong(AssertionError):
    """An answer that is not right. A notebook shows the message alone, without the path through our code."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def shape(array: Any, expected: tuple[int, ...], name: str = "shape") -> None:
    """`array` must have this shape."""
    actual = array_of(array, tuple(expected), name).shape
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
    compare(array_of(actual, expected.shape, name), expected, name, tol, mistakes)


def compare(
    actual: np.ndarray,
    expected: np.ndarray,
    name: str,
    tol: float,
    mistakes: Mapping[str, Any] | None = None,
    why: Callable[[], str | None] | None = None,
) -> None:
    """`close`, of two arrays. why: asked for a reason before the numbers are."""
    if actual.dtype.kind == "c":
        raise Wrong(f"{name}: the array is complex, expected real numbers: take .imag or .real")
    if actual.dtype.kind == "O":
        actual = _floats(actual, name)
    if actual.dtype.kind not in "biuf":
        kind = type(next(iter(actual.ravel().tolist()), None)).__name__
        raise Wrong(f"{name}: expected {'an array of numbers' if actual.ndim else 'a number'}, got {kind}")
    actual = actual.astype(np.float64)  # bools have no difference, and that of small integers wraps around
    if actual.shape != expected.shape:
        said = f"{name}: the shape is {actual.shape}, expected {expected.shape}"
        raise Wrong(message(said, actual, expected, mistakes))
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
        raise Wrong(message(f"{said}{expected[index]:.6g}", actual, expected, mistakes, allowed, why))
    say(f"{line} ok")


def call(function: Callable[..., Any], /, **arguments: Any) -> Any:
    """function(*arguments), which must leave the arrays given as they are: what is expected may be made of them."""
    given = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}
    result = guarded("your function", function)(*given.values())
    unchanged("your function", given, arguments)
    return result


def pair(function: Callable[..., Any], /, **arguments: Any) -> tuple[Any, Any]:
    """As `call`, for a function that returns (y, cache)."""
    return _pair(call(function, **arguments), "your function")


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
    at_most: Mapping[str, int | tuple[int, str]] | None = None,
    mistakes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """A kernel of the emulator must be free of races, wrong addresses and other mistakes, and compute what is expected.

    expected: by the name of the kernel's parameter, what that array must hold afterwards. at_most: limits to what it
    asks of the memory, by the name of a number in `kernel.profile(…).total`: sectors, requests, conflicts, …; with the
    likely reason why it asks for more, (26, "Do neighbours read neighbours?"), where one is known.
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
        for name, allowed in at_most.items():
            limit, reason = allowed if isinstance(allowed, tuple) else (allowed, "")
            counted = getattr(total, name)
            if counted > limit:
                said = f"{name}: {counted:,}, expected at most {limit:,}. kernel.profile(…) counts line by line"
                raise Wrong(f"{said}\n{reason}" if reason else said)
            say(f"{name}  {counted:,} (at most {limit:,}) ok")


def message(
    said: str,
    actual: np.ndarray,
    expected: np.ndarray,
    mistakes: Mapping[str, Any] | None = None,
    allowed: float = 1e-9,
    why: Callable[[], str | None] | None = None,
) -> str:
    """What was said, and under it a known mistake that gives this, or the likely reason."""
    for name, wrong in (mistakes or {}).items():
        if np.shape(wrong) == actual.shape and np.allclose(
            actual, wrong, rtol=1e-6, atol=max(allowed, 1e-9), equal_nan=True
        ):
            return f"{said}.\n{name}"
    reason = (why() if why else None) or likely_reason(actual, expected)
    return f"{said}.\n{reason}" if reason else f"{said}."


def answered(value: Any, name: str) -> Any:
    if any(value is nothing for nothing in UNANSWERED):
        raise Wrong(f"{name}: there is no answer yet; it is {value!r}")
    return value


def _pair(value: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise Wrong(f"{name} returns {type(value).__name__}, expected the pair (y, cache)")
    return value


def array_of(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """An answer as an array. A pair is none, unless it makes one of the `shape` that is expected."""
    try:
        array = np.asarray(answered(value, name))
    except ValueError:  # its parts differ in shape
        array = None
    if isinstance(value, tuple) and len(value) == 2 and (array is None or array.shape != shape):
        raise Wrong(f"{name}: expected an array, got a pair. {PAIR}")
    if array is None:
        raise Wrong(f"{name}: expected an array, got a {type(value).__name__} whose parts differ in shape")
    return array


def _floats(array: np.ndarray, name: str) -> np.ndarray:
    """Fraction, Decimal and their like say as much as a float does. None is what a function without return gives."""
    missing = [value for value in array.flat if any(value is nothing for nothing in UNANSWERED)]
    if missing:
        raise Wrong(f"{name}: expected numbers, and one is {missing[0]!r}: does your function return its result?")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):  # something else
        return array


def _passes(test: Callable[[Any], bool], function: Any) -> bool:
    try:
        return bool(test(function))
    except NotImplementedError:
        raise
    except Exception:  # a test that breaks on a wrong function has noticed it
        return False


def guarded(who: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The reader's function, whose exceptions become sentences that name the line; NotImplementedError is its own."""

    def asked(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (Wrong, NotImplementedError):
            raise
        except Exception as error:  # whatever the learner's own code raises
            raise Wrong(f"{who} fails with {type(error).__name__}: {error}{_place(error)}") from error

    return asked


def _place(error: Exception) -> str:
    """The last line of the reader's own on the way to an exception."""
    library = os.path.dirname(os.path.dirname(__file__)), os.path.dirname(np.__file__)
    own = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(library)]
    if not own:
        return ""
    return f"\nin line {own[-1].lineno} of {own[-1].name}" + (f": {own[-1].line}" if own[-1].line else "")


def unchanged(who: str, given: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    for name, value in before.items():
        if not isinstance(value, np.ndarray):
            continue
        if not np.array_equal(given[name], value, equal_nan=value.dtype.kind in "fc"):
            raise Wrong(f"{who} changed its input {name}: {name} += … writes into it, {name} = {name} + … does not")
