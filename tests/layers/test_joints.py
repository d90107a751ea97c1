"""The joints: what each of them says, and that its backward is the derivative of its forward."""

import numpy as np
import pytest

from minivit import ops
from minivit.layers import Chain, Fork, Let, Op, Parameter, Residual, Value
from minivit.layers.parts import dense, norm
from minivit.proof import JOINTS, check_joint, noise
from minivit.proof.joints import as_pair

X = np.random.default_rng(0).standard_normal((2, 5, 6))
TANH, GELU = Op("tanh"), Op("gelu")


def numbers(layer, dtype=np.float64):
    """Numbers of order one for all that a layer declares; constants as they are, buffers positive: variances are."""
    rng = np.random.default_rng(1)
    drawn = {p.name: p.fixed() if p.fixed else rng.uniform(-(not p.buffer), 1, p.shape) for p in layer.parameters}
    return {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in drawn.items()}


def run(layer, x, rng=None):
    """p, y, dx and the gradients, for a random dy."""
    p = numbers(layer, x.dtype)
    y, cache = layer.forward(ops, p, x, rng)
    dx, grads = layer.backward(ops, np.random.default_rng(2).standard_normal(y.shape).astype(x.dtype), cache)
    return p, y, dx, grads


@pytest.mark.parametrize("name", JOINTS)
def test_joint_gradients(name):
    report = check_joint(name)
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", JOINTS)
def test_a_joint_keeps_the_dtype_and_gives_a_gradient_of_its_shape_to_every_parameter(name, dtype):
    layer, shape = JOINTS[name]
    x = np.random.default_rng(3).standard_normal(shape).astype(dtype)
    p, y, dx, grads = run(layer, x, noise())
    assert y.dtype == dtype
    assert {name: grad.shape for name, grad in grads.items()} == {  # in a buffer's place its new value
        p.name: p.shape for p in layer.parameters if not p.fixed
    }
    assert dx.shape == x.shape and {dx.dtype, *(grad.dtype for grad in grads.values())} == {np.dtype(dtype)}
    for name, array in numbers(layer, dtype).items():
        np.testing.assert_array_equal(p[name], array)
    np.testing.assert_array_equal(x, np.random.default_rng(3).standard_normal(shape).astype(dtype))


@pytest.mark.parametrize("name", JOINTS)
def test_the_call_is_the_forward_without_its_caches(name):
    layer, shape = JOINTS[name]
    x, p = np.random.default_rng(3).standard_normal(shape), numbers(layer)
    np.testing.assert_array_equal(layer(ops, p, x), layer.forward(ops, p, x)[0])


def test_a_chain_is_one_after_the_other():
    np.testing.assert_array_equal(Chain(TANH, GELU)(ops, {}, X), ops.gelu_forward(np.tanh(X))[0])
    np.testing.assert_array_equal(Chain()(ops, {}, X), X)
    dx, grads = Chain().backward(ops, X, Chain().forward(ops, {}, X)[1])
    assert dx is X and grads == {}


def test_a_residual_adds_its_branch_to_x_or_to_the_shortcut():
    np.testing.assert_array_equal(Residual(TANH)(ops, {}, X), X + np.tanh(X))
    first = Op("tokens", stop=2)
    last = Chain(Op("tokens", start=3), TANH)
    np.testing.assert_array_equal(Residual(last, shortcut=first)(ops, {}, X), X[:, :2] + np.tanh(X[:, 3:]))


def test_let_gives_a_name_to_what_its_value_makes_of_x():
    layer = Let("first", Chain(Op("tokens", stop=1), TANH), GELU, Op("add_position", "first"))
    expected = ops.gelu_forward(X)[0] + np.tanh(X[:, :1])
    np.testing.assert_array_equal(layer(ops, {}, X), expected)


def test_an_inner_let_hides_an_outer_one_of_its_name():
    inner = Let("a", Chain(Value("a"), TANH), Op("add_position", "a"))
    layer = Let("a", Chain(Op("tokens", stop=1), GELU), inner, Op("add_position", "a"))
    outer = ops.gelu_forward(X[:, :1])[0]
    x = X[:1]  # add_position's gradient is of a table for all images
    np.testing.assert_allclose(layer(ops, {}, x), x + np.tanh(outer[:1]) + outer[:1], rtol=1e-15)


