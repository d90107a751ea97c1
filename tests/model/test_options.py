"""What each option changes, beyond having the right gradient (test_model_gradients.py)."""

import dataclasses

import numpy as np
import pytest

from minivit import ViT, ViTConfig, ops
from minivit.proof import CONFIGS, order_one_parameters

TINY = ViTConfig(image_size=(4, 6), patch_size=2, channels=1, classes=5, width=8, depth=2, heads=2, mlp_ratio=2)


def order_one_model(config):
    model = ViT(config, dtype=np.float64)
    model.params = order_one_parameters(config)
    return model


def made(**options):
    return order_one_model(dataclasses.replace(TINY, **options))


def images_for(config, batch=3):
    return np.random.default_rng(0).standard_normal((batch, *config.image_shape))


IMAGES = images_for(TINY)


def test_a_distilled_models_answer_is_the_mean_of_two_heads():
    model = made(distilled=True)
    cls, dist = model.both_logits(IMAGES)
    assert not np.allclose(cls, dist)
    np.testing.assert_allclose(model(IMAGES), (cls + dist) / 2)
    tokens = model.tokens(IMAGES)
    for token, name, logits in ((0, "head", cls), (1, "head_dist", dist)):
        expected = tokens[:, token] @ model.params[f"{name}.weight"] + model.params[f"{name}.bias"]
        np.testing.assert_allclose(logits, expected, atol=1e-12)
    np.testing.assert_allclose(model.features(IMAGES), tokens[:, :2].mean(axis=1))


def test_each_of_two_heads_can_have_a_gradient_of_its_own():
    model = made(distilled=True)
    (cls, _), cache = model.forward_both(IMAGES)
    dcls = np.random.default_rng(1).standard_normal(cls.shape)
    first, dimages = model.backward_both((dcls, 0 * dcls), cache)
    second, dimages2 = model.backward_both((0 * dcls, dcls), model.forward_both(IMAGES)[1])
    assert np.abs(first["head.weight"]).max() > 0 and np.abs(second["head_dist.weight"]).max() > 0
    np.testing.assert_array_equal(first["head_dist.weight"], 0)
    np.testing.assert_array_equal(second["head.weight"], 0)
    both, dboth = model.backward(dcls, model.forward(IMAGES)[1])  # of the mean of both
    np.testing.assert_allclose(dboth, (dimages + dimages2) / 2, atol=1e-12)
    for name in both:
        np.testing.assert_allclose(both[name], (first[name] + second[name]) / 2, atol=1e-12, err_msg=name)


def test_one_head_has_no_second_opinion():
    with pytest.raises(ValueError, match=r"the model has one head: logits of two need .* distilled=True"):
        made().both_logits(IMAGES)


def test_registers_have_no_position():
    """Which register stands first does not matter; which patch does."""
    model = made(registers=2)
    logits = model(IMAGES)
    model.params["reg_token"] = model.params["reg_token"][:, ::-1]
    np.testing.assert_allclose(model(IMAGES), logits, atol=1e-10)
    model.params["pos_embed"] = model.params["pos_embed"][:, ::-1]
    assert not np.allclose(model(IMAGES), logits, atol=1e-3)


@pytest.mark.parametrize("pool", ["gap", "norm_gap"])
def test_a_mean_is_of_the_patches_alone(pool):
    model = made(pool=pool, class_token=True, registers=2)
    tokens = model.tokens(IMAGES)
    assert tokens.shape == (3, 3 + 6, 8)
    mean = tokens[:, 3:].mean(axis=1)
    if pool == "gap":  # the norm comes after
        centred = mean - mean.mean(axis=1, keepdims=True)
        mean = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-6)
        mean = mean * model.params["fc_norm.weight"] + model.params["fc_norm.bias"]
    np.testing.assert_allclose(model.features(IMAGES), mean, atol=1e-12)


def test_the_representation_is_a_dense_layer_and_a_tanh():
    model, plain = made(representation_size=3), made()
    plain.params = {name: model.params.get(name, plain.params[name]) for name in plain.params}
    expected = np.tanh(
        plain.features(IMAGES) @ model.params["pre_logits.fc.weight"] + model.params["pre_logits.fc.bias"]
    )
    np.testing.assert_allclose(model.features(IMAGES), expected, atol=1e-12)


def test_without_classes_the_logits_are_the_features():
    model = made(classes=0)
    np.testing.assert_array_equal(model(IMAGES), model.features(IMAGES))
    with pytest.raises(ValueError, match=r"the model has no head \(classes is 0\), so labels have no loss"):
        model.loss_and_grads(IMAGES, np.array([0, 1, 2]))
    with pytest.raises(ValueError, match=r"the model has no head \(classes is 0\), so no probabilities"):
        model.predict(np.clip(IMAGES, 0, 1))


def test_axial_maps_are_the_columns_maps_of_the_rows_maps():
    """Token (i, j) takes from (k, j), in its column, what that has taken from (k, l), in its row."""
    model = made(attention="axial", pool="gap", depth=1, layer_scale=0.5)
    p = {name.removeprefix("blocks.0."): array for name, array in model.params.items()}
    tokens, _ = ops.linear_forward(
        ops.patchify_forward(IMAGES, (2, 2))[0], p["patch_embed.proj.weight"], p["patch_embed.proj.bias"]
    )
    tokens = tokens + p["pos_embed"]
    h, _ = ops.layernorm_forward(tokens, p["norm1.weight"], p["norm1.bias"])
    lines, _ = ops.lines_forward(h @ p["attn.qkv.weight"] + p["attn.qkv.bias"], (2, 3), "row")
    rows = ops.self_attention_weights(lines, heads=2).reshape(3, 2, 2, 3, 3)  # (B, gh, H, gw, gw)
    h, _ = ops.unlines_forward(ops.self_attention_forward(lines, heads=2)[0], (2, 3), "row")
    tokens = tokens + p["ls1.gamma"] * (h @ p["attn.proj.weight"] + p["attn.proj.bias"])
    h, _ = ops.layernorm_forward(tokens, p["norm_column.weight"], p["norm_column.bias"])
    lines, _ = ops.lines_forward(h @ p["attn_column.qkv.weight"] + p["attn_column.qkv.bias"], (2, 3), "column")
    columns = ops.self_attention_weights(lines, heads=2).reshape(3, 3, 2, 2, 2)  # (B, gw, H, gh, gh)
    maps = model.attention(IMAGES)[0]  # (B, H, N, N)
    np.testing.assert_allclose(maps.sum(axis=-1), 1)
    for b, head, i, j, row, column in np.ndindex(3, 2, 2, 3, 2, 3):
        expected = columns[b, j, head, i, row] * rows[b, row, head, j, column]
        np.testing.assert_allclose(maps[b, head, 3 * i + j, 3 * row + column], expected, rtol=1e-10)


def test_tokens_end_in_the_norm():
    model = made()
    features = model.features(IMAGES)
    np.testing.assert_allclose(model.tokens(IMAGES)[:, 0], features, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, config in CONFIGS.items() if config.stem is not None])
def test_a_hybrid_sees_its_image_through_the_stem(name):
    config = CONFIGS[name]
    model, images = order_one_model(config), images_for(config)
    assert model.tokens(images).shape == (3, config.tokens, config.width)
    assert model(images).dtype == np.float64
