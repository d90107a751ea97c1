"""Pipelines: all boxes, all operations, in as many rows as they need."""

import pytest
from draw_support import ALT, check, words

from minivit import draw

STEPS = [
    ("images", "(B, 28, 28, 1)"), "cut", ("patches", "(B, 16, 49)", "16 patches of 7 × 7"), "@ W + b",
    ("tokens", "(B, 16, D)"), "add class token\nand positions", ("tokens", "(B, 17, D)", "the first is the class"),
    "L blocks", ("tokens", "(B, 17, D)"), "norm, take first", ("class", "(B, D)"), "@ W", ("logits", "(B, 10)"),
]  # fmt: skip


@pytest.mark.parametrize("count", [1, 3, 5, 13])
def test_shapes(count):
    picture = draw.shapes(STEPS[:count], alt=ALT)
    check(picture)
    expected = [word for step in STEPS[:count] for word in ([step] if isinstance(step, str) else step)]
    assert sorted(words(picture)) == sorted(expected)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "there are 0 steps, expected an odd number"),
        ([("a", "b"), "c"], "there are 2 steps"),
        (["a"], "step 0 is 'a', expected a box"),
        ([("a", "b"), ("c", "d"), ("e", "f")], r"step 1 is \('c', 'd'\), expected a text"),
    ],
)
def test_errors(steps, message):
    with pytest.raises(ValueError, match=message):
        draw.shapes(steps, alt=ALT)
