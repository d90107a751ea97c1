"""Margins of a picture: as many zeros on every side, as PyTorch has it, and a max pool whose margin may win."""

import numpy as np
import pytest
from test_convolution import RNG, X, window

from minivit import ops


@pytest.mark.parametrize(
    ("kernel", "stride", "margin", "size"),
    [(3, 1, 1, (5, 7)), (3, 2, 1, (3, 4)), (7, 2, 3, (3, 4)), (1, 2, 0, (3, 4)), (3, 1, 0, (3, 5)), (2, 3, 3, (4, 4))],
)
def test_convolution_with_a_symmetric_margin_is_the_loop_over_windows(kernel, stride, margin, size):
    weight = RNG.standard_normal((kernel, kernel, 6, 4))
    y, _ = ops.convolution_forward(X, weight, stride, margin)
    assert y.shape == (2, *size, 4)
    for b, i, j in np.ndindex(2, *size):
        places = window(X[b], i, j, (kernel, kernel), stride, ((margin, margin),) * 2)
        np.testing.assert_allclose(y[b, i, j], sum(pixel @ weight[u, v] for u, v, pixel in places), atol=1e-12)


@pytest.mark.parametrize("fill", [-np.inf, 0.0])
def test_a_margin_of_zeros_wins_where_all_else_is_negative(fill):
    """8 rows and columns under windows of 3 x 3, stride 2: "SAME" has no margin before them, this one has."""
    x = RNG.standard_normal((2, 8, 8, 3)) - 1
    y, cache = ops.max_pool_forward(x, padding=1, fill=fill)
    assert y.shape == (2, 4, 4, 3)
    lost = 0
    for b, i, j, c in np.ndindex(y.shape):
        pixels = [pixel[c] for _, _, pixel in window(x[b], i, j, (3, 3), 2, ((1, 1), (1, 1)))]
        margin = len(pixels) < 9 and max(pixels) < fill
        assert y[b, i, j, c] == (fill if margin else max(pixels))
        lost += margin
    assert (lost > 0) == (fill == 0)
    dx = ops.max_pool_backward(np.ones_like(y), cache)
    assert dx.sum() == y.size - lost  # what the margin won goes to nobody


def test_the_global_average_is_the_mean_of_the_places():
    y, cache = ops.global_average_forward(X)
    np.testing.assert_allclose(y[1, 4], sum(X[1, i, j, 4] for i, j in np.ndindex(5, 7)) / 35)
    dx = ops.global_average_backward(np.arange(12.0).reshape(2, 6), cache)
    np.testing.assert_allclose(dx[1, :, :, 4], np.full((5, 7), 10 / 35))


@pytest.mark.parametrize(("stride", "margin"), [(1, 1), (2, 1), (1, 2)])
def test_a_few_images_at_a_time_give_what_all_at_once_do(stride, margin, monkeypatch):
    """The rows of five images: of all at once, of two at a time, of one at a time though it is too large."""
    x, weight = RNG.standard_normal((5, 6, 7, 3)), RNG.standard_normal((2, 3, 3, 4))

    def run(in_cache):
        monkeypatch.setattr("minivit.ops.convolution.IN_CACHE", in_cache)
        y, cache = ops.convolution_forward(x, weight, stride, margin)
        return y, *ops.convolution_backward(np.cos(np.arange(y.size)).reshape(y.shape), cache)

    numbers = run(10**9)[0][0, ..., 0].size * 18  # of one image's rows
    for in_cache in (2 * numbers + 1, 1):
        for got, expected in zip(run(in_cache), run(10**9), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-12)
