"""Is this gradient right? Central differences, the definition of a derivative, against what the backward returns.

    from minivit.gradcheck import gradcheck
    print(gradcheck(linear_forward, linear_backward, {"x": x, "weight": w, "bias": b}))

Works on any forward/backward pair of the form used in minivit.ops, yours included, and on a whole model.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

TOLERANCE = 1e-6

Forward = Callable[..., tuple[Any, Any]]  # y, cache = forward(*arguments)
Backward = Callable[..., Any]  # dx, … = backward(dy, cache)


@dataclass(frozen=True)
class Check:
    """One argument's gradient: analytic against numeric. `error` is the largest one, at `index`."""

    name: str
    shape: tuple[int, ...]
    error: float
    index: tuple[int, ...]
    analytic: float
    numeric: float
    tolerance: float = TOLERANCE
    note: str = ""  # why the numeric one, and not the analytic, may be what is wrong

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance  # false for NaN

    def __str__(self) -> str:
        line = f"{self.name:<42} {self.shape!s:<18} {self.error:8.1e}  {'ok' if self.ok else 'WRONG'}"
        if self.ok:
            return line
        note = f"\n{self.note}" if self.note else ""
        return f"{line} at {self.index}: analytic {self.analytic:.9g}, numeric {self.numeric:.9g}{note}"


@dataclass(frozen=True)
class Report:
    """A check for each argument: `print(report)` is a table, `.ok` is the verdict, `.error` the largest error."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def error(self) -> float:
        return float(np.max([check.error for check in self.checks]))  # np.max: a NaN stays one

    def __str__(self) -> str:
        return "\n".join([f"{'argument':<42} {'shape':<18} {'error':>8}", *map(str, self.checks)])


def numerical_gradient(f: Callable[[], float], x: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """∂f/∂x for every element of x, where f() reads x: each is moved in place by ±h and ±2h, and put back.

    The four-point stencil (8 (f(+h) − f(−h)) − (f(+2h) − f(−2h))) / 12h has an error of order h⁴, where the two-point
    one has h²; so h can be large enough that rounding, of order 1e-16/h, stays small too. x must be float64.
    """
    if x.dtype != np.float64:
        raise TypeError(
            f"x is {x.dtype}, expected float64: the differences would drown in the rounding of anything less"
        )
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        centre = x[index]
        near, far = (_difference(f, x, index, centre, h) for h in (step, 2 * step))
        x[index] = centre
        gradient[index] = (8 * near - far) / (12 * step)
    return gradient


def compare(
    name: str, analytic: np.ndarray, numeric: np.ndarray, tolerance: float = TOLERANCE, floor: float = 1e-8
) -> Check:
    """The largest relative error |a − n| / max(floor, |a| + |n|) over all elements. The shapes must be equal."""
    _check_shapes(name, analytic, numeric)
    error = np.abs(analytic - numeric) / np.maximum(floor, np.abs(analytic) + np.abs(numeric))
    return _check(name, analytic, numeric, error, tolerance)


def compare_scaled(name: str, analytic: np.ndarray, numeric: np.ndarray, tolerance: float = TOLERANCE) -> Check:
    """As `compare`, but each error relative to the tensor's largest gradient: for tensors whose elements differ in size
    by so much that the smallest are all rounding, such as a model's at its initialisation."""
    _check_shapes(name, analytic, numeric)
    largest = np.fmax.reduce(np.abs(analytic), axis=None, initial=1e-300)  # fmax: a NaN spoils its own error only
    error = np.abs(analytic - numeric) / largest
    return _check(name, analytic, numeric, error, tolerance)


def compare_zero(name: str, analytic: np.ndarray, numeric: np.ndarray, tolerance: float = 1e-10) -> Check:
    """For a gradient that theory says is exactly zero: the error is the larger of the two numbers themselves."""
    _check_shapes(name, analytic, numeric)
    return _check(name, analytic, numeric, np.maximum(np.abs(analytic), np.abs(numeric)), tolerance)


def gradcheck(
    forward: Forward,
    backward: Backward,
    arguments: Mapping[str, np.ndarray],
    *,
    seed: int = 0,
    step: float = 1e-3,
    tolerance: float = TOLERANCE,
    floor: float = 1e-6,
) -> Report:
    """Check every gradient of a pair: `y, cache = forward(*arguments)` and `gradients = backward(dy, cache)`.

    arguments: float64 arrays by name, in the forward's order, all of them differentiated and looked at element by
    element (so keep them small); bind anything else with functools.partial or a lambda. The upstream gradient dy is
    random of order one: with ones, errors that cancel in the sum would stay hidden. A gradient smaller than `floor` is
    held to floor · tolerance: where it is exactly zero, the difference is rounding, 1e-13 or so, and not zero.
    Raises TypeError or ValueError for what no differences can judge: a forward that returns no pair, that changes its
    input, or that is random. Where the forward has a kink, the check that fails says so.
    """
    checks = []
    for name, analytic, numeric in both_gradients(forward, backward, arguments, seed, step):
        check = compare(name, analytic, numeric, tolerance, floor)
        if not check.ok and (kink := kink_at(forward, arguments, name, check.index, analytic, seed, step)):
            check = replace(check, note=kink)
        checks.append(check)
    return Report(tuple(checks))


