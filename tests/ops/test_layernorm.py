"""LayerNorm's formula, where ε stands, which variance, and a mean that would swallow the digits."""

import numpy as np
import pytest

from minivit import ops

rng = np.random.default_rng(0)
X, GAMMA, BETA = rng.standard_normal((2, 5, 6)), rng.standard_normal(6), rng.standard_normal(6)


@pytest.mark.parametrize("eps", [1e-6, 0.5])
def test_the_formula_token_by_token(eps):
    y, _ = ops.layernorm_forward(X, GAMMA, BETA, eps)
    for b, n in np.ndindex(2, 5):
        token = X[b, n]
        variance = sum((token - token.mean()) ** 2) / 6  # divided by D, not by D − 1
        expected = GAMMA * (token - token.mean()) / np.sqrt(variance + eps) + BETA
        np.testing.assert_allclose(y[b, n], expected, atol=1e-12)


def test_each_token_has_mean_0_and_variance_1():
    y, _ = ops.layernorm_forward(X, np.ones(6), np.zeros(6), 1e-12)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), 1, atol=1e-10)


def test_a_large_mean_costs_no_more_digits_than_x_has_lost():
    """float32 keeps 7 digits of x + 1000: 4 of x. E[x²] − μ² would be left with none."""
    far = (X + 1000).astype(np.float32)
    y, _ = ops.layernorm_forward(far, GAMMA.astype(np.float32), BETA.astype(np.float32))
    expected, _ = ops.layernorm_forward(far.astype(np.float64), GAMMA, BETA)
    np.testing.assert_allclose(y, expected, atol=1e-3)


def test_a_constant_token_gives_beta_and_finite_gradients():
    y, cache = ops.layernorm_forward(np.full((1, 1, 6), 3.0), GAMMA, BETA)
    np.testing.assert_allclose(y[0, 0], BETA, atol=1e-9)
    assert all(np.isfinite(gradient).all() for gradient in ops.layernorm_backward(np.ones_like(y), cache))
