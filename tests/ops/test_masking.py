"""Keeping a few tokens and filling all places again, as loops over tokens; the loss on what was hidden; MAE's waves."""

import math

import numpy as np
import pytest

from minivit import ops

RNG = np.random.default_rng(0)
NOISE = np.array([[0.7, 0.1, 0.9, 0.3, 0.5], [0.2, 0.8, 0.4, 0.6, 0.0]])
X = RNG.standard_normal((2, 1 + 5, 3))


def test_the_order_is_the_noises():
    order, restore = ops.shuffle(NOISE)
    np.testing.assert_array_equal(order, [[1, 3, 4, 0, 2], [4, 0, 2, 3, 1]])
    for b, n in np.ndindex(2, 5):
        assert order[b, restore[b, n]] == n


def test_equal_noise_keeps_the_order_of_the_patches():
    order, restore = ops.shuffle(np.zeros((1, 4)))
    np.testing.assert_array_equal(order, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(restore, order)


@pytest.mark.parametrize("prefix", [0, 1])
def test_kept_are_those_of_the_smallest_noise_in_its_order(prefix):
    x = X[:, 1 - prefix :]
    y, _ = ops.keep_tokens_forward(x, *ops.shuffle(NOISE), 2, prefix)
    for b in range(2):
        kept = sorted(range(5), key=lambda n, b=b: NOISE[b, n])[:2]
        expected = [*x[b, :prefix], *(x[b, prefix + n] for n in kept)]
        np.testing.assert_array_equal(y[b], expected)


@pytest.mark.parametrize("prefix", [0, 1])
def test_what_was_left_out_is_one_token_at_its_own_place(prefix):
    order, restore = ops.shuffle(NOISE)
    x, token = X[:, 1 - prefix :], np.arange(3.0)[None, None]
    kept, _ = ops.keep_tokens_forward(x, order, restore, 2, prefix)
    y, _ = ops.restore_tokens_forward(kept, token, order, restore, prefix)
    for b in range(2):
        np.testing.assert_array_equal(y[b, :prefix], x[b, :prefix])
        for n in range(5):
            there = sum(NOISE[b] < NOISE[b, n]) < 2
            np.testing.assert_array_equal(y[b, prefix + n], x[b, prefix + n] if there else token[0, 0])


def test_only_hidden_patches_count_and_each_as_much_as_another():
    prediction, target = RNG.standard_normal((2, 2, 3, 4))
    mask = np.array([[1.0, 0, 1], [0, 0, 1]])
    errors = [
        sum((prediction[b, n, i] - target[b, n, i]) ** 2 for i in range(4)) / 4
        for b, n in np.ndindex(2, 3)
        if mask[b, n]
    ]
    assert float(ops.masked_mse_forward(prediction, target, mask)[0]) == pytest.approx(sum(errors) / 3)


def test_a_standardised_patch_has_the_unbiased_variance():
    patches = RNG.standard_normal((1, 2, 5)) * 3 + 1
    y, _ = ops.standardise_patches_forward(patches, eps=0.25)
    for n in range(2):
        mean = sum(patches[0, n]) / 5
        variance = sum((x - mean) ** 2 for x in patches[0, n]) / 4
        np.testing.assert_allclose(y[0, n], [(x - mean) / math.sqrt(variance + 0.25) for x in patches[0, n]])


def test_the_first_half_of_a_wave_is_the_columns():
    table = ops.position_mae((2, 3), 8)
    assert table.shape == (1, 7, 8) and not table[0, 0].any()
    for row, column in np.ndindex(2, 3):
        expected = [
            wave(place / 10000 ** (j / 2)) for place in (column, row) for wave in (math.sin, math.cos) for j in range(2)
        ]
        np.testing.assert_allclose(table[0, 1 + 3 * row + column], expected)
    x = RNG.standard_normal((2, 7, 8))
    np.testing.assert_array_equal(ops.add_fixed_position_forward(x, table)[0], x + table)
