"""What PVT and MobileViT do with maps, place by place: cut, filter, pool, resize, unfold."""

import numpy as np
import pytest

from minivit import ops
from minivit.ops.resize import resize_matrix

RNG = np.random.default_rng(0)


def at(picture, row, column):
    """A pixel (C,), 0 outside."""
    inside = 0 <= row < picture.shape[0] and 0 <= column < picture.shape[1]
    return picture[row, column] if inside else np.zeros(picture.shape[2])


def resample(x, matrix, size):
    return ops.resample_forward(x, *(matrix(n, m) for n, m in zip(x.shape[1:3], size, strict=True)))[0]


def test_a_map_is_its_tokens_in_reading_order():
    x = RNG.standard_normal((2, 6, 4))
    y, _ = ops.to_map_forward(x, (2, 3))
    for i in range(6):
        np.testing.assert_array_equal(y[:, i // 3, i % 3], x[:, i])
    np.testing.assert_array_equal(ops.to_tokens_forward(y)[0], x)


def test_what_patches_leave_over_is_dropped():
    x = RNG.standard_normal((2, 5, 4, 3))
    np.testing.assert_array_equal(ops.crop_forward(x, (4, 3))[0], x[:, :4, :3])


@pytest.mark.parametrize(("kernel", "stride"), [(7, 4), (3, 2), (4, 3), (1, 1)])
def test_overlapping_patches_are_the_loop_over_pixels(kernel, stride):
    x = RNG.standard_normal((2, 9, 11, 2))
    margin = kernel // 2
    gh, gw = ((side + 2 * margin - kernel) // stride + 1 for side in (9, 11))
    y, _ = ops.overlapping_patches_forward(x, kernel, stride)
    assert y.shape == (2, gh * gw, kernel * kernel * 2)
    for b, i, j in np.ndindex(2, gh, gw):
        squares = [
            at(x[b], i * stride + u - margin, j * stride + v - margin) for u in range(kernel) for v in range(kernel)
        ]
        np.testing.assert_array_equal(y[b, i * gw + j], np.concatenate(squares))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 3), (1, 1)])
def test_depthwise_convolution_is_the_loop_over_pixels(kernel, stride):
    x, weight, bias = RNG.standard_normal((2, 6, 5, 3)), RNG.standard_normal((*kernel, 3)), RNG.standard_normal(3)
    y, _ = ops.depthwise_convolution_forward(x, weight, bias, stride)
    assert y.shape == (2, -(-6 // stride), -(-5 // stride), 3)
    for b, i, j in np.ndindex(y.shape[:3]):
        expected = bias.copy()
        for u, v in np.ndindex(kernel):
            expected += at(x[b], i * stride + u - kernel[0] // 2, j * stride + v - kernel[1] // 2) * weight[u, v]
        np.testing.assert_allclose(y[b, i, j], expected, atol=1e-12)


def test_a_depthwise_convolution_is_a_convolution_whose_other_weights_are_zero():
    x, weight = RNG.standard_normal((2, 7, 6, 3)), RNG.standard_normal((3, 3, 3))
    full = np.zeros((3, 3, 3, 3))
    full[..., range(3), range(3)] = weight
    expected, _ = ops.convolution_forward(x, full, 2, ((1, 1), (1, 1)))
    np.testing.assert_allclose(ops.depthwise_convolution_forward(x, weight, None, 2)[0], expected, atol=1e-12)


@pytest.mark.parametrize("size", [(7, 7), (2, 3), (5, 4), (1, 1)])
def test_adaptive_pooling_is_the_mean_of_bins_that_overlap(size):
    x = RNG.standard_normal((2, 5, 4, 3))
    y = resample(x, ops.pool_matrix, size)
    assert y.shape == (2, *size, 3)
    for i, j in np.ndindex(size):
        top, bottom = int(np.floor(i * 5 / size[0])), int(np.ceil((i + 1) * 5 / size[0]))
        left, right = int(np.floor(j * 4 / size[1])), int(np.ceil((j + 1) * 4 / size[1]))
        np.testing.assert_allclose(y[:, i, j], x[:, top:bottom, left:right].mean(axis=(1, 2)), atol=1e-12)


@pytest.mark.parametrize("size", [(6, 8), (3, 2), (5, 4)])
def test_resizing_takes_the_four_neighbours_of_each_new_place(size):
    x = RNG.standard_normal((2, 5, 4, 3))
    y = resample(x, lambda n, m: resize_matrix(n, m, "bilinear"), size)
    for i, j in np.ndindex(size):
        # A new pixel's centre in old pixels; beyond the first and the last centre the edge goes on.
        r, c = ((k + 0.5) * old / new - 0.5 for k, old, new in ((i, 5, size[0]), (j, 4, size[1])))
        r, c = np.clip(r, 0, 4), np.clip(c, 0, 3)
        expected = sum(
            max(0, 1 - abs(r - a)) * max(0, 1 - abs(c - b)) * x[:, a, b] for a, b in np.ndindex(x.shape[1:3])
        )
        np.testing.assert_allclose(y[:, i, j], expected, atol=1e-12)


def test_silu_does_not_overflow():
    x = np.array([-1000.0, -2.0, 0.0, 3.0, 1000.0])
    expected = [0, -2 / (1 + np.exp(2)), 0, 3 / (1 + np.exp(-3)), 1000]
    with np.errstate(over="raise"):
        np.testing.assert_allclose(ops.silu_forward(x)[0], expected, atol=1e-12)


def test_tokens_at_the_same_place_of_their_patches_are_one_sequence():
    x, (ph, pw) = RNG.standard_normal((2, 4, 9, 3)), (2, 3)
    y, _ = ops.unfold_forward(x, (ph, pw))
    assert y.shape == (12, 6, 3)
    for b, i, j in np.ndindex(2, 4, 9):
        sequence = b * ph * pw + i % ph * pw + j % pw
        np.testing.assert_array_equal(y[sequence, i // ph * 3 + j // pw], x[b, i, j])
    np.testing.assert_array_equal(ops.fold_forward(y, (ph, pw), (4, 9))[0], x)


def test_cross_attentions_weights_are_what_mixes_the_values():
    q, kv = RNG.standard_normal((2, 3, 6)), RNG.standard_normal((2, 5, 12))
    weights = ops.cross_attention_weights(q, kv, None, 2)
    mixed = [weights[:, h] @ kv[..., 6 + 3 * h : 9 + 3 * h] for h in range(2)]
    np.testing.assert_allclose(np.concatenate(mixed, -1), ops.cross_attention_forward(q, kv, None, 2)[0], atol=1e-12)
