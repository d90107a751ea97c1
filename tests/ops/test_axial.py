"""Axial attention is full attention that may look along one line only, and so costs less."""

import numpy as np
import pytest

from minivit import ops

GRID, HEADS = (2, 3), 2
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 6, 8))
WEIGHTS = [RNG.standard_normal(shape) for shape in ((8, 24), (24,), (8, 8), (8,))]
ROW, COLUMN = (a.ravel() for a in np.mgrid[:2, :3])


@pytest.mark.parametrize(("along", "line"), [("row", ROW), ("column", COLUMN)])
def test_it_is_full_attention_masked_to_the_line(along, line):
    mask = np.where(line[:, None] == line, 0, -np.inf)[None]
    with np.errstate(invalid="ignore"):
        expected, _ = ops.multihead_attention_forward(X, *WEIGHTS, HEADS, mask)
    y, _ = ops.axial_attention_forward(X, *WEIGHTS, HEADS, GRID, along)
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize("along", ["row", "column"])
def test_tokens_come_back_from_their_lines(along):
    lines = ops.to_lines(X, GRID, along)
    assert lines.shape == {"row": (4, 3, 8), "column": (6, 2, 8)}[along]
    np.testing.assert_array_equal(ops.from_lines(lines, GRID, along), X)


@pytest.mark.parametrize(("along", "shape"), [("row", (2, 2, HEADS, 3, 3)), ("column", (2, 3, HEADS, 2, 2))])
def test_the_weights_are_those_that_are_used(along, shape):
    weights = ops.axial_attention_weights(X, *WEIGHTS[:2], HEADS, GRID, along)
    assert weights.shape == shape
    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    v = ops.to_lines((X @ WEIGHTS[0] + WEIGHTS[1])[..., 16:], GRID, along)
    v = v.reshape(*shape[:2], -1, HEADS, 4).swapaxes(2, 3)  # (B, lines, H, n, d)
    mixed = (weights @ v).swapaxes(2, 3).reshape(-1, shape[-1], 8)
    y, _ = ops.axial_attention_forward(X, *WEIGHTS, HEADS, GRID, along)
    np.testing.assert_allclose(ops.from_lines(mixed, GRID, along) @ WEIGHTS[2] + WEIGHTS[3], y, atol=1e-12)


def test_rows_and_columns_cost_h_plus_w_a_token():
    """Counted: the pairs of tokens that are compared, on a grid of 14 x 14."""
    grid, x = (14, 14), np.zeros((1, 196, 8))
    pairs = sum(ops.axial_attention_weights(x, *WEIGHTS[:2], 1, grid, along).size for along in ("row", "column"))
    assert pairs == 196 * (14 + 14)
    assert ops.multihead_attention_weights(x, *WEIGHTS[:2], 1).size == 196 * 196
