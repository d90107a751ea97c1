"""What configurations share: what is asked of each, and the checks of one value each, which return Python's own number,
or say what is wrong."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, Protocol, Self

import numpy as np

from ..messages import choices, short

FILTERS = ("bicubic", "bilinear")
MOST_STAGES = 8  # of a ResNet or a pyramid; each doubles the channels
# A configuration may come from a stranger's small file, and must not fill the memory by itself.
MOST_NUMBERS = 2**26  # height · width · C of one image: 4,700 x 4,700 in colour
MOST_SCORES = 2**30  # of all heads of one layer's attention in one image: 4 GiB
MOST_OFFSETS = 2**25  # N² of relative positions: 76 x 76 patches


class Description(Protocol):
    """What files and their checks ask of any model's configuration."""

    @property
    def parts(self) -> int: ...  # at most so many as the model has parameters: else a file is not what it says
    @property
    def summary(self) -> str: ...  # for people
    def to_dict(self) -> dict: ...  # for JSON


class Configuration(Description, Protocol):
    """What the rest of the house asks of the configuration of a model of images, whichever architecture it is of."""

    @classmethod
    def from_name(cls, name: str, **changes: Any) -> Self: ...  # a published model's
    @property
    def image_shape(self) -> tuple[int, int, int]: ...  # (height, width, C)
    @property
    def classes(self) -> int: ...
    @property
    def image_mean(self) -> float | tuple[float, ...]: ...
    @property
    def image_std(self) -> float | tuple[float, ...]: ...
    @property
    def tokens(self) -> int: ...  # of one image, where they are most: how many images a thread takes follows from it


def positive_int(name: str, value: object) -> int:
    """`value` as a Python int of at least 1. `name` is what the error calls it."""
    return whole_number(name, value, least=1)


def whole_number(name: str, value: object, least: int) -> int:
    """`value` as a Python int of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {short(value)}, expected a whole number")
    if value.__index__() < least:
        raise ValueError(f"{name} is {short(value)}, expected at least {least}")
    return value.__index__()


def finite_float(name: str, value: object, expected: str, fits: Callable[[float], bool]) -> float:
    """`value` as a Python float that is finite and `fits`. A NumPy float64 would make float64 of float32 arrays."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {short(value)}, expected a number")
    try:
        number = float(value)
    except OverflowError:  # a whole number of 400 digits
        number = math.inf
    if not (math.isfinite(number) and fits(number)):
        raise ValueError(f"{name} is {short(value)}, expected {expected}")
    return number


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {short(value)}, {choices(value, allowed)}")


def truth(name: str, value: object) -> None:
    """Raise TypeError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {short(value)}, expected True or False")


def as_tuple(value: object) -> tuple:
    """One value, or several in a tuple, a list or an array, as a tuple."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def as_pair(name: str, value: object) -> tuple[int, int]:
    """An int, or a pair in a tuple, a list or an array, as (height, width) of at least 1. `name`: for the errors."""
    pair = as_tuple(value)
    if len(pair) not in (1, 2):
        raise ValueError(f"{name} is {short(value)}, expected an int or a pair (height, width)")
    height, width = (positive_int(name, side) for side in (pair * 2)[:2])
    return height, width


def stages(name: str, value: object, expected: str, least: int = 1) -> tuple[int, ...]:
    """A whole number of at least `least` for each stage of a model. expected: what the error asks for, in words."""
    if not isinstance(value, tuple | list):
        raise TypeError(f"{name} is {short(value)}, expected {expected}")
    if len(value) > MOST_STAGES:
        raise ValueError(f"{name} has {len(value)} stages, expected at most {MOST_STAGES}")
    return tuple(whole_number(name, number, least) for number in value)


def positive_floats(name: str, value: object) -> tuple[float, ...]:
    """A positive number for each stage of a model."""
    if not isinstance(value, tuple | list):
        raise TypeError(f"{name} is {short(value)}, expected a number for each stage, such as (8, 8, 4, 4)")
    return tuple(finite_float(name, number, "positive numbers", lambda number: number > 0) for number in value)


def one_a_stage(config: Any, *names: str) -> None:
    """Raise ValueError unless these fields have a number for each stage, of which there is at least one."""
    counts = {name: len(getattr(config, name)) for name in names}
    if min(counts.values()) < 1 or len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise ValueError(f"expected a number of each for every stage, at least one, but {told}")


def check_eyes(config: Any) -> None:
    """What every configuration has of a model that looks at images: their size, patches (where all have
    one size), channels, classes, and how a photograph becomes the input. Whatever is given, a frozen configuration has
    Python's own values afterwards."""
    put(config, as_pair, *(name for name in ("image_size", "patch_size") if hasattr(config, name)))
    put(config, positive_int, "channels")
    if math.prod(config.image_size) * config.channels > MOST_NUMBERS:
        height, width = config.image_size
        raise ValueError(
            f"image_size is {short(height)} x {short(width)} pixels of {short(config.channels)} channels, expected at "
            f"most {MOST_NUMBERS:,} numbers an image"
        )
    put(config, lambda name, value: whole_number(name, value, least=0), "classes")
    one_of("resize_filter", config.resize_filter, FILTERS)
    truth("squeeze", config.squeeze)
    put_float(config, "a fraction in (0, 1]", lambda crop: 0 < crop <= 1, "crop")
    for name, expected, fits in (
        ("image_mean", "finite numbers", lambda mean: True),
        ("image_std", "positive numbers", lambda std: std > 0),
    ):
        values = tuple(finite_float(name, value, expected, fits) for value in as_tuple(getattr(config, name)))
        if len(values) not in (1, config.channels):
            raise ValueError(f"{name} has {len(values)} numbers, expected one, or one a channel ({config.channels})")
        object.__setattr__(config, name, values if len(values) > 1 else values[0])


def check_scores(heads: int, queries: int, keys: int | None = None) -> None:
    """Raise ValueError where an image's attention, heads · queries · keys scores, fills the memory. keys: as many as
    there are queries, unless told."""
    keys = queries if keys is None else keys
    if heads * queries * keys > MOST_SCORES:
        raise ValueError(
            f"{queries:,} tokens that look at {keys:,} have {heads * queries * keys:,} attention weights a layer, "
            f"expected at most {MOST_SCORES:,}: choose a smaller image_size, or larger patches"
        )


def check_rates(config: Any) -> None:
    """Those of dropout, which every configuration has."""
    put_float(config, "a rate in [0, 1)", lambda rate: 0 <= rate < 1, "dropout", "attention_dropout", "drop_path")


def put(config: Any, check: Callable[[str, object], object], *names: str) -> None:
    """Let each of these fields be what `check(name, value)` makes of it."""
    for name in names:
        object.__setattr__(config, name, check(name, getattr(config, name)))


def put_float(config: Any, expected: str, fits: Callable[[float], bool], *names: str) -> None:
    """Let each of these fields be a Python float that `fits`."""
    put(config, lambda name, value: finite_float(name, value, expected, fits), *names)
