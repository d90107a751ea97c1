"""What a detector does with boxes: looks into them, moves them, and filters what it saw by numbers of each query."""

import math
from pathlib import Path

import numpy as np
import pytest

from minivit import ops
from minivit.ops.roi_align import bin_weights, box_levels
from minivit.proof.regions import BOXES

RNG = np.random.default_rng(0)
FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
STRIDES = 4, 8, 16, 32


@pytest.fixture(scope="module")
def published():
    """torchvision's, detectron2's and Sparse R-CNN's operations, in float64."""
    return np.load(FIXTURES / "region_ops.npz")


# ---- RoIAlign --------------------------------------------------------------------------------------------------------


def interpolated(picture, y, x):
    """The picture (h, w, C) between its places, 0 more than a place outside."""
    h, w, _ = picture.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return np.zeros(picture.shape[2])
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    i, j = int(y), int(x)
    below, right = min(i + 1, h - 1), min(j + 1, w - 1)
    upper = picture[i, j] * (1 - x + j) + picture[i, right] * (x - j)
    lower = picture[below, j] * (1 - x + j) + picture[below, right] * (x - j)
    return upper * (1 - y + i) + lower * (y - i)


def roi_align_by_points(picture, box, size, stride, samples):
    """(size, size, C), point by point."""
    x0, y0, x1, y1 = box / stride - 0.5
    bins = np.zeros((size, size, picture.shape[2]))
    for s, t, u, v in np.ndindex(size, size, samples, samples):
        y = y0 + (s + (u + 0.5) / samples) * (y1 - y0) / size
        x = x0 + (t + (v + 0.5) / samples) * (x1 - x0) / size
        bins[s, t] += interpolated(picture, y, x) / samples**2
    return bins


@pytest.mark.parametrize(("size", "samples"), [(7, 2), (2, 3), (1, 1)])
def test_roi_align_is_the_loop_over_points(size, samples):
    shapes = (5, 4), (3, 2)
    maps = RNG.standard_normal((2, 26, 3))
    y, _ = ops.roi_align_forward(maps, BOXES, shapes, size, (4, 8), samples, (12.0, 2))
    assert y.shape == (2, 4, size * size, 3)
    levels = box_levels(BOXES, (4, 8), 12.0, 2)
    assert {0, 1} == set(levels.flat)
    for b, n in np.ndindex(2, 4):
        level = levels[b, n]
        picture = maps[b, (0, 20)[level] :][: math.prod(shapes[level])].reshape(*shapes[level], 3)
        expected = roi_align_by_points(picture, BOXES[b, n], size, (4, 8)[level], samples)
        np.testing.assert_allclose(y[b, n], expected.reshape(-1, 3), atol=1e-12)


@pytest.mark.parametrize("size", [3, 7])
def test_roi_align_is_the_published_one(published, size):
    maps, boxes, image, dy = (published[f"roi_align_{size}.{key}"] for key in ("features", "boxes", "image", "dout"))
    out, dmaps = published[f"roi_align_{size}.out"], published[f"roi_align_{size}.dfeatures"]
    B, C, h, w = maps.shape
    for b in range(B):
        its = boxes[image == b][None]
        y, cache = ops.roi_align_forward(maps[b].reshape(1, C, -1).swapaxes(1, 2), its, [(h, w)], size, (4,))
        expected = out[image == b].reshape(1, -1, C, size * size).swapaxes(2, 3)
        np.testing.assert_allclose(y, expected, atol=1e-12)
        got = ops.roi_align_backward(dy[image == b].reshape(1, -1, C, size * size).swapaxes(2, 3), cache)
        np.testing.assert_allclose(got.swapaxes(1, 2).reshape(C, h, w), dmaps[b], atol=1e-12)


def test_a_box_over_the_whole_map_with_a_bin_a_place_gives_the_map_back():
    """One point a bin, in its middle: where aligned=False of other libraries looks half a place further down."""
    maps = RNG.standard_normal((1, 12, 2))
    y, _ = ops.roi_align_forward(maps, np.array([[[0.0, 0.0, 16.0, 16.0]]]), [(4, 3)], 4, (4,), samples=1)
    np.testing.assert_allclose(y.reshape(4, 4, 2)[:, :3], maps.reshape(4, 3, 2), atol=1e-15)


def test_a_point_more_than_a_place_outside_counts_as_zero():
    def first_bin(low):
        return bin_weights(np.array([low]), np.array([low + 2.0]), 1, 1, 3)[0, 0]  # its point is at low + 1

    np.testing.assert_array_equal(first_bin(-2.0), [1, 0, 0])
    np.testing.assert_array_equal(first_bin(-2.01), [0, 0, 0])
    np.testing.assert_array_equal(first_bin(2.0), [0, 0, 1])
    np.testing.assert_array_equal(first_bin(2.01), [0, 0, 0])
    np.testing.assert_allclose(first_bin(0.25), [0, 0.75, 0.25])


