"""Every gradient of whole small models, for every value of every option, and of the images."""

from dataclasses import fields

import numpy as np
import pytest
from ways import assert_slopes_of_model

from minivit import ViT, ViTConfig
from minivit.model.config import ATTENTIONS, GELUS, MLPS, POOLS, POSITIONS
from minivit.proof import CONFIGS, check_model, check_model_at_init, noise, order_one_parameters


def test_gradients_at_parameters_of_order_one():
    """One by every element; `python -m minivit check` asks so of all."""
    report = check_model(CONFIGS["distilled, registers, 2d"])
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_along_random_ways(name):
    assert_slopes_of_model(ViT(CONFIGS[name], params=order_one_parameters(CONFIGS[name])), 1e-5)


def test_gradients_where_training_starts():
    """Each element's error relative to its tensor's largest gradient: most are tiny here."""
    report = check_model_at_init(CONFIGS["relative"])
    assert report.ok, f"\n{report}"


def test_the_keys_bias_has_no_gradient_and_is_named():
    checks = {check.name: check for check in check_model(CONFIGS["no positions"]).checks}
    key = checks["blocks.0.attn.qkv.bias (k: zero)"]
    assert key.shape == (6,)
    assert abs(key.analytic) <= 1e-10
    assert abs(key.numeric) <= 1e-10
    assert abs(checks["blocks.0.attn.qkv.bias (q, v)"].analytic) > 1e-6


@pytest.mark.parametrize("name", CONFIGS)
def test_no_gradient_is_all_zero(name):
    """Nothing would be proved of a parameter that a dropped path hides, or that nothing depends on."""
    config = CONFIGS[name]
    model = ViT(config, dtype=np.float64)
    model.params = order_one_parameters(config)
    rng = np.random.default_rng(0)
    logits, cache = model.forward(rng.standard_normal((3, *config.image_shape)), noise())
    grads, _ = model.backward(rng.standard_normal(logits.shape), cache)
    assert list(grads) == list(model.params)
    for parameter, grad in grads.items():
        assert grad.shape == model.params[parameter].shape
        assert np.abs(grad).max() > 1e-4, parameter


def test_every_value_of_every_option_is_checked():
    configs = CONFIGS.values()
    pairs = {(config.pool, config.position) for config in configs}
    assert {pool for pool, _ in pairs} == set(POOLS)
    assert {position for _, position in pairs} == set(POSITIONS)
    assert pairs >= {(pool, position) for pool in POOLS for position in ("2d", "sincos2d", "relative")}
    assert {config.gelu for config in configs} == set(GELUS)
    assert {config.mlp for config in configs} == set(MLPS)
    assert {config.attention for config in configs} == set(ATTENTIONS)
    for switch in ("layer_scale", "dropout", "attention_dropout", "drop_path", "qkv_bias", "distilled", "registers"):
        assert {bool(getattr(config, switch)) for config in configs} == {True, False}, switch
    assert {(config.pool, config.has_class_token) for config in configs} == {
        ("cls", True), ("gap", True), ("gap", False), ("norm_gap", True), ("norm_gap", False),
        ("cls_norm_gap", True),
    }  # fmt: skip
    stems = {config.stem for config in configs}
    assert {None, ()} < stems and {len(stem) for stem in stems if stem} == {1, 2}
    assert max(max(stem) for stem in stems if stem) > 1  # a unit without a projection
    preprocessing = {"image_mean", "image_std", "resize_filter", "squeeze", "crop", "position_resize"}
    for option in {field.name for field in fields(ViTConfig)} - preprocessing:
        assert len({getattr(config, option) for config in configs}) > 1, option
