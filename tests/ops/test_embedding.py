"""Words looked up and words asked for, as loops over places."""

import math

import numpy as np
import pytest

from minivit import ops
from minivit.ops.embedding import sum_by_row

RNG = np.random.default_rng(0)
IDS = np.array([[3, 0, 3, 1], [0, 0, 5, 3]])
TABLE = RNG.standard_normal((6, 2))


def test_a_word_is_its_row():
    y, _ = ops.embedding_forward(IDS, TABLE)
    for b, n in np.ndindex(2, 4):
        np.testing.assert_array_equal(y[b, n], TABLE[IDS[b, n]])
    x = RNG.standard_normal((2, 4, 2))
    np.testing.assert_array_equal(ops.add_embedding_forward(x, TABLE, IDS)[0], x + y)


def test_a_rows_gradient_is_the_sum_over_its_places_but_paddings():
    dy, expected = RNG.standard_normal((2, 4, 2)), np.zeros((6, 2))
    for b, n in np.ndindex(2, 4):
        expected[IDS[b, n]] += dy[b, n]
    for padding in (None, 0, 3):
        nothing, dtable = ops.embedding_backward(dy, ops.embedding_forward(IDS, TABLE, padding)[1])
        np.testing.assert_allclose(dtable, [row * (i != padding) for i, row in enumerate(expected)], atol=1e-15)
        assert nothing is None


@pytest.mark.parametrize("ids", [[[4]], [[2, 2, 2]], [[0, 1, 2, 3, 4, 5]], [[5, 4], [5, 0]]])
def test_sum_by_row(ids):
    ids = np.array(ids)
    dy = RNG.standard_normal((*ids.shape, 3)).astype(np.float32)
    expected = np.zeros((6, 3), np.float32)
    np.add.at(expected, ids, dy)
    got = sum_by_row(dy, ids, 6)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert got.dtype == np.float32


def test_short_sentences_take_the_first_positions():
    x = RNG.standard_normal((2, 4, 2))
    y, cache = ops.add_first_rows_forward(x, TABLE)
    for n in range(4):
        np.testing.assert_array_equal(y[:, n], x[:, n] + TABLE[n])
    _, dtable = ops.add_first_rows_backward(np.ones_like(x), cache)
    np.testing.assert_array_equal(dtable, [[2, 2]] * 4 + [[0, 0]] * 2)


def test_a_words_logit_is_the_product_with_its_row():
    x, bias = RNG.standard_normal((2, 3, 2)), RNG.standard_normal(6)
    y, _ = ops.unembed_forward(x, TABLE, bias)
    for b, n, v in np.ndindex(2, 3, 6):
        assert math.isclose(y[b, n, v], x[b, n] @ TABLE[v] + bias[v], rel_tol=1e-12)


def test_the_loss_is_the_mean_over_what_is_asked():
    logits, labels = RNG.standard_normal((2, 3, 4)) * 3, np.array([[-100, 2, -100], [0, 3, -100]])
    losses = [
        -math.log(math.exp(logits[b, n, labels[b, n]]) / sum(map(math.exp, logits[b, n])))
        for b, n in np.ndindex(2, 3)
        if labels[b, n] != -100
    ]
    assert float(ops.asked_cross_entropy_forward(logits, labels)[0]) == pytest.approx(sum(losses) / 3)
    assert float(ops.asked_cross_entropy_forward(logits, labels, 5)[0]) == pytest.approx(sum(losses) / 5)
    dlogits = ops.asked_cross_entropy_backward(1.0, ops.asked_cross_entropy_forward(logits, labels)[1])
    assert dlogits.shape == logits.shape and not dlogits[labels == -100].any()


def test_shards_add_up_where_the_divisor_is_the_whole_batchs():
    logits, labels = RNG.standard_normal((4, 3, 5)), RNG.integers(0, 5, (4, 3))
    labels[RNG.random((4, 3)) < 0.5] = -100
    labels[0], labels[1, 0] = -100, 2  # a sentence of which nothing is asked
    asked = int((labels != -100).sum())
    whole, cache = ops.asked_cross_entropy_forward(logits, labels)
    parts = [ops.asked_cross_entropy_forward(logits[i : i + 1], labels[i : i + 1], asked) for i in range(4)]
    assert float(sum(loss for loss, _ in parts)) == pytest.approx(float(whole))
    dlogits = np.concatenate([ops.asked_cross_entropy_backward(1.0, cache) for _, cache in parts])
    np.testing.assert_allclose(dlogits, ops.asked_cross_entropy_backward(1.0, cache), atol=1e-15)


def test_huge_logits_give_a_finite_loss_and_gradient():
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]])
    loss, cache = ops.asked_cross_entropy_forward(logits, np.array([0, 1]))
    assert math.isclose(loss, 1e4 / 2)
    np.testing.assert_allclose(ops.asked_cross_entropy_backward(1.0, cache), [[0, 0, 0], [0, -0.5, 0.5]], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nobody_looks_at_what_fills_up(dtype):
    mask = ops.key_mask(np.array([[1, 1, 0], [1, 1, 1]]), dtype)
    assert (mask.shape, mask.dtype) == ((2, 1, 1, 3), dtype)
    q = RNG.standard_normal((2, 2, 3, 4)).astype(dtype)
    weights = ops.attention_weights(q, q, mask)
    assert not weights[0, :, :, 2].any()  # exactly
    np.testing.assert_allclose(weights[0, :, :, :2], ops.attention_weights(q, q[:, :, :2])[0], rtol=1e-6)
    np.testing.assert_allclose(weights[1], ops.attention_weights(q, q)[1], rtol=1e-6)
