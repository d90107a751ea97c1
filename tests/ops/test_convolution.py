"""What the hybrid's stem is made of: convolution, max pooling, group norm, weight standardisation, each as loops."""

import math
from functools import partial

import numpy as np
import pytest

from minivit import ops
from minivit.ops.convolution import same_padding

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 5, 7, 6))


def window(image, i, j, kernel, stride, padding):
    """The pixels of one window that lie in the image: (row in it, column in it, the pixel's numbers)."""
    for u, v in np.ndindex(kernel):
        row, column = i * stride + u - padding[0][0], j * stride + v - padding[1][0]
        if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
            yield u, v, image[row, column]


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"),
    [
        ((3, 3), 1, None, (5, 7)),
        ((3, 2), 2, None, (3, 4)),
        ((7, 7), 2, None, (3, 4)),
        ((1, 1), 1, None, (5, 7)),
        ((1, 1), 2, None, (3, 4)),
        ((2, 3), 1, ((0, 0), (2, 1)), (4, 8)),
    ],
)
def test_convolution_is_the_loop_over_windows(kernel, stride, padding, size):
    weight = RNG.standard_normal((*kernel, 6, 4))
    y, _ = ops.convolution_forward(X, weight, stride, padding)
    assert y.shape == (2, *size, 4)
    padding = padding or same_padding((5, 7), kernel, stride)
    for b, i, j in np.ndindex(2, *size):
        expected = sum(pixel @ weight[u, v] for u, v, pixel in window(X[b], i, j, kernel, stride, padding))
        np.testing.assert_allclose(y[b, i, j], expected, atol=1e-12)


