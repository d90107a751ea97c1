"""Layers with several values: what is kept on the way through a chain, and a layer for each value."""

import numpy as np
import pytest

from minivit import ops
from minivit.layers import Chain, Each, Op, Steps, Value
from minivit.layers.parts import dense

X = np.random.default_rng(0).standard_normal((2, 3))
W = np.random.default_rng(1).standard_normal((3, 3))
FC, TANH = dense("fc", 3, 3, bias=False), Op("tanh")
P = {"fc.weight": W}


def test_steps_leave_what_each_layer_leaves():
    layer = Steps(FC, TANH, FC)
    xs, _ = layer.forward(ops, P, X)
    expected = [X @ W, np.tanh(X @ W), np.tanh(X @ W) @ W]
    for got, called, x in zip(xs, layer(ops, P, X), expected, strict=True):
        np.testing.assert_array_equal(got, called)
        np.testing.assert_allclose(got, x, rtol=1e-14)


def test_what_is_after_the_last_that_is_kept_is_no_part():
    layer = Steps(FC, TANH, dense("nobody", 3, 3), keep=(0,))
    (x,) = layer(ops, P, X)
    np.testing.assert_array_equal(x, X @ W)
    assert [parameter.name for parameter in layer.parameters] == ["fc.weight"]


def test_a_step_has_its_own_gradient_and_that_of_the_next():
    """With both kept, dy of the first is its own plus what the second hands back."""
    (_, y), caches = Steps(FC, TANH).forward(ops, P, X)
    own, last = np.ones_like(y), 2 * np.ones_like(y)
    dx, grads = Steps(FC, TANH).backward(ops, [own, last], caches)
    dh = own + last * (1 - y * y)
    np.testing.assert_allclose(dx, dh @ W.T, rtol=1e-14)
    np.testing.assert_allclose(grads["fc.weight"], X.T @ dh, rtol=1e-14)


def test_each_value_has_its_layer_and_their_number_must_agree():
    layer = Each(FC, TANH)
    (a, b), caches = layer.forward(ops, P, [X, X])
    np.testing.assert_array_equal(a, X @ W)
    np.testing.assert_array_equal(b, np.tanh(X))
    (da, db), grads = layer.backward(ops, [np.ones((2, 3))] * 2, caches)
    np.testing.assert_allclose(da, np.ones((2, 3)) @ W.T)
    np.testing.assert_allclose(db, 1 - b * b)
    assert list(grads) == ["fc.weight"]
    with pytest.raises(ValueError, match="shorter"):
        layer(ops, P, [X])


def test_steps_may_begin_with_a_value():
    """Its dx is None, which a chain before it would not know what to do with, but a decoder's start may be."""
    layer = Chain(Value("start", held=True), Steps(FC, TANH), Op("stack"))
    y, cache = layer.forward(ops, P | {"start": X}, X + 1)
    dx, grads = layer.backward(ops, np.ones_like(y), cache)
    assert dx is None and grads["fc.weight"].shape == (3, 3)


def test_a_table_shows_each_ones_layers():
    assert str(Each(FC, TANH)).splitlines()[:3] == ["Each", "  branch", "    linear  fc.weight (3, 3)  9"]
