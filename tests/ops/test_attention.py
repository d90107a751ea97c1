"""Attention and its heads against loops that spell the formula out, and at scores that would overflow."""

import math

import numpy as np
import pytest

from minivit import ops

B, H, N, d = 2, 3, 5, 4
D = H * d


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def naive_attention(q, k, v, bias=None):
    """One head of one image, one query at a time: q, k, v (N, d), bias (N, N)."""
    out = np.zeros_like(v)
    for i, query in enumerate(q):
        scores = [sum(query * key) / math.sqrt(len(key)) for key in k]
        if bias is not None:
            scores = [score + bias[i, j] for j, score in enumerate(scores)]
        e = [math.exp(score) for score in scores]
        for j, value in enumerate(v):
            out[i] += e[j] / sum(e) * value
    return out


@pytest.mark.parametrize("bias", [None, normal(H, N, N, seed=3)], ids=["no bias", "bias"])
def test_attention_is_the_loop_over_queries(bias):
    q, k, v = normal(3, B, H, N, d)
    out, _ = ops.attention_forward(q, k, v, bias)
    for b in range(B):
        for h in range(H):
            expected = naive_attention(q[b, h], k[b, h], v[b, h], None if bias is None else bias[h])
            np.testing.assert_allclose(out[b, h], expected, atol=1e-12)


def test_self_attention_is_the_loop_over_heads():
    qkv = normal(B, N, 3 * D)
    y, _ = ops.self_attention_forward(qkv, heads=H)
    for b in range(B):
        heads = []
        for h in range(H):
            columns = [slice(part * D + h * d, part * D + (h + 1) * d) for part in range(3)]
            heads.append(naive_attention(*(qkv[b][:, c] for c in columns)))
        np.testing.assert_allclose(y[b], np.concatenate(heads, axis=1), atol=1e-12)


def test_self_attention_of_windows_is_that_of_each_with_its_own_bias():
    qkv, bias = normal(B, 2, N, 3 * D), normal(2, H, N, N, seed=1)
    y, _ = ops.self_attention_forward(qkv, bias, H)
    for window in range(2):
        expected, _ = ops.self_attention_forward(qkv[:, window], bias[window], H)
        np.testing.assert_allclose(y[:, window], expected, atol=1e-12)


def test_cross_attention_of_its_own_tokens_is_self_attention():
    qkv, bias = normal(B, N, 3 * D), normal(H, N, N)
    y, cache = ops.self_attention_forward(qkv, bias, H)
    first, first_cache = ops.cross_attention_forward(qkv[:, :2, :D], qkv[:, :, D:], bias[:, :2], H)
    np.testing.assert_allclose(first, y[:, :2], atol=1e-12)
    dy = np.concatenate((normal(B, 2, D), np.zeros((B, N - 2, D))), axis=1)  # of these two alone
    dqkv, dbias = ops.self_attention_backward(dy, cache)
    dq, dkv, dfirst = ops.cross_attention_backward(dy[:, :2], first_cache)
    np.testing.assert_allclose(dq, dqkv[:, :2, :D], atol=1e-12)
    np.testing.assert_allclose(dkv, dqkv[:, :, D:], atol=1e-12)
    np.testing.assert_allclose(dfirst, dbias[:, :2], atol=1e-12)


def test_self_attention_weights_are_those_that_mix_the_values():
    qkv, bias = normal(B, N, 3 * D), normal(H, N, N)
    weights = ops.self_attention_weights(qkv, bias, H)
    values = ops.split_heads(qkv, 3, H)[2]
    y, _ = ops.self_attention_forward(qkv, bias, H)
    np.testing.assert_allclose(ops.merge_heads(weights @ values), y, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-12)


def test_split_heads_orders_the_columns_part_head_d():
    qkv = np.arange(B * N * 3 * D).reshape(B, N, 3 * D)
    q, k, v = ops.split_heads(qkv, 3, H)
    assert q.shape == (B, H, N, d)
    np.testing.assert_array_equal(q[1, 2, 3], qkv[1, 3, 2 * d : 3 * d])
    np.testing.assert_array_equal(k[1, 2, 3], qkv[1, 3, D + 2 * d : D + 3 * d])
    np.testing.assert_array_equal(v[1, 2, 3], qkv[1, 3, 2 * D + 2 * d :])
    np.testing.assert_array_equal(ops.merge_heads(v), qkv[:, :, 2 * D :])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_scores_stay_finite_and_pick_one_value(dtype):
    """Scores of ±1e4: exp of one overflows, but the softmax is simply 1 at the key that matches."""
    q = 1e4 * np.sqrt(d) * np.eye(N, d, dtype=dtype)[None, None]
    k = (2 * np.eye(N, d, dtype=dtype) - 1)[None, None]  # scores: +1e4 where query and key match, -1e4 elsewhere
    v = normal(1, 1, N, d).astype(dtype)
    out, cache = ops.attention_forward(q, k, v)
    np.testing.assert_allclose(out[0, 0, :d], v[0, 0, :d], rtol=1e-6)
    np.testing.assert_allclose(
        out[0, 0, d], v[0, 0].mean(axis=0), rtol=1e-5
    )  # the last query is zero: it sees all alike
    assert all(np.isfinite(gradient).all() for gradient in ops.attention_backward(np.ones_like(out), cache)[:3])


def test_dropout_takes_weights_away_from_the_mean_of_values():
    q, k, v = normal(3, B, H, N, d)
    out, _ = ops.attention_forward(q, k, v, None, 0.5, np.random.default_rng(0))
    dropped, _ = ops.dropout_forward(ops.attention_weights(q, k), 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(out, dropped @ v, atol=1e-12)
    assert not np.allclose(out, ops.attention_forward(q, k, v)[0])


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-4), (np.float64, 1e-10)])
@pytest.mark.parametrize("shift", [0, 45, -45, 1e4, -1e4])
def test_softmax_rows_are_probabilities_wherever_the_row_lies(shift, dtype, bound):
    x = (np.round(64 * normal(B, N, 7)) / 64).astype(dtype)  # in 64ths: no digit is lost to the shift
    p, _ = ops.softmax_forward(x + dtype(shift))
    np.testing.assert_allclose(p.sum(axis=-1), 1, atol=bound)
    np.testing.assert_allclose(p, np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True), atol=bound)


def test_softmax_of_rows_far_apart():
    x = np.array([[49.0, 48.0], [-49.0, -48.0], [-49.0, 49.0]], np.float32)
    p, cache = ops.softmax_forward(x)
    np.testing.assert_allclose(p, [[0.7310586, 0.2689414], [0.2689414, 0.7310586], [0, 1]], atol=1e-6)
    assert np.isfinite(ops.softmax_backward(np.ones_like(p), cache)).all()
