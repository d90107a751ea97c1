"""Axial attention is full attention that may look along one line only, and so costs less."""

import numpy as np
import pytest

from minivit import ops

GRID, HEADS = (2, 3), 2
QKV = np.random.default_rng(0).standard_normal((2, 6, 24))
ROW, COLUMN = (a.ravel() for a in np.mgrid[:2, :3])


@pytest.mark.parametrize(("along", "line"), [("row", ROW), ("column", COLUMN)])
def test_it_is_full_attention_masked_to_the_line(along, line):
    mask = np.where(line[:, None] == line, 0, -np.inf)[None]
    with np.errstate(invalid="ignore"):
        expected, _ = ops.self_attention_forward(QKV, mask, HEADS)
    lines, _ = ops.lines_forward(QKV, GRID, along)
    y, _ = ops.unlines_forward(ops.self_attention_forward(lines, heads=HEADS)[0], GRID, along)
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize("along", ["row", "column"])
def test_tokens_come_back_from_their_lines(along):
    lines, _ = ops.lines_forward(QKV, GRID, along)
    assert lines.shape == {"row": (4, 3, 24), "column": (6, 2, 24)}[along]
    np.testing.assert_array_equal(ops.unlines_forward(lines, GRID, along)[0], QKV)


def test_rows_and_columns_cost_h_plus_w_a_token():
    """Counted: the pairs of tokens that are compared, on a grid of 14 x 14."""
    grid, qkv = (14, 14), np.zeros((1, 196, 24))
    lines = [ops.lines_forward(qkv, grid, along)[0] for along in ("row", "column")]
    assert sum(ops.self_attention_weights(line).size for line in lines) == 196 * (14 + 14)
    assert ops.self_attention_weights(qkv).size == 196 * 196
