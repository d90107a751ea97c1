"""Where operations change their way: large arrays, a threshold, a tie, a kink, the sign of an offset, a default ε."""

import math
from itertools import product

import numpy as np
import pytest

from minivit import ops
from minivit.ops.convolution import IN_CACHE
from minivit.ops.gelu import TILE
from minivit.ops.softmax import SAFE

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["erf", "tanh"])
@pytest.mark.parametrize("size", [TILE - 1, TILE, TILE + 1, 2 * TILE + 3])
def test_gelu_of_more_than_a_tile(kind, size):
    """Each tile's first and last number, and those in between, are what they are alone."""
    x = RNG.standard_normal(size)
    y, slope = ops.gelu_forward(x, kind)
    for places in (slice(0, 2), slice(TILE - 2, TILE + 2), slice(2 * TILE - 2, 2 * TILE + 2), slice(-2, None)):
        alone, its_slope = ops.gelu_forward(x[places].copy(), kind)
        np.testing.assert_allclose(y[places], alone, rtol=1e-14)
        np.testing.assert_allclose(slope[places], its_slope, rtol=1e-14)
    assert np.isfinite(y).all() and y.shape == x.shape


@pytest.mark.parametrize(("stride", "images"), [(1, 5), (2, 14)])
def test_a_convolution_of_more_images_than_the_cache_holds(stride, images):
    """Image by image it is the same, and the weight's gradient is the sum; the last round has fewer images."""
    x, weight = RNG.standard_normal((images, 24, 24, 8)), RNG.standard_normal((3, 3, 8, 2))
    y, cache = ops.convolution_forward(x, weight, stride, 1)
    assert images * y[0, ..., 0].size * 72 > IN_CACHE
    dy = RNG.standard_normal(y.shape)
    dx, dweight = ops.convolution_backward(dy, cache)
    total = np.zeros_like(weight)
    for b in range(images):
        alone, cache = ops.convolution_forward(x[b : b + 1], weight, stride, 1)
        np.testing.assert_allclose(y[b], alone[0], atol=1e-12)
        its_dx, its_dweight = ops.convolution_backward(dy[b : b + 1], cache)
        np.testing.assert_allclose(dx[b], its_dx[0], atol=1e-12)
        total += its_dweight
    np.testing.assert_allclose(dweight, total, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [SAFE - 1e-3, SAFE, SAFE + 1e-3, 85.0, 100.0, 740.0, 1e4])
def test_softmax_on_both_sides_of_its_threshold(size, sign, dtype):
    """A hundred thousand scores that are as large, whose exponentials' sum a float32 must hold; and one that is not."""
    flat = ops.softmax_forward(np.full((2, 100_000), sign * size, dtype))[0]
    np.testing.assert_allclose(flat, 1e-5, rtol=1e-4)
    row = np.array([[0.0, 1.0, -1.0], [sign * size, sign * size - 1, sign * size - 3]], dtype)
    p, dp = ops.softmax_forward(row)[0], np.array([1.0, 0.5, -2.0], dtype)
    for scores, found, dx in zip(row, p, ops.softmax_backward(np.stack((dp, dp)), p), strict=True):
        e = [math.exp(float(score) - float(scores.max())) for score in scores]
        expected = np.array(e) / sum(e)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        np.testing.assert_allclose(dx, expected * (dp - expected @ dp), atol=1e-5)


def test_of_equal_numbers_the_first_wins_the_window():
    """In reading order; its gradient is the whole one, and the sum where it wins several windows."""
    for x in (np.zeros((1, 6, 6, 2)), np.full((1, 6, 6, 2), -3.0), RNG.integers(0, 2, (2, 7, 7, 2)).astype(float)):
        y, cache = ops.max_pool_forward(x, size=3, stride=2, padding=0)
        dy = RNG.standard_normal(y.shape)
        expected = np.zeros_like(x)
        for b, i, j, c in np.ndindex(y.shape):
            window = [(x[b, 2 * i + u, 2 * j + v, c], -u, -v) for u, v in np.ndindex(3, 3)]
            largest, u, v = max(window)
            assert y[b, i, j, c] == largest
            expected[b, 2 * i - u, 2 * j - v, c] += dy[b, i, j, c]
        np.testing.assert_allclose(ops.max_pool_backward(dy, cache), expected, atol=1e-14)


def test_relu_has_no_slope_at_its_kink():
    x = np.array([-1.0, -0.0, 0.0, 1e-300, 1.0])
    y, cache = ops.relu_forward(x)
    np.testing.assert_array_equal(y, [0, 0, 0, 1e-300, 1])
    np.testing.assert_array_equal(ops.relu_backward(np.full(5, 7.0), cache), [0, 0, 0, 7, 7])


@pytest.mark.parametrize("class_token", [False, True])
def test_a_relative_offset_is_the_querys_place_minus_the_keys(class_token):
    """As in BEiT and Swin: rows first, shifted to start at 0; a key below or to the right has a smaller number."""
    (gh, gw), first = (3, 4), int(class_token)
    index = ops.relative_index((gh, gw), class_token)
    places = list(np.ndindex(gh, gw))
    for (q, (qi, qj)), (k, (ki, kj)) in product(enumerate(places), enumerate(places)):
        assert index[first + q, first + k] == (qi - ki + gh - 1) * (2 * gw - 1) + (qj - kj + gw - 1)


