"""A launch: every thread that is shown has what it takes, and the rest is counted."""

import pytest
from draw_support import ALT, check, has_colour, words

from minivit import draw


def take(block, most):
    return lambda b, t: f"{b * block + t}" if b * block + t < most else None


def test_a_small_launch():
    picture = draw.threads(3, 4, alt=ALT, work=take(4, 10))
    pixels = check(picture)
    assert has_colour(pixels, "#E6E6E6")  # two threads beyond the guard
    written = words(picture)
    assert [written.count(f"{i}") for i in (0, 3, 4, 9, 10)] == [4, 4, 1, 1, 0]
    assert {"block 0", "block 1", "block 2"} <= set(written)


@pytest.mark.parametrize(("grid", "block"), [(1, 1), (1, 8), (4, 32), (40, 256), (7, 3), (1000, 1024)])
def test_launches_of_all_sizes(grid, block):
    check(draw.threads(grid, block, alt=ALT, title="add"))
    check(draw.threads(grid, block, alt=ALT, work=take(block, grid * block - 1)))


def test_a_large_launch_is_cut():
    picture = draw.threads(40, 256, alt=ALT, work=lambda b, t: f"x[{b * 256 + t}]")
    check(picture)
    assert {"x[0]", "x[255]", "x[10239]", "…  35 more blocks  …", "block 39"} <= set(words(picture))


def test_errors():
    with pytest.raises(ValueError, match="grid is 0, expected a whole number, 1 or more"):
        draw.threads(0, 4, alt=ALT)
    with pytest.raises(ValueError, match=r"block is 2\.5"):
        draw.threads(1, 2.5, alt=ALT)
    with pytest.raises(TypeError, match="work is a int, expected a function"):
        draw.threads(1, 4, alt=ALT, work=3)
    with pytest.raises(ValueError, match="inches wide, expected shorter"):
        draw.threads(1, 4, alt=ALT, work=lambda b, t: "long " * 30)