CONVOLUTION = partial(ops.convolution_forward, X, np.ones((3, 2, 6, 4)))
MAX_POOL = partial(ops.max_pool_forward, X)
FILTERED = partial(ops.depthwise_convolution_forward, X, np.ones((3, 3, 6)), None)
OVERLAPPING = partial(ops.overlapping_patches_forward, X)
UNFOLD, FOLD = partial(ops.unfold_forward, X), partial(ops.fold_forward, np.ones((4, 6, 2)))
PADDING = r"expected a number, \(\(top, bottom\), \(left, right\)\), or None for SAME"
FIT = "pixels do not fit into a picture of 5 x 7, its padding counted"


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: CONVOLUTION(0), ValueError, "stride is 0, expected at least 1"),
        (lambda: CONVOLUTION(-2), ValueError, "stride is -2, expected at least 1"),
        (lambda: CONVOLUTION((2, 2)), TypeError, r"stride is \(2, 2\), expected a whole number"),
        (lambda: CONVOLUTION(1, 1, 0), ValueError, "dilation is 0, expected at least 1"),
        (lambda: CONVOLUTION(1, -1), ValueError, "padding is -1, expected no negative number"),
        (lambda: CONVOLUTION(1, "SAME"), TypeError, f"padding is 'SAME', {PADDING}"),
        (lambda: CONVOLUTION(1, (1, 1)), TypeError, rf"padding is \(1, 1\), {PADDING}"),
        (lambda: CONVOLUTION(1, ((1, 1), (1, 0.5))), TypeError, rf"padding is \(\(1, 1\), \(1, 0.5\)\), {PADDING}"),
        (lambda: CONVOLUTION(1, ((0, 0), (-1, 1))), ValueError, r"padding is .*-1.*, expected no negative"),
        (lambda: CONVOLUTION(1, 0, 3), ValueError, f"windows of 7 x 4 {FIT}"),
        (lambda: ops.convolution_forward(X, np.ones((3, 3, 5, 2))), ValueError, r"x .* 6\), weight .* with the same C"),
        (lambda: ops.convolution_forward(X[0], np.ones((3, 3, 6, 2))), ValueError, r"x has shape \(5, 7, 6\), weight"),
        (lambda: ops.convolution_forward(X, np.ones((3, 6, 2))), ValueError, r"x has .*, weight \(3, 6, 2\), expected"),
        (lambda: MAX_POOL(6, 1, 0), ValueError, f"windows of 6 x 6 {FIT}"),
        (lambda: MAX_POOL(0), ValueError, "size is 0, expected at least 1"),
        (lambda: MAX_POOL(3, 0), ValueError, "stride is 0, expected at least 1"),
        (lambda: MAX_POOL(3, 2, "same"), TypeError, f"padding is 'same', {PADDING}"),
        (lambda: FILTERED(0), ValueError, "stride is 0, expected at least 1"),
        (lambda: FILTERED(1.5), TypeError, "stride is 1.5, expected a whole number"),
        (lambda: OVERLAPPING(3, 0), ValueError, "stride is 0, expected at least 1"),
        (lambda: OVERLAPPING(0, 1), ValueError, "kernel is 0, expected at least 1"),
        (lambda: UNFOLD((2, 7)), ValueError, "patches of 2 x 7 do not divide a map of 5 x 7"),
        (lambda: UNFOLD((0, 7)), ValueError, "the patch's height is 0, expected at least 1"),
        (lambda: UNFOLD(1), TypeError, r"patch is 1, expected \(height, width\)"),
        (lambda: FOLD((2, 2), (4, 5)), ValueError, "patches of 2 x 2 do not divide a map of 4 x 5"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused_in_words(call, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        call()


def test_it_does_not_matter_how_a_map_lies_in_memory():
    """What is written piece by piece must be written to y, and not to a copy of it."""
    weight, dy = RNG.standard_normal((3, 3, 6, 4)), RNG.standard_normal((2, 7, 5, 4))
    turned = X.transpose(0, 2, 1, 3)
    for stride in (1, 2):
        of_view, of_copy = (ops.convolution_forward(x, weight, stride) for x in (turned, turned.copy()))
        np.testing.assert_array_equal(of_view[0], of_copy[0])
        both = [ops.convolution_backward(dy[:, ::stride, ::stride], cache) for _, cache in (of_view, of_copy)]
        for one, other in zip(*both, strict=True):
            np.testing.assert_array_equal(one, other)


def test_same_padding_is_that_of_google():
    """224 pixels through the root: two zeros before and three behind, and the pooling's one behind."""
    assert same_padding((224, 224), (7, 7), 2) == ((2, 3), (2, 3))
    assert same_padding((112, 15), (3, 3), 2) == ((0, 1), (1, 1))
    assert same_padding((8, 9), (1, 1), 2) == ((0, 0), (0, 0))


def test_max_pooling_is_the_loop_over_windows():
    x = X - 10  # all negative: the padding must not win
    y, _ = ops.max_pool_forward(x)
    assert y.shape == (2, 3, 4, 6)
    padding = same_padding((5, 7), (3, 3), 2)
    for b, i, j in np.ndindex(2, 3, 4):
        pixels = [pixel for _, _, pixel in window(x[b], i, j, (3, 3), 2, padding)]
        np.testing.assert_array_equal(y[b, i, j], np.max(pixels, axis=0))


def test_group_norm_is_the_loop_over_groups():
    gamma, beta = RNG.standard_normal((2, 6))
    y, _ = ops.groupnorm_forward(X, gamma, beta, 3, 0.01)
    for b, g in np.ndindex(2, 3):
        channels = slice(2 * g, 2 * g + 2)
        group = X[b, ..., channels]
        expected = (group - group.mean()) / math.sqrt(group.var() + 0.01) * gamma[channels] + beta[channels]
        np.testing.assert_allclose(y[b, ..., channels], expected, atol=1e-12)


def test_weight_standardisation_is_the_loop_over_filters():
    weight = RNG.standard_normal((3, 2, 4, 5))
    y, _ = ops.weight_standardisation_forward(weight, 0.01)
    for o in range(5):
        w = weight[..., o]
        np.testing.assert_allclose(y[..., o], (w - w.mean()) / (w.std() + 0.01), atol=1e-12)


def test_a_filter_of_equal_weights_stays_finite():
    weight = np.full((3, 3, 2, 4), 0.5)
    y, cache = ops.weight_standardisation_forward(weight)
    dy = RNG.standard_normal(weight.shape)
    np.testing.assert_array_equal(y, 0)
    dweight = ops.weight_standardisation_backward(dy, cache)
    np.testing.assert_allclose(dweight, (dy - dy.mean(axis=(0, 1, 2))) / 1e-5)
