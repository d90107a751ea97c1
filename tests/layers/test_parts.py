"""The parts that models are made of: what they compute, next to plain NumPy and to each other."""

from types import SimpleNamespace

import numpy as np
import pytest

from minivit import ViTConfig, ops
from minivit.layers import Op
from minivit.layers.parts import attention, branch_end, dense, drop, first_attention, mlp, norm
from minivit.model.variants import relative_bias, swiglu
from minivit.proof import CONFIGS

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 7, 6))
RELATIVE: ViTConfig = CONFIGS["relative"]  # 7 tokens


def numbers(layer):
    rng = np.random.default_rng(1)
    return {p.name: p.fixed() if p.fixed else rng.uniform(-1, 1, p.shape) for p in layer.parameters}


def test_dense_norm_and_mlp_are_their_formulas():
    layer = dense("fc", 6, 4)
    p = numbers(layer)
    np.testing.assert_allclose(layer(ops, p, X), X @ p["fc.weight"] + p["fc.bias"], rtol=1e-12)
    assert [parameter.name for parameter in dense("fc", 6, 4, bias=False).parameters] == ["fc.weight"]

    layer = norm("norm", 6, eps=0.5)
    p = numbers(layer)
    xhat = (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 0.5)
    np.testing.assert_allclose(layer(ops, p, X), xhat * p["norm.weight"] + p["norm.bias"], rtol=1e-10, atol=1e-12)

    for kind in ("erf", "tanh"):
        layer = mlp("mlp", 6, 4, kind)
        p = numbers(layer)
        hidden = ops.gelu_forward(X @ p["mlp.fc1.weight"] + p["mlp.fc1.bias"], kind)[0]
        np.testing.assert_allclose(layer(ops, p, X), hidden @ p["mlp.fc2.weight"] + p["mlp.fc2.bias"], rtol=1e-12)


def test_a_forward_alone_asks_for_no_slope():
    """With one it costs a third more. The forward that a backward follows has it."""
    told, layer = [], mlp("mlp", 6, 4)

    def gelu_forward(x, **options):
        told.append(options)
        return ops.gelu_forward(x, **options)

    watched = SimpleNamespace(linear_forward=ops.linear_forward, gelu_forward=gelu_forward)
    p = numbers(layer)
    np.testing.assert_array_equal(layer(watched, p, X), layer.forward(watched, p, X)[0])
    assert told == [{"kind": "erf", "with_slope": False}, {"kind": "erf"}]


def test_swiglu_has_its_gate_in_the_first_half_of_the_first_layer():
    layer = swiglu("mlp", 6, 4)
    p = numbers(layer)
    both = X @ p["mlp.fc1.weight"] + p["mlp.fc1.bias"]
    gate, value = both[..., :4], both[..., 4:]
    expected = (gate / (1 + np.exp(-gate)) * value) @ p["mlp.fc2.weight"] + p["mlp.fc2.bias"]
    np.testing.assert_allclose(layer(ops, p, X), expected, rtol=1e-12)


def test_attention_is_the_loop_over_images_heads_and_queries():
    layer, d = attention("attn", 6, 2), 3
    p = numbers(layer)
    qkv = X @ p["attn.qkv.weight"] + p["attn.qkv.bias"]
    mixed = np.zeros_like(X)
    for image, h, n in np.ndindex(2, 2, 7):
        part = slice(h * d, (h + 1) * d)
        q, k, v = (qkv[image, :, i * 6 : i * 6 + 6][:, part] for i in range(3))
        weights = np.exp(k @ q[n] / np.sqrt(d))
        mixed[image, n, part] = weights @ v / weights.sum()
    np.testing.assert_allclose(layer(ops, p, X), mixed @ p["attn.proj.weight"] + p["attn.proj.bias"], rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("relative", [False, True])
def test_first_attention_is_the_first_rows_of_attention(count, relative):
    """The same parameters, under the same names; and the same gradients, where nobody reads the other rows."""
    every = attention("attn", 6, 2, bias=relative_bias(RELATIVE, "attn") if relative else None)
    bias = relative_bias(RELATIVE, "attn", read=count) if relative else None
    first = first_attention("attn", 6, 2, count, bias=bias)
    p = numbers(every) | {parameter.name: parameter.fixed() for parameter in first.parameters if parameter.fixed}
    names = {parameter.name for parameter in every.parameters if not parameter.fixed}
    assert {parameter.name for parameter in first.parameters if not parameter.fixed} == names
    (rows, first_cache), (all_rows, cache) = (layer.forward(ops, p, X) for layer in (first, every))
    np.testing.assert_allclose(rows, all_rows[:, :count], rtol=1e-12)
    dy = np.random.default_rng(2).standard_normal(rows.shape)
    dx, grads = first.backward(ops, dy, first_cache)
    expected_dx, expected = every.backward(ops, np.pad(dy, ((0, 0), (0, 7 - count), (0, 0))), cache)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-10, atol=1e-13)
    assert grads.keys() == expected.keys() == names
    for name in names:
        np.testing.assert_allclose(grads[name], expected[name], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("part", [mlp, swiglu])
def test_an_mlp_drops_hidden_units_in_training(part):
    """With weights that hand the hidden units on: a dropped one is 0, another is doubled."""
    layer, plain = part("mlp", 6, 40, dropout=0.5), part("mlp", 6, 40)
    p = numbers(layer) | {"mlp.fc2.weight": np.eye(40)[:, :6], "mlp.fc2.bias": np.zeros(6)}
    expected, y = plain(ops, p, X), layer.forward(ops, p, X, np.random.default_rng(3))[0]
    np.testing.assert_array_equal(layer(ops, p, X), expected)
    dropped = y == 0
    assert 0.3 < dropped.mean() < 0.7
    np.testing.assert_allclose(y[~dropped], 2 * expected[~dropped], rtol=1e-12)


def test_a_branch_ends_in_what_is_configured():
    def words(layers):
        return [repr(layer) for layer in layers]

    assert words(branch_end("ls", 6, None, 0.0, 0.0)) == [] == drop(0.0)
    assert words(branch_end("ls", 6, 0.1, 0.2, 0.3)) == [
        "dropout(rate=0.2)", "layerscale(ls.gamma)", "drop_path(rate=0.3)",
    ]  # fmt: skip
    (scale,) = branch_end("ls", 6, 0.1, 0.0, 0.0)
    assert isinstance(scale, Op) and scale.parameters[0].mean == 0.1
