"""Attention maps, rollout and distance, each against a definition that is written another way."""

from types import SimpleNamespace

import numpy as np
import pytest
from inspect_support import VARIANTS, raw_images, tiny

from minivit.inspect import (
    attention_distance,
    attention_maps,
    attention_rollout,
    class_attention,
    even_distance,
    patch_distances,
    rollout,
    seen_by_head,
)
from minivit.model import ViTConfig

READERS = {  # which tokens the head reads, of [cls | dist | registers | 12 patches]
    "mean": range(12),
    "mean of normalised": range(12),
    "mean, class token": range(1, 13),
    "distilled": [0, 1],
    "axial": range(12),
}
PREFIX = {"mean": 0, "mean of normalised": 0, "distilled": 2, "registers": 4, "axial": 0}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_map_is_the_mean_row_of_the_tokens_that_the_head_reads(name):
    model = tiny(**VARIANTS[name])
    images, before = raw_images(model), PREFIX.get(name, 1)
    weights = model.attention(model.normalize(images))
    maps = attention_maps(model, images)
    assert weights.shape == (2, 3, 2, before + 12, before + 12)
    assert maps.shape == (2, 3, 2, 3, 4)
    rows = [weights[1, 2, 0, token, before:] for token in READERS.get(name, [0])]
    np.testing.assert_allclose(maps[1, 2, 0], np.mean(rows, axis=0).reshape(3, 4), atol=1e-6)
    assert np.array_equal(class_attention(model, images), maps[-1])


def rollout_by_hand(weights, fuse, discard):
    """Token by token, head by head, for one image: (L, H, N, N) -> (N, N)."""
    L, H, N, _ = weights.shape
    total = np.eye(N)
    for block in range(L):
        step = np.zeros((N, N))
        for query in range(N):
            row = np.array([fuse([weights[block, head, query, key] for head in range(H)]) for key in range(N)])
            for key in sorted(range(N), key=lambda key: row[key])[: int(discard * N)]:
                row[key] = 0
            row /= row.sum()
            row[query] += 1
            step[query] = row / row.sum()
        total = step @ total
    return total


@pytest.mark.parametrize("discard", [0.0, 0.3, 0.95])
@pytest.mark.parametrize(("fusion", "fuse"), [("mean", np.mean), ("max", max), ("min", min)])
def test_rollout_is_the_product_of_half_attention_half_identity(fusion, fuse, discard):
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(7, 0.5), size=(3, 2, 4, 7))  # (L, B, H, N, N)
    result = rollout(weights, fusion, discard)
    assert result.shape == (2, 7, 7)
    for image in range(2):
        np.testing.assert_allclose(result[image], rollout_by_hand(weights[:, image], fuse, discard), atol=1e-12)


@pytest.mark.parametrize("discard", [0.0, 0.9])
@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("name", VARIANTS)
def test_rollout_of_every_model_has_rows_that_sum_to_1(name, fusion, discard):
    model = tiny(**VARIANTS[name])
    result = attention_rollout(model, raw_images(model), fusion, discard)
    N = model.config.tokens
    assert result.shape == (3, N, N) and result.dtype == np.float32 and (result >= 0).all()
    np.testing.assert_allclose(result.sum(axis=-1), 1, atol=1e-5)
    assert seen_by_head(result, model.config).shape == (3, 3, 4)


def test_rollout_of_heads_that_look_at_nothing_in_common_is_the_identity():
    weights = np.zeros((2, 1, 2, 3, 3))
    weights[:, :, 0, :, 0] = weights[:, :, 1, :, 1] = 1  # head 1 sees token 0 alone, head 2 token 1
    assert np.array_equal(rollout(weights, "min")[0], np.eye(3))


def test_rollout_refuses_what_it_does_not_know():
    weights = np.full((1, 1, 1, 2, 2), 0.5)
    with pytest.raises(ValueError, match="fusion is 'median', expected one of 'mean', 'max', 'min'"):
        rollout(weights, "median")
    for discard in (1, -0.1, float("nan")):
        with pytest.raises(ValueError, match="discard is"):
            rollout(weights, discard=discard)


def looking(weights, **choices):
    """A model that looks as `weights` (L, H, N, N) say, whatever the image."""
    L, H = weights.shape[:2]
    config = ViTConfig(image_size=(6, 12), patch_size=(2, 3), width=4 * H, depth=L, heads=H, **choices)
    attention = lambda images: np.repeat(weights[:, None], len(images), axis=1)  # noqa: E731
    return SimpleNamespace(config=config, normalize=lambda images: images, attention=attention)


def test_attention_distance_is_in_pixels_between_middles_of_patches():
    weights = np.zeros((2, 3, 12, 12))
    weights[0, 0] = np.eye(12)  # at itself
    weights[0, 1] = np.eye(12)[np.arange(12) ^ 1]  # at the left or right neighbour, 3 pixels away
    weights[0, 2] = np.eye(12)[(np.arange(12) + 4) % 12]  # at the row below, 2 pixels; from the last at the first, 4
    weights[1, 0] = 1 / 12  # evenly
    weights[1, 1:, :, 0] = 1  # at the first patch
    model = looking(weights, pool="gap")
    distances = attention_distance(model, np.zeros((11, 6, 12, 3)))
    to_first = [np.hypot(2 * row, 3 * column) for row in range(3) for column in range(4)]
    expected = [[0, 3, 8 / 3], [even_distance(model.config), np.mean(to_first), np.mean(to_first)]]
    np.testing.assert_allclose(distances, expected, atol=1e-12)


def test_what_goes_to_tokens_without_a_place_changes_no_distance():
    patches = np.random.default_rng(0).dirichlet(np.ones(12), size=(1, 2, 12))
    with_prefix = np.random.default_rng(1).random((1, 2, 15, 15))
    with_prefix[:, :, 3:, :3] = 0.2
    with_prefix[:, :, 3:, 3:] = 0.4 * patches
    images = np.zeros((2, 6, 12, 3))
    np.testing.assert_allclose(
        attention_distance(looking(with_prefix, registers=2), images),
        attention_distance(looking(patches, pool="gap"), images),
        atol=1e-12,
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_the_distance_is_the_mean_over_all_images(name):
    model = tiny(**VARIANTS[name])
    images = raw_images(model, 11)  # more than are looked at in one go
    each = [attention_distance(model, image[None]) for image in images]
    np.testing.assert_allclose(attention_distance(model, images), np.mean(each, axis=0), atol=1e-5)
    assert each[0].shape == (2, 2) and (each[0] > 0).all() and (each[0] < patch_distances(model.config).max()).all()


def test_a_hybrids_places_are_as_far_apart_as_its_map_is_coarse():
    model = tiny(**VARIANTS["hybrid"])  # 12 x 16 pixels on a map of 3 x 4
    distances = patch_distances(model.config)
    assert distances[0, 1] == 4 and distances[0, 4] == 4 and distances[0, 6] == np.hypot(4, 8)
