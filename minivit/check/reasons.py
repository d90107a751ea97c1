"""Why is this array not that one? The mistakes that people make with arrays leave traces in the numbers.

`likely_reason` asks a list of questions, the most telling first; each answers with a sentence or with None.
"""

import numpy as np

from .traces import divided, normalised, projected, scores

PAIR = "Is [0] missing? A forward returns (result, cache)."
SMALL = 100_000  # elements: what is sorted or permuted is no larger


def likely_reason(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """What probably went wrong where `actual` is not `expected`, in a sentence; None where nothing is recognised."""
    if not np.isfinite(expected).all():
        return None
    questions = _SAME_SHAPE if actual.shape == expected.shape else _OTHER_SHAPE
    with np.errstate(all="ignore"):
        return next((reason for reason in (question(actual, expected) for question in questions) if reason), None)


def _not_finite(actual: np.ndarray, expected: np.ndarray) -> str | None:
    bad = int(np.sum(~np.isfinite(actual)))
    if bad:
        return f"{bad:,} are not finite: division by zero, the exponential of a large number, or a variable never set?"
    return None


def _zero(actual: np.ndarray, expected: np.ndarray) -> str | None:
    return "All are zero: does anything reach this array?" if not actual.any() and expected.any() else None


def _sums(actual: np.ndarray, expected: np.ndarray) -> str | None:
    if not expected.ndim or not _ones(expected.sum(-1)) or (expected < 0).any() or _ones(actual.sum(-1)):
        return None
    if _ones(expected.max(-1)):  # one-hot: no softmax made it
        return None
    if actual.ndim > 1 and _ones(actual.sum(-2)):
        return "Columns sum to 1, not rows: the softmax runs over the wrong axis."
    if reason := divided(actual, expected):
        return reason
    worst = actual.sum(-1).flat[np.argmax(np.abs(actual.sum(-1) - 1))]
    return f"Rows sum to {worst:.3g}, expected 1: is the softmax over the last axis?"


def _factor(actual: np.ndarray, expected: np.ndarray) -> str | None:
    size = float(np.sum(expected * expected))
    factor = float(np.sum(actual * expected)) / size if size else 0.0
    if expected.size < 2 or factor == 0 or not _alike(actual, factor * expected, 1e-4):
        return None
    if abs(factor + 1) < 1e-4:
        return "Every number has the wrong sign."
    times = f"{factor:.4g}" if abs(factor) >= 1 else f"{factor:.4g}, that is 1/{1 / factor:.4g}"
    return f"Every number is what it should be times {times}: a factor is missing, or there is one too many."


def _offset(actual: np.ndarray, expected: np.ndarray) -> str | None:
    shift = float(np.mean(actual - expected))
    if expected.size > 1 and _alike(actual - shift, expected):
        return f"Every number is off by the same {shift:.4g}: something is added that should not be, or forgotten."
    return None


def _transposed(actual: np.ndarray, expected: np.ndarray) -> str | None:
    for first in range(actual.ndim):
        for second in range(first + 1, actual.ndim):
            other = actual.swapaxes(first, second)
            if other.shape == expected.shape and _alike(other, expected):
                return f"Axes {first} and {second} are exchanged: a transpose is missing, or there is one too many."
    return None


def _where(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """Is the mistake confined to one index, or is one index alone right?"""
    wrong = np.abs(actual - expected) > 1e-6 * np.max(np.abs(expected), initial=1e-300)
    by_axis = [wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis)) for axis in range(wrong.ndim)]
    for axis, along in enumerate(by_axis):
        if len(along) > 2 and along.sum() == 1:
            return f"Only index {int(np.argmax(along))} of axis {axis} is wrong; the others are right."
    for axis, along in enumerate(by_axis):
        if wrong.ndim > 1 and len(along) > 1 and along.sum() == len(along) - 1:  # one number may be right by chance
            right = int(np.argmin(along))
            return f"Only index {right} of axis {axis} is right: what is different about the others?"
    return None


def _precision(actual: np.ndarray, expected: np.ndarray) -> str | None:
    if _alike(actual, expected, 6e-4):
        return "It is nearly right: was something computed in float32, or is an ε missing or in another place?"
    return None


