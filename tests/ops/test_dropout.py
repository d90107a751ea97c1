"""Dropout and drop path: the rate, the expectation, what is dropped together, and nothing at all in evaluation."""

import numpy as np
import pytest

from minivit import ops

ONES = np.ones((200, 20, 50), np.float32)


@pytest.mark.parametrize("forward", [ops.dropout_forward, ops.drop_path_forward])
def test_without_a_generator_or_a_rate_x_comes_back_untouched(forward):
    assert forward(ONES, 0.5, None)[0] is ONES
    assert forward(ONES, 0.0, np.random.default_rng(0))[0] is ONES


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_keeps_the_expectation(rate):
    y, _ = ops.dropout_forward(ONES, rate, np.random.default_rng(0))  # 200,000 draws: 5 standard deviations are < 0.006
    assert (y == 0).mean() == pytest.approx(rate, abs=0.006)
    assert y.mean() == pytest.approx(1, abs=0.006 / (1 - rate))
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)


def test_drop_path_drops_whole_samples_at_its_rate():
    x = np.ones((10_000, 2, 3), np.float32)
    y, _ = ops.drop_path_forward(x, 0.3, np.random.default_rng(0))
    assert (y == y[:, :1, :1]).all()
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.025)
    assert y.mean() == pytest.approx(1, abs=0.035)


def test_the_backward_drops_what_the_forward_dropped():
    y, cache = ops.dropout_forward(ONES, 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(ops.dropout_backward(ONES, cache), y)  # of ones: the mask itself


def test_each_call_draws_anew_and_the_same_seed_draws_the_same():
    rng = np.random.default_rng(0)
    first, second = (ops.dropout_forward(ONES, 0.5, rng)[0] for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, ops.dropout_forward(ONES, 0.5, np.random.default_rng(0))[0])
