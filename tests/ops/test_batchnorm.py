"""BatchNorm: what its docstring says, channel by channel, in training and in evaluation."""

import math

import numpy as np
import pytest

from minivit import ops
from minivit.layers import STILL, Chain, Op
from minivit.layers.maps import batch_norm
from minivit.layers.parts import dense, drop
from minivit.model.model import Model
from minivit.model.parameters import start

RNG = np.random.default_rng(0)
X = 3 + 2 * RNG.standard_normal((4, 3, 5, 2))
GAMMA, BETA, MEAN = RNG.standard_normal((3, 2))
VAR = np.array([0.5, 2.0])
STATISTICS = GAMMA, BETA, MEAN, VAR


def test_training_is_the_loop_over_channels():
    y, _ = ops.batchnorm_forward(X, *STATISTICS, training=True, eps=0.01)
    for c in range(2):
        channel = X[..., c]
        expected = (channel - channel.mean()) / math.sqrt(channel.var() + 0.01) * GAMMA[c] + BETA[c]
        np.testing.assert_allclose(y[..., c], expected, atol=1e-12)


def test_evaluation_reads_the_running_statistics():
    y, _ = ops.batchnorm_forward(X, *STATISTICS, eps=0.01)
    for c in range(2):
        expected = (X[..., c] - MEAN[c]) / math.sqrt(VAR[c] + 0.01) * GAMMA[c] + BETA[c]
        np.testing.assert_allclose(y[..., c], expected, atol=1e-12)


def test_the_new_running_statistics_have_the_unbiased_variance():
    y, cache = ops.batchnorm_forward(X, *STATISTICS, training=True, momentum=0.25)
    *_, mean, var = ops.batchnorm_backward(np.ones_like(y), cache)
    for c in range(2):
        numbers = X[..., c].ravel()
        assert mean[c] == pytest.approx(0.75 * MEAN[c] + 0.25 * numbers.mean(), rel=1e-12)
        assert var[c] == pytest.approx(0.75 * VAR[c] + 0.25 * numbers.var(ddof=1), rel=1e-12)


def test_in_evaluation_nothing_new_is_handed_back():
    y, cache = ops.batchnorm_forward(X, *STATISTICS)
    assert ops.batchnorm_backward(np.ones_like(y), cache)[3:] == (None, None)


def test_in_evaluation_an_image_does_not_see_the_others():
    np.testing.assert_array_equal(
        ops.batchnorm_forward(X, *STATISTICS)[0][:1], ops.batchnorm_forward(X[:1], *STATISTICS)[0]
    )


def test_float32_keeps_the_variance_of_a_large_mean():
    x = (1000 + RNG.standard_normal((50, 2))).astype(np.float32)
    y, _ = ops.batchnorm_forward(x, *(s.astype(np.float32) for s in STATISTICS), training=True)
    expected, _ = ops.batchnorm_forward(x.astype(np.float64), *STATISTICS, training=True)
    np.testing.assert_allclose(y, expected, atol=1e-3)


def test_one_number_a_channel_has_no_variance():
    with pytest.raises(ValueError, match=r"x has shape \(1, 1, 1, 2\), one number a channel: in training BatchNorm"):
        ops.batchnorm_forward(X[:1, :1, :1], *STATISTICS, training=True)
    ops.batchnorm_forward(X[:1, :1, :1], *STATISTICS)


LAYERS = Chain(dense("fc", 3, 4, std=1.0), batch_norm("bn", 4, momentum=0.5), *drop(0.5))
TOKENS = RNG.standard_normal((2, 6, 3))


def model():
    return Model(LAYERS, start(LAYERS, dtype=np.float64))


def test_a_model_knows_whether_it_trains():
    """training=True: statistics of the batch, and nothing dropped; an rng: both; neither: evaluation."""
    evaluated, cache = model().forward(TOKENS)
    assert list(model().backward(np.ones_like(evaluated), cache)[0]) == list(model().params)
    trained, _ = model().forward(TOKENS, training=True)
    np.testing.assert_allclose(trained.mean(axis=(0, 1)), 0, atol=1e-12)
    assert not np.allclose(evaluated, trained) and trained.all()
    dropped, _ = model().forward(TOKENS, np.random.default_rng(0))
    kept = dropped != 0
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(dropped[kept], 2 * trained[kept], atol=1e-12)


def test_the_new_statistics_come_with_the_gradients_and_the_old_stay():
    m = model()
    y, cache = m.forward(TOKENS, training=True)
    grads, _ = m.backward(np.ones_like(y), cache)
    assert list(grads) == [*m.params, "bn.running_mean", "bn.running_var"]
    fc = dense("fc", 3, 4)(ops, m.params, TOKENS)
    np.testing.assert_allclose(grads["bn.running_mean"], 0.5 * fc.mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(grads["bn.running_var"], 0.5 + 0.5 * fc.reshape(-1, 4).var(axis=0, ddof=1), rtol=1e-12)
    assert not m.buffers["bn.running_mean"].any() and (m.buffers["bn.running_var"] == 1).all()


def test_still_drops_nothing():
    x = np.ones((2, 3))
    assert Op("dropout", rate=0.5, noise=True).forward(ops, {}, x, STILL)[0] is x
