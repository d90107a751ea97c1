"""The checks of one value each that configurations share: they return Python's own number, or say what is wrong."""

import math
from collections.abc import Callable
from numbers import Real

import numpy as np


def positive_int(name: str, value: object) -> int:
    """`value` as a Python int of at least 1. `name` is what the error calls it."""
    return whole_number(name, value, least=1)


def whole_number(name: str, value: object, least: int) -> int:
    """`value` as a Python int of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {value!r}, expected a whole number")
    if value.__index__() < least:
        raise ValueError(f"{name} is {value!r}, expected at least {least}")
    return value.__index__()


def finite_float(name: str, value: object, expected: str, fits: Callable[[float], bool]) -> float:
    """`value` as a Python float that is finite and `fits`. A NumPy float64 would make float64 of float32 arrays."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}, expected a number")
    if not (math.isfinite(value) and fits(float(value))):
        raise ValueError(f"{name} is {value!r}, expected {expected}")
    return float(value)


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, allowed))}")


def truth(name: str, value: object) -> None:
    """Raise TypeError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}, expected True or False")


def as_tuple(value: object) -> tuple:
    """One value, or several in a tuple, a list or an array, as a tuple."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def as_pair(name: str, value: object) -> tuple[int, int]:
    """An int, or a pair in a tuple, a list or an array, as (height, width) of at least 1. `name`: for the errors."""
    pair = as_tuple(value)
    if len(pair) not in (1, 2):
        raise ValueError(f"{name} is {value!r}, expected an int or a pair (height, width)")
    height, width = (positive_int(name, side) for side in (pair * 2)[:2])
    return height, width
