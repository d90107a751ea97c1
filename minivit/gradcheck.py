"""Is this gradient right? Central differences, the definition of a derivative, against what the backward returns.

    from minivit.gradcheck import gradcheck
    print(gradcheck(linear_forward, linear_backward, {"x": x, "weight": w, "bias": b}))

Works on any forward/backward pair of the form used in minivit.ops, yours included, and on a whole model.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance  # false for NaN

    def __str__(self) -> str:
        line = f"{self.name:<42} {self.shape!s:<18} {self.error:8.1e}  {'ok' if self.ok else 'WRONG'}"
        if self.ok:
            return line
        return f"{line} at {self.index}: analytic {self.analytic:.9g}, numeric {self.numeric:.9g}"


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
    """
    gradients = both_gradients(forward, backward, arguments, seed, step)
    return Report(tuple(compare(*gradient, tolerance, floor) for gradient in gradients))


def both_gradients(
    forward: Forward, backward: Backward, arguments: Mapping[str, np.ndarray], seed: int = 0, step: float = 1e-3
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, analytic and numeric gradient of each argument, for `gradcheck` to compare.

    Gradients that are None are passed over, and so is what the backward returns beyond the arguments.
    """
    arguments = {name: np.array(value) for name, value in arguments.items()}  # ours to move
    gradients, dy = _gradients(forward, backward, arguments, seed)
    for (name, x), analytic in zip(arguments.items(), gradients, strict=False):
        yield name, analytic, numerical_gradient(lambda: float(np.sum(forward(*arguments.values())[0] * dy)), x, step)


def analytic_gradients(
    forward: Forward, backward: Backward, arguments: Mapping[str, np.ndarray], seed: int = 0
) -> list[np.ndarray]:
    """Those of `both_gradients` that the backward returns, without the numeric ones, which take most of the time."""
    return _gradients(forward, backward, arguments, seed)[0]


def _gradients(
    forward: Forward, backward: Backward, arguments: Mapping[str, np.ndarray], seed: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """What the backward makes of a random dy, and this dy."""
    y, cache = forward(*arguments.values())
    # A sequence of its own: default_rng(seed) may be what the caller drew x from, and with dy = x a norm's dx is zero,
    # the right one and many a wrong one.
    dy = np.random.default_rng((1847, seed)).standard_normal(np.shape(y))
    gradients = backward(dy, cache)
    gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
    gradients = [gradient for gradient in gradients if gradient is not None]
    if len(gradients) < len(arguments):
        raise ValueError(f"the backward returned {len(gradients)} gradients, expected one for each of {[*arguments]}")
    return gradients, dy


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
