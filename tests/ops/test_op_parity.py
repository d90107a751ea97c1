"""The operations give PyTorch's numbers, forward and backward (computed once in float64, stored in fixtures/parity)."""

from pathlib import Path

import numpy as np
import pytest

from minivit import ops

FIXTURE = dict(np.load(Path(__file__).parents[1] / "fixtures" / "parity" / "ops.npz"))


def assert_same(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "forward", "backward", "arguments"),
    [
        ("linear", ops.linear_forward, ops.linear_backward, "x w b"),
        ("layernorm", lambda *args: ops.layernorm_forward(*args, 1e-6), ops.layernorm_backward, "x gamma beta"),
        ("gelu_erf", lambda x: ops.gelu_forward(x, "erf"), ops.gelu_backward, "x"),
        ("gelu_tanh", lambda x: ops.gelu_forward(x, "tanh"), ops.gelu_backward, "x"),
        ("attention", ops.attention_forward, ops.attention_backward, "q k v"),
    ],
)
def test_parity(name, forward, backward, arguments):
    arguments = arguments.split()
    y, cache = forward(*(FIXTURE[f"{name}.{argument}"] for argument in arguments))
    assert_same(y, FIXTURE[f"{name}.out"])
    gradients = backward(FIXTURE[f"{name}.dout"], cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for argument, gradient in zip(arguments, gradients, strict=False):  # attention returns a fourth, for its bias: None
        assert_same(gradient, FIXTURE[f"{name}.d{argument}"])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_parity(smoothing):
    name = f"cross_entropy_{smoothing}"
    loss, cache = ops.cross_entropy_forward(FIXTURE[f"{name}.logits"], FIXTURE[f"{name}.labels"], smoothing)
    assert_same(loss, FIXTURE[f"{name}.loss"])
    assert_same(ops.cross_entropy_backward(1.0, cache), FIXTURE[f"{name}.dlogits"])