def both_gradients(
    forward: Forward, backward: Backward, arguments: Mapping[str, np.ndarray], seed: int = 0, step: float = 1e-3
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, analytic and numeric gradient of each argument, for `gradcheck` to compare.

    Gradients that are None are passed over, and so is what the backward returns beyond the arguments.
    """
    gradients, dy = _gradients(forward, backward, arguments, seed)
    arguments = _copies(arguments)  # ours to move
    for (name, x), analytic in zip(arguments.items(), gradients, strict=False):
        yield name, analytic, numerical_gradient(weighted_sum(forward, arguments, dy), x, step)


def analytic_gradients(
    forward: Forward, backward: Backward, arguments: Mapping[str, np.ndarray], seed: int = 0
) -> list[np.ndarray]:
    """Those of `both_gradients` that the backward returns, without the numeric ones, which take most of the time."""
    return _gradients(forward, backward, arguments, seed)[0]


def upstream(forward: Forward, arguments: Mapping[str, np.ndarray], seed: int = 0) -> np.ndarray:
    """The random dy, of the shape of y, after the forward has been looked at. Raises TypeError or ValueError for one
    that returns no pair, changes its input, or is random: what differences say of it means nothing."""
    return _looked_at(forward, arguments, seed)[0]


def weighted_sum(forward: Forward, arguments: Mapping[str, np.ndarray], dy: np.ndarray) -> Callable[[], float]:
    """Σ y · dy as a function of the arguments as they are when it is called: its gradients are what is checked."""
    return lambda: float(np.sum(forward(*arguments.values())[0] * dy))


def kink_at(
    forward: Forward,
    arguments: Mapping[str, np.ndarray],
    name: str,
    index: tuple[int, ...],
    analytic: np.ndarray,
    seed: int = 0,
    step: float = 1e-3,
) -> str | None:
    """A sentence where the forward has a kink there, or so near that the differences reach over it; else None."""
    arguments = _copies(arguments)
    f, x = weighted_sum(forward, arguments, upstream(forward, arguments, seed)), arguments[name]
    h, centre, here = 1e-3 * step, x[index], f()
    x[index] = centre + h
    right = (f() - here) / h
    x[index] = centre - h
    left = (here - f()) / h
    size = max(abs(left), abs(right), 1e-300)
    if not np.isfinite([left, right]).all():
        return None
    if abs(right - left) > 1e-2 * size:
        return (
            f"At {name}{list(index)} = {centre:.6g} the forward has a kink: the slope is {left:.6g} on the left, "
            f"{right:.6g} on the right. Check it at a point without one."
        )
    if abs(analytic[index] - (left + right) / 2) < 1e-4 * size:
        return (
            f"Near {name}{list(index)} = {centre:.6g}, nearer than the step {step:g}, the forward has a kink: the "
            "backward is right there, and the differences are not. Check it at a point without one."
        )
    return None


def _gradients(
    forward: Forward, backward: Backward, arguments: Mapping[str, np.ndarray], seed: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """What the backward makes of a random dy, and this dy."""
    dy, cache = _looked_at(forward, arguments, seed)
    gradients = backward(np.copy(dy), cache)
    gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
    gradients = [gradient for gradient in gradients if gradient is not None]
    if len(gradients) < len(arguments):
        raise ValueError(f"the backward returned {len(gradients)} gradients, expected one for each of {[*arguments]}")
    return gradients, dy


def _looked_at(forward: Forward, arguments: Mapping[str, np.ndarray], seed: int) -> tuple[np.ndarray, Any]:
    """A random dy, and the cache of a forward that differences can judge."""
    given = _copies(arguments)
    y, cache = _pair(forward(*given.values()))
    for name, value in given.items():
        if not np.array_equal(value, arguments[name], equal_nan=value.dtype.kind in "fc"):
            raise ValueError(
                f"the forward changed its input {name}: {name} += … writes into it, {name} = {name} + … does not"
            )
    if np.asarray(y).dtype.kind not in "fiub":
        raise TypeError(f"the forward's y is {type(y).__name__}, expected an array of real numbers")
    again = _pair(forward(*_copies(arguments).values()))[0]
    if not np.array_equal(y, again, equal_nan=True):
        raise ValueError(
            "the forward is random: two calls with the same arguments differ. Draw its random numbers once, outside, "
            "or from a generator that it makes anew from a seed in each call"
        )
    # A sequence of its own: default_rng(seed) may be what the caller drew x from, and with dy = x a norm's dx is zero,
    # the right one and many a wrong one.
    return np.random.default_rng((1847, seed)).standard_normal(np.shape(y)), cache


def _pair(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"the forward returns {type(value).__name__}, expected the pair (y, cache)")
    return value


def _copies(arguments: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    if not isinstance(arguments, Mapping):
        raise TypeError(f"arguments are a {type(arguments).__name__}, expected a dict of arrays by name: {{'x': x, …}}")
    return {name: np.array(value) for name, value in arguments.items()}


def _difference(f: Callable[[], float], x: np.ndarray, index: tuple[int, ...], centre: float, h: float) -> float:
    x[index] = centre + h
    plus = f()
    x[index] = centre - h
    return plus - f()


def _check_shapes(name: str, analytic: np.ndarray, numeric: np.ndarray) -> None:
    if np.shape(analytic) != np.shape(numeric):
        raise ValueError(f"the gradient of {name} has shape {np.shape(analytic)}, expected {np.shape(numeric)}")


def _check(name: str, analytic: np.ndarray, numeric: np.ndarray, error: np.ndarray, tolerance: float) -> Check:
    index = np.unravel_index(int(np.argmax(error)), np.shape(error))  # argmax finds a NaN first
    place = tuple(int(i) for i in index)
    shape = np.shape(analytic)
    return Check(name, shape, float(error[place]), place, float(analytic[place]), float(numeric[place]), tolerance)
