"""Is a prediction right? A number, a word, a truth value, a tuple or a set, in whatever form somebody writes it."""

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from ..messages import say, short
from .questions import Wrong, answered


def answer(
    given: Any, expected: Any, name: str = "your answer", *, tol: float = 0.0, reasons: Mapping[Any, str] | None = None
) -> None:
    """A prediction: a number, a word, a truth value, a tuple of numbers or a set. The right one is not told.

    tol: how far off a number may be, relative to the right one. reasons: what to say to a particular wrong answer, or
    to one as near to it.
    """
    told, given = given, _read(answered(given, name), expected)
    if isinstance(expected, str):
        right = isinstance(given, str) and _word(given) == _word(expected)
    elif isinstance(expected, (set, frozenset)):
        right = _set(given) == expected
    else:
        right = _near(given, expected, tol)
    if not right:
        known = (said for wrong, said in (reasons or {}).items() if _same(wrong, given, tol))
        said = next(known, f"think again{_manner(given, expected)}")
        raise Wrong(f"{name}: {short(told)} is not right: {said}")
    say(f"{name}: {short(told)} ok")


def _manner(given: Any, expected: Any) -> str:
    """What is wrong with how an answer is given, whatever it says."""
    if isinstance(expected, str | bool | np.bool_ | set | frozenset) or np.shape(expected):
        return ""
    try:
        alone, kind = np.shape(given) == (), np.asarray(given).dtype.kind
    except ValueError:  # its parts differ in shape
        return ": one number is asked for"
    if not alone or kind not in "biuf":
        return ": one number is asked for" + (", without words" if isinstance(given, str) else "")
    near = 0 < abs(float(given) - float(expected)) <= 3e-3 * abs(expected)
    return ": it is near, and all digits count" if near else ""


def _same(wrong: Any, given: Any, tol: float) -> bool:
    for kind in (str, set | frozenset):
        if isinstance(wrong, kind) or isinstance(given, kind):
            return isinstance(wrong, kind) and isinstance(given, kind) and _word(wrong) == _word(given)
    return _near(given, wrong, tol)


def _word(given: Any) -> Any:
    return " ".join(given.lower().split()).strip(" .!'\"") if isinstance(given, str) else given


def _read(given: Any, expected: Any) -> Any:
    """The answer as the kind that is asked for: Fraction(1, 7), Decimal("0.5"), "1 / 7" and "yes" say as much as a
    number or a truth value does."""
    if isinstance(given, Fraction | Decimal):
        return float(given)
    if isinstance(given, tuple | list):
        return type(given)(_read(part, expected) for part in given)
    if not isinstance(given, str) or isinstance(expected, str | set | frozenset) or len(given) > 200:
        return given
    word = _word(given)
    if isinstance(expected, bool | np.bool_):
        return {"true": True, "yes": True, "false": False, "no": False}.get(word, given)
    if word[:1] in ("(", "[") and word[-1:] in (")", "]"):
        return tuple(_read(part, expected) for part in word[1:-1].split(",") if part.strip())
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", word):  # 12,345
        word = word.replace(",", "")
    try:
        return float(Fraction(word.replace("−", "-").replace(" ", "")))
    except (ValueError, ZeroDivisionError, OverflowError):
        return given


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
