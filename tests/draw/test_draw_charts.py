"""Lines and bars show their numbers."""

import numpy as np
import pytest
from draw_support import ALT, check, has_colour, words

from minivit import draw
from minivit.inspect.canvas import BLUE, VERMILLION

T = np.arange(1, 40)
NAMES = {"xlabel": "epoch", "ylabel": "loss"}


def test_lines():
    picture = draw.lines(
        {"low": (T, 1 / T), "high": (T, 2 / T)}, alt=ALT, title="Loss", notes=[(9, 1, "here")], **NAMES
    )
    pixels = check(picture)
    assert has_colour(pixels, BLUE)
    assert has_colour(pixels, VERMILLION)
    axes = picture.figure.axes[0]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), 2 / T)
    assert {"epoch", "loss", "Loss", "here"} <= set(words(picture))
    assert [text.get_text() for text in picture.figure.legends[0].get_texts()] == ["high", "low"]  # as the lines end


def test_how_numbers_are_written():
    assert {"12,345", "0.00123"} <= set(words(draw.bars({"a": 12345, "b": 0.001234}, alt=ALT, ylabel="y")))
    assert "12.5%" in words(draw.bars({"a": 0.125}, alt=ALT, ylabel="y", number="{:.1%}"))


def test_seven_curves_differ_without_colour_too():
    picture = draw.lines({f"{k}": (T, k * T) for k in range(7)}, alt=ALT, **NAMES)
    check(picture)
    lines = picture.figure.axes[0].lines
    assert len({line.get_marker() for line in lines}) == len({line.get_color() for line in lines}) == 7


def test_logarithmic_axes():
    picture = draw.lines({"error": (10.0 ** -T[:9], 10.0 ** -T[:9])}, alt=ALT, logx=True, logy=True, **NAMES)
    check(picture)
    assert (picture.figure.axes[0].get_xscale(), picture.figure.axes[0].get_yscale()) == ("log", "log")


def test_bars():
    values = {"NumPy": 12.3, "naive": 4.5, "tiled": 1.2}
    picture = draw.bars(values, errors={"NumPy": 1}, mark=["tiled"], alt=ALT, ylabel="milliseconds", title="Time")
    pixels = check(picture)
    assert has_colour(pixels, BLUE)
    assert has_colour(pixels, VERMILLION)
    assert {"12.3", "4.5", "1.2", "NumPy", "milliseconds", "Time"} <= set(words(picture))


@pytest.mark.parametrize(
    "values", [{"a": -1.5, "b": 2.0}, {"a": 0.0}, {"a": -1.0}, {f"a long name, number {k}": 10.0**k for k in range(6)}]
)
def test_bars_of_all_kinds(values):
    check(draw.bars(values, alt=ALT, ylabel="y"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: draw.lines({}, alt=ALT, **NAMES), "curves are 0 of them, expected a dict of 1 to 7"),
        (lambda: draw.lines([T], alt=ALT, **NAMES), "curves are a list"),
        (lambda: draw.lines({"a": (T, T[1:])}, alt=ALT, **NAMES), r"curve 'a' has x \(39,\) and y \(38,\)"),
        (lambda: draw.lines({"a": (T - 1, T)}, alt=ALT, logx=True, **NAMES), "expected more than 0"),
        (lambda: draw.bars({}, alt=ALT, ylabel="y"), "values are 0 of them"),
        (
            lambda: draw.bars({"a": 1}, errors={"b": 1}, alt=ALT, ylabel="y"),
            r"errors name \['b'\], expected some of \['a'\]",
        ),
        (lambda: draw.bars({"a": np.nan}, alt=ALT, ylabel="y"), "expected finite numbers"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
