"""Deformable attention, against a loop over its samples and against PyTorch's numbers (fixtures/family)."""

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from minivit import ops

SHAPES = (3, 5), (2, 2)
B, Q, H, L, P, d = 2, 4, 3, 2, 3, 4
FIXTURE = dict(np.load(Path(__file__).parents[1] / "fixtures" / "family" / "detection_ops.npz"))


def drawn(seed=0, low=-0.4, high=1.4):
    """Locations within the maps and around them."""
    rng = np.random.default_rng(seed)
    cells = sum(height * width for height, width in SHAPES)
    locations = rng.uniform(low, high, (B, Q, H, L, P, 2))
    return rng.standard_normal((B, cells, H * d)), locations, rng.random((B, Q, H, L, P))


def lies_in(picture, x, y):
    """What a picture (height, width, d) holds at a place, in cells: each cell reaches as far as its neighbours."""
    total = np.zeros(picture.shape[-1])
    for i, j in itertools.product(*map(range, picture.shape[:2])):
        total += max(0, 1 - abs(x - j)) * max(0, 1 - abs(y - i)) * picture[i, j]
    return total


def pictures_of(value, b, h):
    """Each level's map of one head."""
    start = 0
    for height, width in SHAPES:
        rows = value[b, start : start + height * width].reshape(height, width, H, d)
        yield rows[:, :, h]
        start += height * width


def test_it_is_the_loop_over_samples():
    value, locations, weights = drawn()
    expected = np.zeros((B, Q, H, d))
    for b, q, h in itertools.product(range(B), range(Q), range(H)):
        for level, picture in enumerate(pictures_of(value, b, h)):
            height, width = SHAPES[level]
            for p in range(P):
                x, y = locations[b, q, h, level, p]
                there = lies_in(picture, x * width - 0.5, y * height - 0.5)
                expected[b, q, h] += weights[b, q, h, level, p] * there
    y, _ = ops.deformable_attention_forward(value, locations, weights, SHAPES)
    np.testing.assert_allclose(y, expected.reshape(B, Q, H * d), atol=1e-14)


