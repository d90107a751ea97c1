"""Is a backward right? Each gradient against differences, and where one is wrong, what is likely to have happened.

What differences cannot judge (a forward that is random, changes its input or has a kink) is said first. The reasons
here are tried out: the backward is asked again with another dy, the differences are taken of a part of y. Reasons that
stand in the numbers alone are found in reasons.py.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from ..gradcheck import (
    Backward,
    Forward,
    analytic_gradients,
    both_gradients,
    kink_at,
    numerical_gradient,
    upstream,
    weighted_sum,
)
from .questions import Wrong, array_of, compare, guarded, message, unchanged

ROUNDING = 1e-10  # what differences make of a gradient that is exactly zero, such as a key's bias has, is less
SMALL = 400  # numbers of an argument: what is tried out takes several rounds of differences


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
    forward, backward = guarded("the forward", forward), guarded("the backward", backward)
    try:
        dy = upstream(forward, arrays)
    except (TypeError, ValueError) as error:
        raise Wrong(str(error)) from None
    gradients = _asked(forward, backward, arrays, dy)
    known = {said: analytic_gradients(forward, wrong, arrays) for said, wrong in (mistakes or {}).items()}
    numerics = {}
    for name, _, numeric in both_gradients(forward, lambda dy, cache: gradients, arrays):
        numerics[name] = np.zeros_like(numeric) if np.abs(numeric).max(initial=0) < ROUNDING else numeric
    case = _Case(forward, backward, arrays, dy, gradients, numerics)
    for i, (name, x) in enumerate(arrays.items()):
        wrongs = {said: wrong[i] for said, wrong in known.items()}
        if gradients[i].shape != x.shape:
            said = f"d{name}: the shape is {gradients[i].shape}, expected {x.shape}, that of {name}"
            raise Wrong(message(said, gradients[i], numerics[name], wrongs, why=lambda i=i: case.other_shape(i)))
        compare(gradients[i], numerics[name], f"d{name}", tol, wrongs, why=lambda i=i: case.same_shape(i))


def _asked(forward: Forward, backward: Backward, arrays: Mapping[str, np.ndarray], dy: np.ndarray) -> list[np.ndarray]:
    """What the backward says, as arrays: one for each argument, and none of what it was given is changed."""
    given = {name: x.copy() for name, x in arrays.items()}
    _, cache = forward(*given.values())
    given["dy"] = np.copy(dy)
    found = backward(given["dy"], cache)
    unchanged("the backward", given, {**arrays, "dy": dy})
    if found is None or found is ...:
        raise Wrong(f"the backward: there is no answer yet; it is {found!r}")
    found = tuple(found) if isinstance(found, tuple | list) else (found,)
    if len(found) != len(arrays):
        raise Wrong(f"the backward returns {len(found)}, expected a gradient for each of {', '.join(arrays)}")
    return [array_of(value, x.shape, f"d{name}") for value, (name, x) in zip(found, arrays.items(), strict=True)]


class _Case:
    """A backward that was asked, and what may be tried out to see why it is wrong."""

    def __init__(
        self,
        forward: Forward,
        backward: Backward,
        arrays: Mapping[str, np.ndarray],
        dy: np.ndarray,
        gradients: list[np.ndarray],
        numerics: Mapping[str, np.ndarray],
    ) -> None:
        self.forward, self.backward, self.arrays, self.dy = forward, backward, arrays, dy
        self.gradients, self.numerics, self.names = gradients, numerics, list(arrays)

    def other_shape(self, i: int) -> str | None:
        return self._order(i) or self._wrong_axes(i)

    def same_shape(self, i: int) -> str | None:
        reasons = self._kink, self._ignores_dy, self._order, self._shortcut, self._last_alone, self._wrong_axes
        return next((reason for question in reasons if (reason := question(i))), None)

    def _kink(self, i: int) -> str | None:
        name, actual = self.names[i], self.gradients[i]
        error = np.nan_to_num(np.abs(actual - self.numerics[name]), nan=np.inf)
        index = tuple(int(n) for n in np.unravel_index(np.argmax(error), error.shape))
        return kink_at(self.forward, self.arrays, name, index, actual)

    def _ignores_dy(self, i: int) -> str | None:
        again = _asked(self.forward, self.backward, self.arrays, 3 * self.dy)[i]
        if not _alike(again, self.gradients[i]) or not self.gradients[i].any():
            return None
        return (
            "It does not depend on dy: with three times the dy it is the same. By the chain rule it must be multiplied "
            "by the dy that comes from above, be it one number."
        )

    def _order(self, i: int) -> str | None:
        for (name, numeric), own in zip(self.numerics.items(), self.gradients, strict=True):
            exchanged = not _alike(own, numeric, 1e-6)  # else it is equal by chance, as those of x + b are
            if name != self.names[i] and exchanged and _alike(self.gradients[i], numeric, 1e-6):
                order = ", ".join(f"d{n}" for n in self.names)
                return f"This is d{name}: the gradients come in the order of the arguments, {order}."
        return None

    def _shortcut(self, i: int) -> str | None:
        """Of x + f(x), one of the two ways back."""
        numeric, actual = self.numerics[self.names[i]], self.gradients[i]
        if actual.shape == np.shape(self.dy) and _alike(numeric - self.dy, actual, 1e-6):
            return "What is missing is dy itself, that of a shortcut: the ways back are added, += and not =."
        return None

    def _last_alone(self, i: int) -> str | None:
        """A loop that writes where it should add leaves what came last."""
        name, y_shape = self.names[i], np.shape(self.dy)
        if self.arrays[name].size > SMALL:
            return None
        for axis, length in enumerate(y_shape):
            for place in {0, length - 1} if length > 1 else ():
                part = np.zeros_like(self.dy)
                at = (slice(None),) * axis + (place,)
                part[at] = self.dy[at]
                if _alike(self.gradients[i], self._numeric(name, part), 1e-6):
                    which = "first" if place == 0 else "last"
                    return f"Only the {which} index of y's axis {axis} counts: is = written where += is meant?"
        return None

    def _wrong_axes(self, i: int) -> str | None:
        """A parameter that is broadcast to y: its gradient is a sum over the other axes, and perhaps not over these."""
        name, y_shape = self.names[i], np.shape(self.dy)
        x, actual = self.arrays[name], self.gradients[i]
        count = len(y_shape) - x.ndim
        if count < 1 or self.dy.size > SMALL or x.shape != y_shape[count:]:
            return None
        each = self._each_place(name)
        for axes in combinations(range(len(y_shape)), count):
            wrong = axes != tuple(range(count))
            if wrong and each is not None and actual.shape == each.sum(axes).shape and _alike(each.sum(axes), actual):
                right = _axes(tuple(range(count)))
                return f"It is summed over {_axes(axes)} of y, expected over {right}: all but {name}'s own."
        return None

    def _each_place(self, name: str) -> np.ndarray | None:
        """What each place of y has to do with the parameter, (*y's shape); None where the forward wants it as it is."""
        full = {n: x.copy() for n, x in self.arrays.items()}
        full[name] = np.array(np.broadcast_to(self.arrays[name], np.shape(self.dy)))
        try:
            if np.shape(self.forward(*full.values())[0]) != np.shape(self.dy):
                return None
            return numerical_gradient(weighted_sum(self.forward, full, self.dy), full[name])
        except Exception:  # of a function that is the reader's, asked what it was not written for
            return None

    def _numeric(self, name: str, dy: np.ndarray) -> np.ndarray:
        moved = {n: x.copy() for n, x in self.arrays.items()}
        return numerical_gradient(weighted_sum(self.forward, moved, dy), moved[name])


def _axes(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _alike(a: Any, b: Any, tol: float = 1e-6) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tol * np.max(np.abs(b), initial=1e-300)))
