"""A recipe for digits as one for somebody's own pictures: the numbers that its docstring promises."""

import math

import numpy as np
import pytest

from minivit import TrainConfig, ViTConfig
from minivit.data.folder import Pictures
from minivit.train.own import for_pictures

HOW = TrainConfig(batch_size=64, shard_size=32, learning_rate=6e-3, epochs=60)
CONFIG = ViTConfig(image_size=28, patch_size=7, channels=1, classes=10, width=16, depth=1, heads=2)


def fitted(count, size=32, channels=3):
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    images[..., 0] = 51  # one channel is the same everywhere
    pictures = Pictures(images, np.arange(count) % 2, images[:2], np.arange(2), ("a", "b"), {"folder": "x"})
    return images, *for_pictures(pictures, CONFIG, HOW)


@pytest.mark.parametrize(
    ("count", "batch", "shard", "epochs"),
    [  # a quarter, cut to a power of two; half of that; as many epochs as make a thousand steps, within 60 … 200
        (1, 1, 1, 200), (3, 1, 1, 200), (4, 1, 1, 200), (15, 2, 1, 143), (16, 4, 2, 200), (31, 4, 2, 143),
        (255, 32, 16, 143), (256, 64, 32, 200), (700, 64, 32, 100), (5000, 64, 32, 60),
    ],
)  # fmt: skip
def test_few_pictures_have_small_batches_a_smaller_rate_and_more_epochs(count, batch, shard, epochs):
    _, _, how = fitted(count)
    assert (how.batch_size, how.shard_size, how.epochs) == (batch, shard, epochs)
    assert how.learning_rate == pytest.approx(6e-3 * math.sqrt(batch / 64), rel=1e-12)


def test_the_pixels_are_normalised_by_the_pictures_own_and_patches_divide_them():
    images, config, _ = fitted(40, size=64)
    mean, std = (images / 255).reshape(-1, 3).mean(axis=0), (images / 255).reshape(-1, 3).std(axis=0)
    assert config.image_mean == pytest.approx(tuple(mean), abs=6e-5) and config.image_mean[0] == 0.2
    assert config.image_std == pytest.approx((0.01, *std[1:]), abs=6e-5)  # and no division by nothing
    assert (config.image_size, config.patch_size, config.channels, config.classes) == ((64, 64), (16, 16), 3, 2)
    assert (config.crop, config.squeeze) == (1.0, False)