def test_what_is_brought_together_in_parts_is_the_same(monkeypatch):
    value, locations, weights = drawn()

    def run():
        y, cache = ops.deformable_attention_forward(value, locations, weights, SHAPES)
        return y, *ops.deformable_attention_backward(np.cos(y), cache)

    whole = run()
    monkeypatch.setattr(sys.modules["minivit.ops.deformable_attention"], "GATHERED", 5 * 4 * L * P * d)  # 24 in 5s
    for a, b in zip(whole, run(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("place", [-0.6, 1.6, -1e30, np.nan])
def test_far_outside_is_nothing_and_has_no_gradient(place):
    value, locations, weights = drawn()
    locations[:] = place
    y, cache = ops.deformable_attention_forward(value, locations, weights, SHAPES)
    assert not y.any()
    for gradient in ops.deformable_attention_backward(np.ones_like(y), cache):
        assert not gradient.any()


def test_a_cells_centre_is_half_a_cell_from_the_edge():
    """A sample there is the cell, whole; at the map's corner three of four cells are outside, and a quarter is left."""
    value, locations, weights = drawn()
    height, width = SHAPES[0]
    weights[:], weights[..., 0, 0] = 0, 1
    locations[..., 0, 0, :] = (2.5 / width, 1.5 / height)
    y, _ = ops.deformable_attention_forward(value, locations, weights, SHAPES)
    np.testing.assert_allclose(y, np.repeat(value[:, None, width + 2], Q, axis=1), atol=1e-14)
    locations[..., 0, 0, :] = 1
    y, _ = ops.deformable_attention_forward(value, locations, weights, SHAPES)
    np.testing.assert_allclose(y, np.repeat(value[:, None, height * width - 1], Q, axis=1) / 4, atol=1e-14)


def test_parity():
    arrays = {name.partition(".")[2]: x for name, x in FIXTURE.items() if name.startswith("deformable_attention.")}
    shapes = arrays.pop("shapes").tolist()
    value, locations, weights = arrays["value"], arrays["locations"], arrays["weights"]
    y, cache = ops.deformable_attention_forward(value.reshape(*value.shape[:2], -1), locations, weights, shapes)
    np.testing.assert_allclose(y, arrays["out"], atol=1e-14)
    gradients = ops.deformable_attention_backward(arrays["dout"], cache)
    for name, gradient in zip(("value", "locations", "weights"), gradients, strict=True):
        np.testing.assert_allclose(gradient.reshape(arrays[name].shape), arrays[f"d{name}"], atol=1e-13, err_msg=name)


def test_one_sample_of_one_map_is_bilinear():
    """PyTorch's grid_sample: map (B, C, height, width), points (B, n, 2)."""
    arrays = {name.partition(".")[2]: x for name, x in FIXTURE.items() if name.startswith("bilinear.")}
    picture, points = arrays["map"], arrays["points"]
    n_images, channels, *shape = picture.shape
    value = picture.reshape(n_images, channels, -1).swapaxes(1, 2)
    locations = points[:, :, None, None, None]
    y, cache = ops.deformable_attention_forward(value, locations, np.ones(locations.shape[:-1]), [tuple(shape)])
    np.testing.assert_allclose(y, arrays["out"], atol=1e-14)
    dvalue, dlocations, _ = ops.deformable_attention_backward(arrays["dout"], cache)
    np.testing.assert_allclose(dvalue.swapaxes(1, 2).reshape(picture.shape), arrays["dmap"], atol=1e-13)
    np.testing.assert_allclose(dlocations.reshape(points.shape), arrays["dpoints"], atol=1e-12)


@pytest.mark.parametrize("name", ["deformable_layer_points", "deformable_layer_boxes"])
def test_a_whole_layer(name):
    """Dense layers, padding, offsets and weights around it: the layer of the paper, forward and backward."""
    p = {key.partition(".")[2].replace("__", "."): x for key, x in FIXTURE.items() if key.startswith(f"{name}.")}
    shapes, heads = p["shapes"].tolist(), int(p["heads"])
    dense = {part: (p[f"{part}.weight"].T, p[f"{part}.bias"]) for part in
             ("sampling_offsets", "attention_weights", "value_proj", "output_proj")}  # fmt: skip
    query = p["query"] + p["position"]
    value, c_value = ops.linear_forward(p["memory"], *dense["value_proj"])
    value, c_mask = ops.mask_tokens_forward(value, p["mask"])
    offsets, c_offsets = ops.linear_forward(query, *dense["sampling_offsets"])
    locations, c_locations = ops.sampling_locations_forward(offsets, p["reference"], shapes, heads)
    logits, c_logits = ops.linear_forward(query, *dense["attention_weights"])
    weights, c_weights = ops.point_weights_forward(logits, len(shapes), heads)
    y, c_attention = ops.deformable_attention_forward(value, locations, weights, shapes)
    y, c_out = ops.linear_forward(y, *dense["output_proj"])
    np.testing.assert_allclose(y, p["out"], atol=1e-13)

    got = {}

    def back(part, dy, cache):
        dx, got[f"{part}.weight"], got[f"{part}.bias"] = ops.linear_backward(dy, cache)
        got[f"{part}.weight"] = got[f"{part}.weight"].T
        return dx

    dvalue, dlocations, dweights = ops.deformable_attention_backward(back("output_proj", p["dout"], c_out), c_attention)
    got["memory"] = back("value_proj", ops.mask_tokens_backward(dvalue, c_mask), c_value)
    doffsets, got["reference"] = ops.sampling_locations_backward(dlocations, c_locations)
    dquery = back("sampling_offsets", doffsets, c_offsets)
    dquery = dquery + back("attention_weights", ops.point_weights_backward(dweights, c_weights), c_logits)
    got["query"] = got["position"] = dquery
    for key, gradient in got.items():
        np.testing.assert_allclose(gradient, p[f"d{key}"], atol=1e-12, err_msg=key)


@pytest.mark.parametrize("numbers", [2, 4])
def test_a_location_is_its_reference_and_an_offset(numbers):
    rng = np.random.default_rng(1)
    offsets, reference = rng.standard_normal((B, Q, H * L * P * 2)), rng.random((B, Q, L, numbers))
    locations, _ = ops.sampling_locations_forward(offsets, reference, SHAPES, H)
    assert locations.shape == (B, Q, H, L, P, 2)
    for b, q, h, level, p in itertools.product(*map(range, (B, Q, H, L, P))):
        for axis, cells in enumerate(reversed(SHAPES[level])):  # x goes across
            offset = offsets[b, q, ((h * L + level) * P + p) * 2 + axis]
            unit = 1 / cells if numbers == 2 else reference[b, q, level, 2 + axis] / 2 / P
            expected = reference[b, q, level, axis] + offset * unit
            assert locations[b, q, h, level, p, axis] == pytest.approx(expected, rel=1e-14)


def test_the_weights_of_a_head_sum_to_one_over_all_levels():
    logits = np.random.default_rng(2).standard_normal((B, Q, H * L * P))
    weights, _ = ops.point_weights_forward(logits, L, H)
    for b, q, h in itertools.product(range(B), range(Q), range(H)):
        powers = [math.exp(logits[b, q, h * L * P + k]) for k in range(L * P)]
        np.testing.assert_allclose(weights[b, q, h].ravel(), np.array(powers) / sum(powers), rtol=1e-14)


def test_a_reference_is_told_in_parts_of_each_map():
    """An image that takes 70 % of a map's width and all of its height: its right edge is at .7 of the map."""
    reference = np.array([[(1, 0.5)], [(0.2, 0.4)]])
    ratios = np.array([[(0.7, 1), (0.5, 0.25)], [(1, 1), (1, 1)]])
    expected = np.array([[[(0.7, 0.5), (0.5, 0.125)]], [[(0.2, 0.4), (0.2, 0.4)]]])
    np.testing.assert_allclose(ops.level_references_forward(reference, ratios)[0], expected)
    boxes = np.concatenate((reference, reference), axis=-1)
    expected = np.concatenate((expected, expected), axis=-1)
    np.testing.assert_allclose(ops.level_references_forward(boxes, ratios)[0], expected)
