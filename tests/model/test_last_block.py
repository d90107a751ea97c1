"""The last block computes what the head reads, one token or two: the same model, without what nobody looks at."""

import numpy as np
import pytest

from minivit import ViT
from minivit.layers import Op
from minivit.model.vit import encoder, vit
from minivit.proof import CONFIGS, order_one_parameters

CLS = [name for name, config in CONFIGS.items() if config.pool == "cls"]


def operations(layer):
    return [layer] if isinstance(layer, Op) else [op for part in layer.parts for op in operations(part)]


@pytest.mark.parametrize("name", CLS)
def test_logits_and_gradients_are_those_of_every_token(name):
    config = CONFIGS[name]
    params = order_one_parameters(config)
    lean, full = ViT(config, params=params), ViT(config, params=params)
    full.layers = vit(config, every_token=True)
    images = np.random.default_rng(0).standard_normal((3, *config.image_shape))
    (logits, cache), (expected, full_cache) = lean.forward(images), full.forward(images)
    np.testing.assert_allclose(logits, expected, rtol=1e-10, atol=1e-12)
    dlogits = np.random.default_rng(1).standard_normal(logits.shape)
    (grads, dimages), (more, full_dimages) = lean.backward(dlogits, cache), full.backward(dlogits, full_cache)
    for a, b in [(dimages, full_dimages), *((grads[name], more[name]) for name in params)]:
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11 * max(1, np.abs(b).max()))
    tokens = lean.evaluate(encoder(config, every_token=False), images)
    assert tokens.shape == (3, 1 + config.distilled, config.width)
    np.testing.assert_allclose(tokens, lean.evaluate(encoder(config), images)[:, : 1 + config.distilled], atol=1e-11)


@pytest.mark.parametrize("name", CLS)
def test_the_last_block_asks_for_the_heads_tokens_alone(name):
    config = CONFIGS[name]
    asking = [op for op in operations(vit(config)) if op.op == "cross_attention"]
    assert len(asking) == 1 and asking[0].reads[0] == f"blocks.{config.depth - 1}.attn.kv"
    assert not [op for op in operations(vit(config, every_token=True)) if op.op == "cross_attention"]


def test_a_mean_needs_every_token():
    for name, config in CONFIGS.items():
        if name not in CLS:
            assert not [op for op in operations(vit(config)) if op.op == "cross_attention"], name