def test_a_box_looks_at_the_map_of_its_size(published):
    np.testing.assert_array_equal(box_levels(published["fpn_level.boxes"], STRIDES), published["fpn_level.level"])
    sides = np.array([0.0, 10, 111, 113, 223, 225, 447, 449, 10_000])
    boxes = np.stack((sides * 0 + 5, sides * 0 - 7, 5 + 2 * sides, sides / 2 - 7), axis=-1)  # not square
    np.testing.assert_array_equal(box_levels(boxes, STRIDES), [0, 0, 0, 1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(box_levels(boxes, (8, 16)), [0, 0, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(box_levels(boxes, (16,)), [0] * 9)
    np.testing.assert_array_equal(box_levels(boxes, STRIDES, 56.0), [0, 0, 2, 3, 3, 3, 3, 3, 3])


def test_what_no_box_looks_at_gets_no_gradient():
    maps = RNG.standard_normal((2, 26, 3))
    boxes = np.tile([0.0, 0.0, 7.0, 7.0], (2, 1, 1))
    y, cache = ops.roi_align_forward(maps, boxes, ((5, 4), (3, 2)), 2, (4, 8), 2, (12.0, 2))
    dmaps = ops.roi_align_backward(np.ones_like(y), cache)
    assert np.all(dmaps[:, 20:] == 0)
    np.testing.assert_allclose(dmaps.sum(), y.size)  # the weights of a point sum to 1


def test_many_boxes_on_a_large_map_are_taken_a_few_at_a_time(monkeypatch):
    maps, boxes = RNG.standard_normal((2, 26, 3)), RNG.uniform(-5, 25, (2, 7, 2))
    boxes = np.concatenate((boxes, boxes + RNG.uniform(0, 20, (2, 7, 2))), axis=-1)
    told = boxes, ((5, 4), (3, 2)), 3, (4, 8), 2, (12.0, 2)
    y, cache = ops.roi_align_forward(maps, *told)
    dmaps = ops.roi_align_backward(y, cache)
    for bands in (1, 80):  # one box; two, or three of the narrower map
        monkeypatch.setattr("minivit.ops.roi_align.BANDS", bands)
        few, cache = ops.roi_align_forward(maps, *told)
        assert len(cache[1]) > 4
        np.testing.assert_allclose(few, y, atol=1e-14)
        np.testing.assert_allclose(ops.roi_align_backward(y, cache), dmaps, atol=1e-14)


# ---- boxes that move -------------------------------------------------------------------------------------------------


def test_box_deltas_box_by_box():
    deltas, boxes = RNG.standard_normal((3, 4)), np.array([[1.0, 2, 5, 4], [-3, 0, 1, 9], [2, 2, 3, 3]])
    got, _ = ops.box_deltas_forward(deltas, boxes)
    for (dx, dy, dw, dh), (x0, y0, x1, y1), moved in zip(deltas, boxes, got, strict=True):
        w, h = x1 - x0, y1 - y0
        cx, cy = (x0 + x1) / 2 + dx / 2 * w, (y0 + y1) / 2 + dy / 2 * h
        w, h = w * math.exp(dw), h * math.exp(dh)
        np.testing.assert_allclose(moved, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])


def test_box_deltas_are_the_published_ones_cut_where_a_box_would_explode(published):
    deltas, boxes, dy = (published[f"apply_deltas.{key}"] for key in ("deltas", "boxes", "dout"))
    assert (deltas[:, 2:] > math.log(100_000 / 16)).sum() == 2
    got, cache = ops.box_deltas_forward(deltas, boxes)
    np.testing.assert_allclose(got, published["apply_deltas.out"], rtol=1e-12)
    for gradient, name in zip(ops.box_deltas_backward(dy, cache), ("ddeltas", "dboxes"), strict=True):
        np.testing.assert_allclose(gradient, published[f"apply_deltas.{name}"], rtol=1e-9)


# ---- a dense layer of each query's own -------------------------------------------------------------------------------


def test_dynamic_linear_is_the_loop_over_queries():
    x, weights = RNG.standard_normal((2, 3, 5, 4)), RNG.standard_normal((2, 3, 20))
    y, _ = ops.dynamic_linear_forward(x, weights, 3, start=6)
    for b, n, cell, out in np.ndindex(2, 3, 5, 3):
        W = weights[b, n, 6:18]
        expected = sum(x[b, n, cell, i] * W[3 * i + out] for i in range(4))  # (in, out), row by row
        np.testing.assert_allclose(y[b, n, cell, out], expected)


def test_cells_lie_one_after_another_each_with_all_its_channels():
    x = RNG.standard_normal((2, 3, 5, 4))
    y, _ = ops.join_cells_forward(x)
    for cell in range(5):
        np.testing.assert_array_equal(y[..., 4 * cell : 4 * cell + 4], x[:, :, cell])


# ---- pyramids, pixels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [None, 1, 2])
def test_every_place_adds_the_one_above_it(keep):
    maps = [RNG.standard_normal((2, *size, 3)) for size in ((6, 5), (3, 3), (2, 2))]
    ys, _ = ops.top_down_forward(maps, keep)
    assert len(ys) == (keep or 3)
    for i, j in np.ndindex(6, 5):
        expected = maps[0][:, i, j] + maps[1][:, i // 2, j // 2] + maps[2][:, i // 4, j // 4]
        np.testing.assert_allclose(ys[0][:, i, j], expected, atol=1e-12)
    np.testing.assert_array_equal(maps[2], ys[2] if keep is None else maps[2])


def test_a_box_in_pixels_is_in_parts_of_its_own_image():
    boxes, sizes = RNG.uniform(size=(3, 2, 5, 4)), np.array([[40.0, 60.0], [30.0, 20.0]])
    pixels, _ = ops.to_pixels_forward(boxes, sizes)
    for b, (height, width) in enumerate(sizes):
        np.testing.assert_allclose(pixels[:, b], boxes[:, b] * [width, height, width, height])
    np.testing.assert_allclose(ops.to_parts_forward(pixels, sizes)[0], boxes)
