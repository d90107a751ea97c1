"""Attention where padding could be seen: all scores far below 0, masks of -1e4, and keys that just fill their tiles."""

import dataclasses
import itertools

import numpy as np
import pytest
from attention_support import SMALL, both, ladder, magnitudes, reference, values
from kernel_support import FLOAT_AND_DOUBLE, assert_close_to_reference, compile_together, run_by_name
from test_devices import PLAIN

from minivit import ViT
from minivit.proof import order_one_parameters

for dtype, N in itertools.product((np.float32, np.float64), (5, 32, 33, 64)):
    for versions in ladder(SMALL, dtype):
        compile_together(both(versions, 1, 1, N, SMALL, dtype, True), paths=["source"])


def check(versions, given, N, dtype, H=2):
    run_by_name(both(versions, 1, H, N, SMALL, dtype, True), given)
    expected64, expected32, magnitude = reference(given, np.float64), reference(given, np.float32), magnitudes(given)
    for name in expected64:
        assert_close_to_reference(given[name], expected64[name], expected32[name], magnitude[name])


@pytest.mark.parametrize("N", [5, 33])
@FLOAT_AND_DOUBLE
def test_a_key_of_padding_is_no_maximum(dtype, N):
    """Where all scores lie near -200, a score of 0 for a key that is not there would be the largest, and the weights of
    the others, exp(-200), nothing in float: a sum of 0."""
    for versions in ladder(SMALL, dtype):
        given = values(1, 2, N, SMALL, dtype)
        given["bias"] -= 200
        check(versions, given, N, dtype)


@pytest.mark.parametrize("mask", [-1e4, float(np.finfo(np.float32).min)])
@FLOAT_AND_DOUBLE
def test_masked_keys_have_no_weight(dtype, mask):
    """As models mask them: query 0 sees the last key alone, which lies in the second tile; others all but the first."""
    N = 33
    for versions in ladder(SMALL, dtype):
        given = values(1, 2, N, SMALL, dtype)
        given["bias"][:, :, 0] = mask
        given["bias"][:, 0, :-1] = mask
        run_by_name(both(versions, 1, 2, N, SMALL, dtype, True), given)
        expected = reference(given, np.float64)
        np.testing.assert_allclose(given["out"][0, 0], given["qkv"][0, -1, 2], rtol=1e-6)
        for name in ("out", "dqkv", "dbias"):
            np.testing.assert_allclose(given[name], expected[name], atol=2e-5 if dtype == np.float32 else 1e-10)
        assert not given["dbias"][:, 1:, 0].any()


@FLOAT_AND_DOUBLE
def test_a_query_all_of_whose_keys_are_masked_sees_them_alike(dtype):
    """-1e4 is a score like any other: LOWEST, with which the maximum begins, must lie below it."""
    N = 33
    for versions in ladder(SMALL, dtype):
        given = values(1, 2, N, SMALL, dtype)
        given["qkv"][:, 3, 0] = 0  # whose scores are the bias then, and nothing is rounded
        given["bias"][:, 3] = -1e4
        run_by_name(both(versions, 1, 2, N, SMALL, dtype, True), given)
        np.testing.assert_allclose(given["out"][0, 3], given["qkv"][0, :, 2].mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(given["lse"][0, :, 3], -1e4 + np.log(N), rtol=1e-6)
        assert all(np.isfinite(given[name]).all() for name in ("out", "lse", "dqkv", "dbias"))


@pytest.mark.parametrize("N", [32, 64])
@FLOAT_AND_DOUBLE
def test_a_bias_where_the_tiles_are_full(dtype, N):
    for versions in ladder(SMALL, dtype):
        check(versions, values(1, 2, N, SMALL, dtype), N, dtype)


def test_attention_dropout_draws_the_same_on_every_device():
    """The fused kernel has no weights to drop; what is taken instead draws as NumPy does."""
    config = dataclasses.replace(PLAIN, attention_dropout=0.3)
    cpu = ViT(config, dtype=np.float64, params=order_one_parameters(config, np.random.default_rng(0)))
    emulator = ViT(config, dtype=np.float64, params=cpu.params, device="emulator")
    rng = np.random.default_rng(1)
    images, labels = rng.uniform(size=(3, 28, 28, 1)), np.array([1, 0, 9])
    drawn, other = (cpu.loss_and_grads(images, labels, np.random.default_rng(seed)) for seed in (5, 6))
    loss, grads = emulator.loss_and_grads(images, labels, np.random.default_rng(5))
    assert abs(loss - drawn[0]) <= 1e-11 < abs(other[0] - drawn[0])
    for name, expected in drawn[1].items():
        largest = np.abs(expected).max() or 1
        np.testing.assert_allclose(emulator.device.to_numpy(grads[name]), expected, rtol=0, atol=1e-10 * largest)
