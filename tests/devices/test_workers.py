"""Shards on threads: the same bits for any number of them, and one pool at a time."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from minivit import ViT, ViTConfig
from minivit.devices import get_device
from minivit.devices.workers import in_shards, worker_pool
from minivit.model import face

TINY = ViTConfig(image_size=8, patch_size=4, channels=1, classes=10, width=16, depth=2, heads=2)


def test_shards_give_what_the_whole_batch_gives(monkeypatch):
    images = np.random.default_rng(0).standard_normal((7, *TINY.image_shape))
    whole = ViT(TINY, dtype=np.float64)(images)
    monkeypatch.setattr(face, "SHARD_TOKENS", 2 * TINY.tokens)
    monkeypatch.setattr(face, "SHARD_NUMBERS", 0)
    model = ViT(TINY, dtype=np.float64)
    assert model._shard == 2
    np.testing.assert_allclose(model(images), whole, atol=1e-12)
    np.testing.assert_allclose(model.tokens(images)[3:4], model.tokens(images[3:4]), atol=1e-12)


def test_the_number_of_workers_changes_no_bit():
    raw = np.random.default_rng(0).random((3000, *TINY.image_shape))
    model = ViT(TINY, dtype=np.float64)
    one, three = (model.on_raw(model.features, raw, workers) for workers in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_a_wrong_image_is_named_by_its_place_in_the_batch_not_in_the_shard():
    images = np.zeros((3000, *TINY.image_shape), np.float32)
    images[2950] = np.nan
    with pytest.raises(ValueError, match="first in image 2950 of 3000"):
        ViT(TINY)(images)


def test_a_wrong_shape_is_that_of_the_batch_not_of_the_shard():
    with pytest.raises(ValueError, match=r"images have shape \(3000, 9, 9, 1\), expected \(B, 8, 8, 1\)"):
        ViT(TINY).predict(np.zeros((3000, 9, 9, 1)))
    with pytest.raises(TypeError, match="images are a NoneType, expected an array"):
        ViT(TINY).predict(None)


def test_inside_a_pool_another_has_one_thread():
    with worker_pool(2) as outer:
        assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} <= {1}
        with worker_pool(2) as inner:
            assert (outer._max_workers, inner._max_workers) == (2, 1)
    with worker_pool(2) as again:
        assert again._max_workers == 2


def test_a_number_of_workers_is_refused_for_few_images_too():
    with pytest.raises(ValueError, match="workers is 0, expected at least 1"):
        ViT(TINY).on_raw(ViT(TINY), np.zeros((1, *TINY.image_shape)), 0)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_shard_that_fails_leaves_nothing_locked(error):
    def fail(shard):
        raise error

    with pytest.raises(error):
        in_shards(get_device("cpu"), fail, np.arange(4), 1, 2)
    with worker_pool(2) as pool:
        assert pool._max_workers == 2
