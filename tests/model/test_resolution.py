"""A model at another image size: its positions are resized, all else is the same; and what that means for a picture."""

import dataclasses

import numpy as np
import pytest

from minivit import ViT, ViTConfig, ops
from minivit.model import parameter_shapes
from minivit.model.resolution import at_resolution
from minivit.ops.resize import METHODS
from minivit.proof import order_one_parameters

SMALL = ViTConfig(image_size=(12, 8), patch_size=2, channels=1, classes=3, width=8, depth=2, heads=2, registers=2)


def both(new_size=(16, 14), method=None, **changes):
    """A model of random parameters and the same at another size: its configuration and parameters, twice."""
    config = dataclasses.replace(SMALL, **changes)
    params = order_one_parameters(config)
    return config, params, *at_resolution(config, params, new_size, method)


@pytest.mark.parametrize(
    "options",
    [{}, {"distilled": True}, {"pool": "gap"}, {"position": "2d"}, {"position": "none"}, {"position": "sincos2d"}]
    + [{"position": "relative", "registers": 0}, {"position": "relative", "registers": 0, "pool": "gap"}],
    ids=str,
)
def test_only_the_positions_change(options):
    config, params, new, resized = both(**options)
    assert new == dataclasses.replace(config, image_size=(16, 14))
    assert {name: array.shape for name, array in resized.items()} == parameter_shapes(new)
    for name, array in resized.items():
        if "pos_embed" not in name and "relative" not in name:
            assert array is params[name]
    logits = ViT(new, params=resized)(np.random.default_rng(0).random((2, 16, 14, 1)))
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_tokens_without_a_place_keep_their_positions(method):
    config, params, new, resized = both(distilled=True, method=method)
    np.testing.assert_array_equal(resized["pos_embed"][:, :2], params["pos_embed"][:, :2])
    expected, _ = ops.resize_positions_forward(params["pos_embed"][:, 2:], config.grid, new.grid, 0, method)
    np.testing.assert_array_equal(resized["pos_embed"][:, 2:], expected)


@pytest.mark.parametrize("method", METHODS)
def test_2d_positions_are_resized_as_the_table_that_they_make(method):
    config, params, new, resized = both(position="2d", method=method)

    def table(p):
        return ops.position_2d_forward(p["pos_embed.row"], p["pos_embed.column"])[0]

    expected, _ = ops.resize_positions_forward(table(params), config.grid, new.grid, 0, method)
    np.testing.assert_allclose(table(resized), expected, atol=1e-12)


def test_relative_tables_keep_offset_0_in_the_middle_and_the_class_tokens_entries_at_the_end():
    name = "blocks.1.attn.relative_position_bias_table"
    down, right = np.mgrid[-5:6, -3:4].reshape(2, -1)  # the offsets of a grid of 6 x 4
    table = np.concatenate((np.stack((down, right), axis=1), [[7, 8], [9, 10], [11, 12]])).astype(float)
    config = dataclasses.replace(SMALL, position="relative", registers=0)
    _, resized = at_resolution(config, {name: table}, (24, 20), "bilinear_align_corners")
    offsets = resized[name][:-3].reshape(23, 19, 2)
    np.testing.assert_allclose(offsets[11, 9], 0, atol=1e-12)
    np.testing.assert_allclose(offsets[:, 0, 0], np.linspace(-5, 5, 23), atol=1e-12)
    np.testing.assert_allclose(offsets[0, :, 1], np.linspace(-3, 3, 19), atol=1e-12)
    np.testing.assert_array_equal(resized[name][-3:], table[-3:])


def test_the_rule_is_the_configurations_unless_another_is_asked_for():
    smaller = (6, 4)  # for a larger grid there is nothing to smooth, and "bilinear" does what its antialiased form does
    results = {m: both(smaller, position_resize=m)[3]["pos_embed"] for m in METHODS}
    for i, m in enumerate(METHODS):
        np.testing.assert_array_equal(both(smaller, m)[3]["pos_embed"], results[m])
        assert all(np.abs(results[m] - results[other]).max() > 1e-3 for other in METHODS[:i])


def test_the_same_size_changes_nothing_and_a_wrong_one_is_refused():
    config, params, new, resized = both(new_size=(12, 8))
    assert new == config and all(resized[name] is params[name] for name in params)
    with pytest.raises(ValueError, match="height 13 is not a multiple of 2"):
        at_resolution(config, params, (13, 8))


def test_float32_stays():
    for position in ("1d", "2d", "relative"):
        config = dataclasses.replace(SMALL, position=position, registers=0)
        model = ViT(config)
        _, resized = at_resolution(config, model.params, (16, 14))
        assert {array.dtype for array in resized.values()} == {np.dtype(np.float32)}
