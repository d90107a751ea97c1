"""The names of ImageNet's 1,000 classes, in the order in which every published classifier numbers them."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np


@cache
def imagenet_classes() -> tuple[str, ...]:
    """("tench", "goldfish", …, "toilet tissue"): class i of ILSVRC 2012 is entry i. No two are the same.

    Their origin and licence are in IMAGENET_CLASSES.md.
    """
    text = files(__package__).joinpath("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def class_names(classes: int) -> tuple[str, ...]:
    """What the K classes of a model are called: ImageNet's names where K is 1,000, else "0", "1", … as for digits."""
    return imagenet_classes() if classes == 1000 else tuple(map(str, range(classes)))


def top_classes(
    probabilities: np.ndarray, count: int = 5, names: Sequence[str] | None = None
) -> list[tuple[int, str, float]]:
    """The `count` likeliest classes of one image, likeliest first: probabilities (K,) -> (class, name, probability).

    names: of the K classes, `class_names(K)` if not given.
    """
    names = names or class_names(len(probabilities))
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(int(k), names[k], float(probabilities[k])) for k in order]
