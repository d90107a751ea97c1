"""References, anchors and places of Deformable DETR, against what they mean, number by number."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from minivit import ops

FIXTURE = dict(np.load(Path(__file__).parents[1] / "fixtures" / "family" / "detection_ops.npz"))
SHAPES = (4, 6), (2, 3)


def masks():
    """Of two images: all of the map, and its upper three rows of four columns."""
    found = [np.ones((2, *shape), bool) for shape in SHAPES]
    found[0][1, 3:], found[0][1, :, 4:] = False, False
    found[1][1, :, 2:] = False
    return found


def test_inverse_sigmoid_is_the_authors():
    x = FIXTURE["inverse_sigmoid.x"]
    y, cache = ops.inverse_sigmoid_forward(x)
    np.testing.assert_allclose(y, FIXTURE["inverse_sigmoid.out"], atol=1e-12)
    dx = ops.inverse_sigmoid_backward(FIXTURE["inverse_sigmoid.dout"], cache)
    np.testing.assert_allclose(dx, FIXTURE["inverse_sigmoid.dx"], rtol=1e-12)


def test_a_box_is_told_from_a_point_or_a_box():
    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 1, 3, 4))
    for numbers in (2, 4):
        reference = rng.uniform(0.1, 0.9, (1, 3, numbers))
        boxes, _ = ops.box_at_reference_forward(x, reference)
        for layer, q, k in itertools.product(range(2), range(3), range(4)):
            at = math.log(reference[0, q, k] / (1 - reference[0, q, k])) if k < numbers else 0.0
            assert boxes[layer, 0, q, k] == pytest.approx(sigmoid(x[layer, 0, q, k] + at), rel=1e-12)


def test_which_part_of_a_map_is_image():
    expected = [[(1, 1), (1, 1)], [(4 / 6, 3 / 4), (2 / 3, 1)]]  # width, height of each map
    np.testing.assert_allclose(ops.valid_ratios(masks()), expected)


def test_a_cells_centre_in_its_image():
    """In parts of the image, and so beyond 1 where there is padding."""
    ratios = ops.valid_ratios(masks())
    centres = ops.cell_centres(SHAPES, ratios)
    start = 0
    for level, (height, width) in enumerate(SHAPES):
        for b, i, j in itertools.product(range(2), range(height), range(width)):
            across, down = ratios[b, level]
            expected = (j + 0.5) / (width * across), (i + 0.5) / (height * down)
            np.testing.assert_allclose(centres[b, start + i * width + j], expected)
        start += height * width


def test_what_tokens_propose_before_they_have_learned():
    at, valid = ops.anchors(SHAPES, masks())
    assert at.shape == (2, 30, 4) and valid.shape == (2, 30)
    box = 1 / (1 + np.exp(-at[1, 1 * 6 + 2]))  # row 1, column 2 of the finest map, in an image of 3 rows of 4
    np.testing.assert_allclose(box, (2.5 / 4, 1.5 / 3, 0.05, 0.05))
    np.testing.assert_allclose(1 / (1 + np.exp(-at[0, 24 + 4])), (1.5 / 3, 1.5 / 2, 0.1, 0.1))
    assert not valid[1, 3 * 6] and not valid[1, 5]  # padding, below and to the right
    assert np.isposinf(at[~valid]).all() and np.isfinite(at[valid]).all()
    assert valid.sum() == 24 + 6 + 12 + 4


def test_no_anchor_at_an_edge_or_larger_than_the_image():
    _, valid = ops.anchors([(1, 60)], [np.ones((1, 1, 60), bool)])
    assert valid.tolist() == [[False, *[True] * 58, False]]  # centres at 1/120 and 119/120
    _, valid = ops.anchors([(2, 2)] * 6, [np.ones((1, 2, 2), bool)] * 6)
    assert valid.reshape(6, 4).all(axis=1).tolist() == [True] * 5 + [False]  # .05, .1, .2, .4, .8, 1.6 of the image


def test_the_best_proposals_are_those_of_the_first_class():
    rng = np.random.default_rng(1)
    logits, boxes = rng.standard_normal((2, 7, 3)), rng.random((2, 7, 4))
    best = ops.best_proposals(logits, boxes, 3)
    for b in range(2):
        order = sorted(range(7), key=lambda token: -logits[b, token, 0])[:3]
        np.testing.assert_array_equal(best[b], boxes[b, order])


def test_the_sines_of_a_box():
    boxes, width = np.random.default_rng(2).random((1, 2, 4)), 8
    sines = ops.box_sines(boxes, width)
    assert sines.shape == (1, 2, 16)
    for q, side, i in itertools.product(range(2), range(4), range(width // 2)):
        angle = 2 * math.pi * boxes[0, q, side] / 10000 ** (2 * (i // 2) / (width // 2))
        expected = math.cos(angle) if i % 2 else math.sin(angle)
        assert sines[0, q, side * width // 2 + i] == pytest.approx(expected, abs=1e-12)
    assert ops.box_sines(boxes.astype(np.float32), width).dtype == np.float32


def test_a_token_knows_its_map():
    x, table = np.random.default_rng(3).standard_normal((1, 30, 4)), np.random.default_rng(4).standard_normal((2, 4))
    y, _ = ops.add_levels_forward(x, table, SHAPES)
    for token in range(30):
        np.testing.assert_array_equal(y[0, token], x[0, token] + table[int(token >= 24)])
