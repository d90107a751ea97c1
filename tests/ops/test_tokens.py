"""The class token, the pooling, LayerScale, and the loss at its edges."""

import math

import numpy as np

from minivit import ops

X = np.random.default_rng(0).standard_normal((2, 5, 6))


def test_learned_tokens_stand_first_in_every_image():
    cls, dist = np.arange(12.0).reshape(2, 1, 1, 6)
    y, _ = ops.prepend_forward(X, cls, dist)
    np.testing.assert_array_equal(y[:, 0], [cls[0, 0], cls[0, 0]])
    np.testing.assert_array_equal(y[:, 1], [dist[0, 0], dist[0, 0]])
    np.testing.assert_array_equal(y[:, 2:], X)


def test_some_tokens_alone():
    np.testing.assert_array_equal(ops.tokens_forward(X, stop=2)[0], X[:, :2])
    np.testing.assert_array_equal(ops.tokens_forward(X, 1, 2)[0], X[:, 1:2])


def test_pool_takes_token_0_or_the_mean():
    np.testing.assert_array_equal(ops.pool_forward(X, "cls")[0], X[:, 0])
    np.testing.assert_allclose(ops.pool_forward(X, "gap")[0], sum(X[:, n] for n in range(5)) / 5)


def test_pool_leaves_the_prefix_out_of_the_mean():
    np.testing.assert_allclose(ops.pool_forward(X, "gap", 2)[0], (X[:, 2] + X[:, 3] + X[:, 4]) / 3)
    np.testing.assert_array_equal(ops.pool_forward(X, "distilled", 2)[0], X[:, :2])


def test_registers_stand_between_the_tokens_before_and_the_patches():
    registers = np.arange(12.0).reshape(1, 2, 6)
    y, _ = ops.registers_forward(X, registers, 1)
    np.testing.assert_array_equal(y[:, 0], X[:, 0])
    np.testing.assert_array_equal(y[:, 1:3], [registers[0], registers[0]])
    np.testing.assert_array_equal(y[:, 3:], X[:, 1:])


def test_layerscale_scales_each_channel_and_none_hands_x_through():
    gamma = np.arange(6.0)
    np.testing.assert_array_equal(ops.layerscale_forward(X, gamma)[0][1, 2], X[1, 2] * gamma)
    assert ops.layerscale_forward(X, None)[0] is X


def test_the_loss_of_knowing_nothing_is_log_k():
    loss, _ = ops.cross_entropy_forward(np.zeros((3, 10)), np.array([0, 4, 9]))
    assert math.isclose(loss, math.log(10))


def test_the_loss_of_indices_is_the_mean_of_minus_log_p():
    logits, labels = X[0], np.array([5, 0, 2, 2, 1])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss, _ = ops.cross_entropy_forward(logits, labels)
    assert math.isclose(loss, -np.mean([math.log(p[b, label]) for b, label in enumerate(labels)]))
    assert math.isclose(loss, ops.cross_entropy_forward(logits, np.eye(6)[labels])[0])


def test_huge_logits_give_a_finite_loss_and_gradient():
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]])
    loss, cache = ops.cross_entropy_forward(logits, np.array([0, 1]))
    assert math.isclose(loss, 1e4 / 2)
    np.testing.assert_allclose(ops.cross_entropy_backward(1.0, cache), [[0, 0, 0], [0, -0.5, 0.5]], atol=1e-12)