def normed(x, axes, eps, ddof=0):
    """(x − μ) / √(σ² + ε) over these axes."""
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True, ddof=ddof) + eps)


def filters(x, axes):
    """(x − μ) / (σ + ε): BiT's filters."""
    return (x - x.mean(axes, keepdims=True)) / (x.std(axes, keepdims=True) + 1e-5)


# Numbers whose variance is about as large as ε, 1e-6; what the published implementation makes of them with its own ε,
# which is timm's for LayerNorm, PyTorch's for BatchNorm, Google's BiT's for groups and filters, MAE's for patches.
SMALL, ONES, ZEROS = 1e-3 * RNG.standard_normal((2, 3, 4, 6)), np.ones(6), np.zeros(6)
DEFAULTS = {
    "layernorm": lambda: (ops.layernorm_forward(SMALL, ONES, ZEROS), normed(SMALL, -1, 1e-6)),
    "groupnorm": lambda: (
        ops.groupnorm_forward(SMALL, ONES, ZEROS, 3),
        normed(SMALL.reshape(2, 12, 3, 2), (1, 3), 1e-6).reshape(SMALL.shape),
    ),
    "batchnorm in training": lambda: (
        ops.batchnorm_forward(SMALL, ONES, ZEROS, ZEROS, ONES, training=True),
        normed(SMALL, (0, 1, 2), 1e-5),
    ),
    "batchnorm": lambda: (
        ops.batchnorm_forward(SMALL, ONES, ZEROS, ZEROS, ONES * 1e-6),
        SMALL / math.sqrt(1e-6 + 1e-5),
    ),
    "frozen batchnorm": lambda: (
        ops.frozen_batchnorm_forward(SMALL, ONES, ZEROS, ZEROS, ONES * 1e-6),
        SMALL / math.sqrt(1e-6 + 1e-5),
    ),
    "weight standardisation": lambda: (ops.weight_standardisation_forward(SMALL), filters(SMALL, (0, 1, 2))),
    "patches": lambda: (ops.standardise_patches_forward(SMALL[0]), normed(SMALL[0], -1, 1e-6, ddof=1)),
    "inverse sigmoid": lambda: (
        ops.inverse_sigmoid_forward(np.array([0.0, 5e-6, 2e-5, 1.0])),
        np.log([1e-5, 1e-5 / (1 - 5e-6), 2e-5 / (1 - 2e-5), 1e5]),
    ),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_eps(name):
    (y, *_), expected = DEFAULTS[name]()
    np.testing.assert_allclose(y, expected, rtol=1e-9)


def test_the_waves_eps_is_detrs():
    """2π · place / (last + 1e-6), of a row of two cells: the last one's angle is just below 2π."""
    waves = ops.sine_positions(np.ones((1, 1, 2), bool), 4)[0, :, 2:]  # x's half
    for place, (sine, cosine) in enumerate(waves, start=1):
        angle = 2 * math.pi * place / (2 + 1e-6)
        assert (sine, cosine) == pytest.approx((math.sin(angle), math.cos(angle)), abs=1e-12)


def test_deformable_attention_of_more_than_is_gathered_at_once():
    """Image by image it is the same, forward and backward."""
    shapes = [(12, 12), (6, 6)]
    value = RNG.standard_normal((3, 180, 32))
    locations, weights = RNG.uniform(-0.1, 1.1, (3, 90, 4, 2, 4, 2)), RNG.random((3, 90, 4, 2, 4))
    y, cache = ops.deformable_attention_forward(value, locations, weights, shapes)
    assert y.size * 2 * 4 * 4 > 2**17
    dy = RNG.standard_normal(y.shape)
    grads = ops.deformable_attention_backward(dy, cache)
    for b in range(3):
        part = slice(b, b + 1)
        alone, cache = ops.deformable_attention_forward(value[part], locations[part], weights[part], shapes)
        np.testing.assert_allclose(y[part], alone, atol=1e-12)
        for grad, its_own in zip(grads, ops.deformable_attention_backward(dy[part], cache), strict=True):
            np.testing.assert_allclose(grad[part], its_own, atol=1e-12)


def test_roi_aligns_default_maps_are_those_of_a_feature_pyramid():
    """detectron2's: strides 4 to 32, 224 pixels on the map of stride 16, 7 x 7 bins of 2 x 2 points."""
    shapes = [(32, 32), (16, 16), (8, 8), (4, 4)]
    maps = RNG.standard_normal((1, sum(h * w for h, w in shapes), 3))
    boxes = np.array([[[3, 5, 60, 70], [1, 2, 120, 119], [0, 3, 127, 125], [-200, -300, 328, 200]]], float)
    boxes = np.concatenate((boxes, boxes * [4, 4, 4, 4]), axis=1)
    plain, _ = ops.roi_align_forward(maps, boxes, shapes)
    told, _ = ops.roi_align_forward(maps, boxes, shapes, 7, (4, 8, 16, 32), 2, (224.0, 4))
    assert plain.shape == (1, 8, 49, 3)
    np.testing.assert_array_equal(plain, told)
    assert set(ops.box_levels(boxes, (4, 8, 16, 32)).ravel().tolist()) == {0, 1, 2, 3}
