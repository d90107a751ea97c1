"""A model and a recipe that train in a second, on the digits that ship."""

import pytest

from minivit import TrainConfig, Trainer, ViT, ViTConfig, load_mnist

CONFIG = ViTConfig(
    image_size=28,
    patch_size=14,
    channels=1,
    classes=10,
    width=16,
    depth=2,
    heads=2,
    mlp_ratio=2,
    dropout=0.1,
    drop_path=0.1,
    image_mean=0.13,
    image_std=0.31,
)
RECIPE = TrainConfig(epochs=2, batch_size=40, shard_size=16)  # the third shard of a batch has 8 images


@pytest.fixture(scope="session")
def digits():
    return load_mnist()


@pytest.fixture
def make_trainer(digits):
    def make(count=200, recipe=RECIPE, seed=3, config=CONFIG, **model):
        vit = ViT(config, seed=seed, init="fan_in", **model)
        return Trainer(vit, digits.train_images[:count], digits.train_labels[:count], recipe, seed, "digits")

    return make
