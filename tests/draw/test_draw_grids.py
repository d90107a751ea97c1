"""Matrices: their numbers, their colours, their sizes."""

import numpy as np
import pytest
from draw_support import ALT, check, texts, words

from minivit import draw

RNG = np.random.default_rng(0)


def shown(picture):
    return [image for image in picture.figure.axes[0].images]


def test_the_values_are_written():
    picture = draw.matrix([[1.5, -2], [0, 0.125]], alt=ALT, title="x", rows="N rows", columns="D", diverging=True)
    check(picture)
    assert {"1.50", "−2", "0", "0.12", "x", "N rows", "D"} == set(words(picture))
    (image,) = shown(picture)
    assert (image.norm.vmin, image.norm.vmax) == (-2, 2)


def test_a_large_one_has_a_bar():
    picture = draw.matrix(RNG.random((17, 17)) + 0.01, alt=ALT, mark=[(0, 0), (16, 16)], colormap="attention")
    check(picture)
    assert len(shown(picture)) == 2
    assert shown(picture)[0].norm.vmin == 0  # a scale of what is counted from 0
    assert len(words(picture)) == 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 784), (784, 1), (64, 784), (3, 300), (200, 200), (12, 12)])
def test_any_shape_fits(shape):
    check(draw.matrix(RNG.normal(size=shape), alt=ALT, title="t", rows="rows", columns="columns", diverging=True))


@pytest.mark.parametrize("count", [3, 17])
def test_labels(count):
    names = [f"patch {i}" for i in range(count)]
    picture = draw.matrix(np.eye(count, dtype=bool), alt=ALT, row_labels=names, column_labels=names, rows="who")
    check(picture)
    assert words(picture).count("patch 1") == 2


def test_a_label_here_and_there_lets_the_matrix_be_small():
    """Every fourth of 28 columns and every ninth row has one: they lie, and the elements stay squares."""
    rows = [f"block {i // 9}" if i % 9 == 0 else "" for i in range(28)]
    columns = [str(j) if j % 4 == 0 else "" for j in range(28)]
    picture = draw.matrix(np.eye(28), alt=ALT, row_labels=rows, column_labels=columns, colorbar=False)
    check(picture)
    boxes = dict(texts(picture))
    assert {"block 3", "24"} <= set(boxes)
    assert boxes["24"].width > boxes["24"].height
    right, down = (
        np.abs(np.subtract(boxes[a].p0, boxes[b].p0)).max() for a, b in (("20", "24"), ("block 0", "block 1"))
    )
    assert right / 4 == pytest.approx(down / 9, rel=0.01)


def test_what_is_no_number_is_grey():
    array = np.where(np.tri(4) > 0, RNG.normal(size=(4, 4)), -np.inf)
    picture = draw.matrix(array, alt=ALT)
    check(picture)
    assert words(picture).count("−∞") == 6
    check(draw.matrix(np.full((2, 2), np.nan), alt=ALT))


def test_a_formula():
    a, b = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 5))
    panels = [{"array": a, "title": "Q", "rows": "N"}, ("Kᵀ", b), ("scores", a @ b)]
    picture = draw.matrices(panels, between=["@", "="], alt=ALT, diverging=True)
    check(picture)
    assert {"@", "=", "Q", "N", "Kᵀ", "scores"} <= set(words(picture))
    images = shown(picture)
    assert len({image.norm.vmax for image in images}) == 1
    x0, x1, y1, y0 = zip(*(image.get_extent() for image in images), strict=True)
    wide, tall = np.subtract(x1, x0), np.subtract(y1, y0)
    np.testing.assert_allclose(wide / wide[0], np.array([3, 5, 5]) / 3)
    np.testing.assert_allclose(tall / tall[0], np.array([4, 3, 4]) / 4)
    apart = shown(draw.matrices(panels, alt=ALT, share=False))
    assert len({image.norm.vmax for image in apart}) == 3


@pytest.mark.parametrize(
    "sizes", [[(17, 17)] * 8, [(16, 49), (49, 64), (16, 64)], [(5, 12)] * 3, [(1, 784), (784, 10)]]
)
def test_many_are_wrapped(sizes):
    check(draw.matrices([(f"matrix {i}", RNG.random(size)) for i, size in enumerate(sizes)], alt=ALT))


def test_rows_of_matrices_begin_at_the_edge():
    images = shown(draw.matrices([(f"head {i}", RNG.random((17, 17))) for i in range(8)], alt=ALT))[:8]
    lefts = [image.get_extent()[0] for image in images]
    np.testing.assert_allclose(lefts[:4], lefts[4:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: draw.matrix(np.ones(3), alt=ALT), r"shape \(3,\) and dtype float64, expected 2-D"),
        (lambda: draw.matrix([["a"]], alt=ALT), "expected 2-D, of real numbers"),
        (lambda: draw.matrix(np.eye(3), alt=ALT, mark=[(3, 0)]), r"mark names \(3, 0\)"),
        (lambda: draw.matrix(np.eye(3), alt=ALT, row_labels=["a"]), "expected 3 of them"),
        (lambda: draw.matrix(np.eye(3), alt=ALT, limits=(1, 0)), r"limits are \(1, 0\), expected the lower one first"),
        (lambda: draw.matrix(np.ones((2, 99)), alt=ALT, values=True), r"do not fit into it: values=False"),
        (lambda: draw.matrices([], alt=ALT), "panels are empty"),
        (lambda: draw.matrices([np.eye(2)], alt=ALT), "panel 0 is a ndarray, expected a pair"),
        (lambda: draw.matrices([{"title": "x"}], alt=ALT), "expected array and words"),
        (lambda: draw.matrices([{"array": np.eye(2), "alt": "x"}], alt=ALT), "expected array and words"),
        (lambda: draw.matrices([("a", np.eye(2))] * 2, between=["@", "="], alt=ALT), "has 2 words, expected 1"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("label", ["a row", "a longer row", "a row with a long label"])
def test_a_title_longer_than_the_matrix_is_not_cut_off(label: str):
    title = "digits lost when one head is silent"
    check(draw.matrix(np.full((3, 4), 0.0027), title=title, row_labels=[label] * 3, alt=ALT))
