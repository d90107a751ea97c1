"""Positions: each kind against its definition, token by token."""

import math

import numpy as np
import pytest

from minivit import ops

GRID = GH, GW = 2, 3


def test_1d_adds_the_same_table_to_every_image_and_another_row_to_every_token():
    x, table = np.random.default_rng(0).standard_normal((4, 6, 8)), np.arange(48.0).reshape(1, 6, 8)
    y, _ = ops.add_position_forward(x, table)
    for b, n in np.ndindex(4, 6):
        np.testing.assert_allclose(y[b, n], x[b, n] + table[0, n])


def test_2d_joins_the_rows_half_and_the_columns_half():
    rng = np.random.default_rng(0)
    row, column = rng.standard_normal((GH, 4)), rng.standard_normal((GW, 4))
    table, _ = ops.position_2d_forward(row, column)
    assert table.shape == (1, GH * GW, 8)
    for i, j in np.ndindex(GRID):
        np.testing.assert_array_equal(table[0, i * GW + j], [*row[i], *column[j]])


@pytest.mark.parametrize("width", [4, 8, 16])
def test_sincos2d_is_big_visions_formula(width):
    table = ops.position_sincos_2d(GRID, width)
    quarter = width // 4
    assert table.shape == (1, GH * GW, width)
    for y, x in np.ndindex(GRID):
        waves = [1 / 10000 ** (i / max(1, quarter - 1)) for i in range(quarter)]
        expected = [f(place * w) for place in (x, y) for f in (math.sin, math.cos) for w in waves]
        np.testing.assert_allclose(table[0, y * GW + x], expected, atol=1e-12)


def test_sincos2d_tells_all_tokens_apart_and_has_the_dtype_asked_for():
    table = ops.position_sincos_2d(GRID, 8, np.float32)
    assert table.dtype == np.float32
    assert len(np.unique(table[0], axis=0)) == GH * GW


def test_relative_index_has_one_entry_an_offset():
    index = ops.relative_index(GRID, class_token=False)
    places = list(np.ndindex(GRID))
    entry_of_offset = {}
    for q, (qi, qj) in enumerate(places):
        for k, (ki, kj) in enumerate(places):
            entry_of_offset.setdefault((qi - ki, qj - kj), set()).add(int(index[q, k]))
    assert all(len(entries) == 1 for entries in entry_of_offset.values())
    used = set.union(*entry_of_offset.values())
    assert used == set(range(ops.relative_table_size(GRID, class_token=False)))
    assert len(used) == len(entry_of_offset) == (2 * GH - 1) * (2 * GW - 1)


def test_relative_index_of_opposite_offsets_mirrors_around_the_middle():
    index = ops.relative_index(GRID, class_token=False)
    last = ops.relative_table_size(GRID, class_token=False) - 1
    np.testing.assert_array_equal(index + index.T, last)
    np.testing.assert_array_equal(np.diagonal(index), last // 2)


def test_relative_index_keeps_three_entries_for_the_class_token():
    index, patches = ops.relative_index(GRID, class_token=True), ops.relative_index(GRID, class_token=False)
    first = ops.relative_table_size(GRID, class_token=False)
    np.testing.assert_array_equal(index[1:, 1:], patches)
    assert set(index[0, 1:]) == {first}  # cls looks at a patch: the order of BEiT
    assert set(index[1:, 0]) == {first + 1}  # a patch looks at cls
    assert index[0, 0] == first + 2
    assert ops.relative_table_size(GRID, class_token=True) == first + 3


def test_relative_bias_reads_each_heads_own_column():
    table = np.random.default_rng(0).standard_normal((ops.relative_table_size(GRID, class_token=False), 4))
    index = ops.relative_index(GRID, class_token=False)
    bias, _ = ops.relative_bias_forward(table, index)
    assert bias.shape == (4, 6, 6)
    for h, q, k in np.ndindex(bias.shape):
        assert bias[h, q, k] == table[index[q, k], h]