def _order(actual: np.ndarray, expected: np.ndarray) -> str | None:
    if actual.size > SMALL or actual.size < 2 or not _alike(np.sort(actual, None), np.sort(expected, None)):
        return None
    for axis in range(actual.ndim):
        rows, others = (_sorted_rows(array, axis) for array in (actual, expected))
        if actual.ndim > 1 and _alike(rows, others):
            return f"The slices are right, but in another order along axis {axis}."
    if np.unique(expected).size < 3:  # two masks may have as many ones by chance
        return None
    return "The numbers are right, but in other places: is it reshaped where it should be transposed first?"


def _rows_scaled(actual: np.ndarray, expected: np.ndarray) -> str | None:
    if expected.ndim < 2 or expected.shape[-1] < 3:
        return None
    centred, wanted = (a - a.mean(-1, keepdims=True) for a in (actual, expected))
    if _alike(centred, wanted):
        return "Each row is off by a number of its own: is a mean over the last axis missing, or taken twice?"
    size = np.sum(expected * expected, -1, keepdims=True)
    if size.all() and _alike(actual, np.sum(actual * expected, -1, keepdims=True) / size * expected, 1e-5):
        return "Each row is right but for a factor of its own: is it normalised over the wrong axis, or not at all?"
    return None


def _pair(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """A pair that was computed with as if it were an array: softmax_forward(S) @ v."""
    if actual.shape == (2, *expected.shape) and (_alike(actual[0], expected) or _alike(actual[0], actual[1])):
        return PAIR
    return None


def _summed(actual: np.ndarray, expected: np.ndarray) -> str | None:
    if actual.ndim <= expected.ndim:
        return None
    for axes in _leading(actual.ndim, actual.ndim - expected.ndim):
        if actual.sum(axes).shape == expected.shape:
            said = "axis " + str(axes[0]) if len(axes) == 1 else f"axes {axes}"
            there = f"There {'is 1 axis' if actual.ndim == 1 else f'are {actual.ndim} axes'}, not {expected.ndim}"
            return f"{there}: is a sum over {said} (images, tokens) missing?"
    return None


def _unsummed(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """The sum's axis was to be kept, as in (1, N, D), and has its full length."""
    if actual.ndim != expected.ndim:
        return None
    off = [i for i, (a, e) in enumerate(zip(actual.shape, expected.shape, strict=True)) if a != e]
    if len(off) == 1 and expected.shape[off[0]] == 1 and actual.shape[off[0]] > 1:
        return f"Axis {off[0]} has length {actual.shape[off[0]]}, not 1: is a sum over it missing (images, tokens)?"
    return None


def _kept(actual: np.ndarray, expected: np.ndarray) -> str | None:
    if tuple(n for n in actual.shape if n != 1) == tuple(n for n in expected.shape if n != 1):
        return "The shapes differ in axes of length 1 alone: keepdims=True?"
    return None


def _exchanged(actual: np.ndarray, expected: np.ndarray) -> str | None:
    if sorted(actual.shape) == sorted(expected.shape):
        return _transposed(actual, expected) or "The axes are in another order: a transpose?"
    return None


def _fewer(actual: np.ndarray, expected: np.ndarray) -> str | None:
    if actual.size == expected.size:
        return "The number of elements is right: a reshape is missing, or there is one too many."
    if actual.ndim != expected.ndim:
        return None
    off = [(i, a, e) for i, (a, e) in enumerate(zip(actual.shape, expected.shape, strict=True)) if a != e]
    if len(off) == 1 and abs(off[0][1] - off[0][2]) == 1:
        return f"Axis {off[0][0]} is off by one: is the class token counted where it should not be, or forgotten?"
    return None


_SAME_SHAPE = (
    _not_finite,
    _zero,
    _precision,
    _factor,
    _transposed,
    _sums,
    scores,
    normalised,
    _where,
    _offset,
    _order,
    _rows_scaled,
    projected,
)
_OTHER_SHAPE = (_pair, _kept, _exchanged, _summed, _unsummed, _fewer)


def _alike(a: np.ndarray, b: np.ndarray, tol: float = 1e-6) -> bool:
    largest = np.max(np.abs(b), initial=0.0)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tol * largest))


def _ones(sums: np.ndarray) -> bool:
    return bool(np.all(np.abs(sums - 1) < 1e-5))


def _sorted_rows(array: np.ndarray, axis: int) -> np.ndarray:
    rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    return rows[np.lexsort(rows.T[::-1])]


def _leading(ndim: int, count: int) -> list[tuple[int, ...]]:
    """`count` axes in a row, the first ones first."""
    return [tuple(range(start, start + count)) for start in range(ndim - count + 1)]
