"""Principal components of the patch filters and of the patch tokens."""

import numpy as np
import pytest
from inspect_support import VARIANTS, raw_images, tiny

from minivit import ops
from minivit.inspect import (
    patch_filter_components,
    patch_filters,
    patch_token_colours,
    patch_tokens,
    position_similarity,
    position_table,
    principal_components,
)
from minivit.proof import order_one_parameters


def test_principal_components_are_the_eigenvectors_of_the_covariance():
    rows = np.random.default_rng(0).normal(size=(30, 5)) * [5, 4, 3, 2, 1] + 7
    directions, share, scores = principal_components(rows, 3)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    np.testing.assert_allclose(share, values[:1:-1] / values.sum())
    np.testing.assert_allclose(np.abs(directions), np.abs(vectors[:, :1:-1].T), atol=1e-10)
    np.testing.assert_allclose(scores, (rows - rows.mean(axis=0)) @ directions.T, atol=1e-10)
    for direction in directions:  # whichever sign the algorithm gave
        assert direction[np.abs(direction).argmax()] > 0
    assert len(principal_components(rows[:2], 3)[0]) == 2


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_the_filters_are_made_of_their_components(dtype, bound):
    model = tiny(dtype)
    filters = patch_filters(model).reshape(8, -1)
    components, share = patch_filter_components(model)
    assert components.shape == (8, 2, 3, 3) and components.dtype == dtype  # 28 are asked for, 8 filters have 8
    flat = components.reshape(8, -1)
    np.testing.assert_allclose(flat[:7] @ flat[:7].T, np.eye(7), atol=bound)
    centred = filters - filters.mean(axis=0)
    np.testing.assert_allclose(centred @ flat.T @ flat, centred, atol=bound)
    assert (np.diff(share) <= 0).all() and share.sum() == pytest.approx(1)
    few, part = patch_filter_components(model, 2)
    assert np.array_equal(few, components[:2]) and np.array_equal(part, share[:2])


def test_a_hybrids_filters_are_those_that_meet_the_pixels():
    model = tiny(**VARIANTS["hybrid"])
    filters = patch_filters(model)
    assert filters.shape == (4, 7, 7, 3)
    assert filters[2, 5, 1, 0] == model.params["stem.conv_root.weight"][5, 1, 0, 2]
    assert patch_filter_components(model)[0].shape == (4, 7, 7, 3)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in ("no positions", "relative")])
def test_positions_are_those_of_the_patches(name):
    model = tiny(**VARIANTS[name])
    if name == "mean of normalised":
        row, column = model.params["pos_embed.row"], model.params["pos_embed.column"]
        table = np.array([np.concatenate((row[i], column[j])) for i in range(3) for j in range(4)])
    elif name == "mean, class token":
        table = ops.position_sincos_2d((3, 4), 8, np.float32)[0]
    else:  # registers have no position
        table = model.params["pos_embed"][0, {"distilled": 2, "mean": 0, "axial": 0}.get(name, 1) :]
    assert np.array_equal(position_table(model), table) and table.shape == (12, 8)
    assert np.diag(position_similarity(model).reshape(12, 12)) == pytest.approx(np.ones(12))


@pytest.mark.parametrize("name", VARIANTS)
def test_patch_tokens_are_the_last_ones_in_reading_order(name):
    model = tiny(**VARIANTS[name])
    images = raw_images(model)
    tokens = patch_tokens(model, images)
    assert tokens.shape == (3, 3, 4, 8)
    assert np.array_equal(tokens[1, 2, 3], model.tokens(model.normalize(images))[1, -1])
    assert np.array_equal(tokens[1, 1, 0], model.tokens(model.normalize(images))[1, -8])
    colours = patch_token_colours(model, images)
    assert colours.shape == (3, 3, 4, 3) and colours.min() == 0 and colours.max() == 1


def test_like_tokens_have_like_colours():
    model = tiny(position="none")
    model.params = {name: array.astype(np.float32) for name, array in order_one_parameters(model.config).items()}
    image = np.zeros((1, 6, 12, 3), np.uint8)
    image[:, :, 6:] = 255  # black on the left, white on the right
    colours = patch_token_colours(model, image)[0]
    np.testing.assert_allclose(colours[:, :2] - colours[0, 0], 0, atol=1e-3)
    np.testing.assert_allclose(colours[:, 2:] - colours[0, 2], 0, atol=1e-3)
    assert abs(colours[0, 0, 0] - colours[0, 2, 0]) == pytest.approx(1)
    assert (colours[..., 1:] == 0.5).all()  # two kinds of tokens differ in one direction: the others are rounding
    assert (patch_token_colours(model, np.zeros_like(image)) == 0.5).all()