def test_a_value_is_what_it_names_whatever_x_is():
    layer = Value(Parameter("queries", (2, 3, 6)))
    p, y, dx, grads = run(layer, X)
    assert y is p["queries"] and dx is None and grads["queries"].shape == (2, 3, 6)


def test_a_fork_puts_its_branches_side_by_side_along_its_axis():
    np.testing.assert_array_equal(Fork(TANH, GELU)(ops, {}, X), np.concatenate((np.tanh(X), GELU(ops, {}, X)), axis=-1))
    fork = Fork(Op("tokens", start=2), TANH, axis=1)
    np.testing.assert_array_equal(fork(ops, {}, X), np.concatenate((X[:, 2:], np.tanh(X)), axis=1))


def test_a_parameter_that_is_read_twice_has_the_sum_of_both_gradients():
    shared = Chain(dense("fc", 6, 6), TANH, dense("fc", 6, 6))
    p, y, dx, grads = run(shared, X)
    apart = Chain(dense("a", 6, 6), TANH, dense("b", 6, 6))
    both = {f"{name}.{kind}": p[f"fc.{kind}"] for name in "ab" for kind in ("weight", "bias")}
    same, cache = apart.forward(ops, both, X)
    same_dx, parts = apart.backward(ops, np.random.default_rng(2).standard_normal(y.shape), cache)
    np.testing.assert_array_equal(y, same)
    np.testing.assert_array_equal(dx, same_dx)
    for kind in ("weight", "bias"):
        np.testing.assert_allclose(grads[f"fc.{kind}"], parts[f"a.{kind}"] + parts[f"b.{kind}"], rtol=1e-14)


@pytest.mark.parametrize("name", [*JOINTS, "one value twice"])
def test_the_upstream_gradient_is_left_alone(name):
    """What a Value hands back is dy itself, or a part of it: to add to it in place would change it."""
    value = Value(Parameter("queries", (2, 3, 6)))
    layer, shape = JOINTS[name] if name in JOINTS else (Fork(value, value, axis=1), (2, 5, 6))
    y, cache = layer.forward(ops, numbers(layer), np.random.default_rng(3).standard_normal(shape))
    dy = np.ones_like(y)
    layer.backward(ops, dy, cache)
    np.testing.assert_array_equal(dy, 1)


def test_what_no_gradient_goes_to_has_none_to_hand_back():
    """A mask, say, that is made of the images: those who read it give None in its place."""
    layer = Let("mask", Op("tokens", stop=1), TANH)
    _, _, dx, grads = run(layer, X)
    np.testing.assert_array_equal(dx, run(TANH, X)[2])
    assert grads == {}


def test_an_option_that_is_noise_is_drawn_from_the_generator_alone():
    layer = Chain(Op("dropout", rate=0.5, noise=True))
    assert layer.forward(ops, {}, X)[0] is X or np.array_equal(layer.forward(ops, {}, X)[0], X)
    np.testing.assert_array_equal(*(layer.forward(ops, {}, X, noise())[0] for _ in range(2)))
    assert (layer.forward(ops, {}, X, noise())[0] == 0).any()


@pytest.mark.parametrize(
    "layer",
    [Chain(TANH), Residual(TANH), Residual(TANH, shortcut=Chain(GELU)), Let("a", GELU, Op("add_position", "a"))],
)
def test_a_cache_serves_one_backward(layer):
    y, cache = layer.forward(ops, {}, X)
    layer.backward(ops, y, cache)
    with pytest.raises(ValueError, match="the cache was used up: it serves one backward, so run the forward again"):
        layer.backward(ops, y, cache)


def test_a_pair_of_the_proof_is_the_layer():
    layer = Chain(norm("norm", 6), dense("fc", 6, 4))
    forward, backward = as_pair(layer)
    p = numbers(layer)
    y, cache = forward(X, *p.values())
    np.testing.assert_array_equal(y, layer(ops, p, X))
    assert [grad.shape for grad in backward(y, cache)] == [X.shape, (6,), (6,), (6, 4), (4,)]


def test_a_residual_around_a_value_hands_back_what_the_shortcut_does():
    x, dy, p = np.ones((2, 3)), np.full((2, 3), 0.5), {"w": np.arange(3.0)}
    layer = Residual(Value(Parameter("w", (3,))))
    y, cache = layer.forward(ops, p, x)
    dx, grads = layer.backward(ops, dy, cache)
    np.testing.assert_array_equal(y, x + p["w"])
    np.testing.assert_array_equal(dx, dy)
    assert list(grads) == ["w"]
