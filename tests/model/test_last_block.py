"""The last block computes what the head reads, and nothing else: the same logits and gradients for fewer products."""

import dataclasses

import numpy as np
import pytest

from minivit import ViT, ViTConfig, ops
from minivit.model.attention_maps import noting
from minivit.model.vit import encoder, vit
from minivit.proof import CONFIGS, order_one_parameters
from minivit.train.mnist import PRESETS

CLS = [name for name, config in CONFIGS.items() if config.pool == "cls"]
FULL = PRESETS["full"][0]


@pytest.mark.parametrize("name", CLS)
def test_it_gives_what_a_block_of_all_tokens_gives(name):
    config = dataclasses.replace(CONFIGS[name], dropout=0.0, attention_dropout=0.0, drop_path=0.0)
    model, whole = (ViT(config, params=order_one_parameters(config)) for _ in range(2))
    whole.layers = vit(config, every_token=True)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, *config.image_shape))
    (logits, cache), (expected, whole_cache) = model.forward(images), whole.forward(images)
    np.testing.assert_allclose(logits, expected, atol=1e-12)
    dlogits = rng.standard_normal(logits.shape)
    (grads, dimages), (expected, dexpected) = model.backward(dlogits, cache), whole.backward(dlogits, whole_cache)
    np.testing.assert_allclose(dimages, dexpected, atol=1e-12 * np.abs(dexpected).max())
    for parameter, grad in grads.items():
        bound = 1e-12 * max(1.0, np.abs(expected[parameter]).max())
        np.testing.assert_allclose(grad, expected[parameter], atol=bound, err_msg=parameter)


@pytest.mark.parametrize("name", CLS)
def test_it_has_the_heads_tokens_alone(name):
    config = CONFIGS[name]
    model = ViT(config, params=order_one_parameters(config))
    images = np.random.default_rng(0).standard_normal((3, *config.image_shape))
    few = model.evaluate(encoder(config, every_token=False), images)
    assert few.shape == (3, 1 + config.distilled, config.width)
    np.testing.assert_allclose(few, model.evaluate(encoder(config), images)[:, : few.shape[1]], atol=1e-11)


def multiplications(layers, model, images):
    """How many a forward's products take: dense layers, Q Kᵀ and P V."""
    counts = []

    def dense(x, weight, *_, columns=None):
        counts.append(x.size * (columns[1] - columns[0] if columns else weight.shape[1]))

    def attention(q, kv_tokens, width):
        counts.append(2 * q * kv_tokens * width * len(images))

    noted = noting(
        ops,
        linear_forward=dense,
        linear_columns_forward=dense,
        self_attention_forward=lambda qkv, *_, **__: attention(qkv.shape[1], qkv.shape[1], qkv.shape[2] // 3),
        cross_attention_forward=lambda q, kv, *_, **__: attention(q.shape[1], kv.shape[1], q.shape[2]),
    )
    layers(noted, model.arrays(layers), images)
    return sum(counts)


@pytest.mark.parametrize(
    ("config", "spared"),
    [
        (PRESETS["default"][0], 0.233),
        (FULL, 0.176),
        (dataclasses.replace(FULL, patch_size=4), 0.193),
        (ViTConfig(image_size=56, patch_size=8, width=48, heads=3), 0.07),  # twelve blocks, as a ViT-B has
    ],
    ids=["default", "full", "28 in 4", "twelve blocks"],
)
def test_how_much_it_spares(config, spared):
    model = ViT(config)
    images = np.zeros((1, *config.image_shape), np.float32)
    few, all_of_them = (multiplications(layers, model, images) for layers in (model.layers, vit(config, True)))
    assert 1 - few / all_of_them == pytest.approx(spared, abs=0.005)
