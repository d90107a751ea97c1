"""What a model promises: its formula, evaluation and training mode, and that it can learn."""

import math
import tracemalloc

import numpy as np
import pytest

from minivit import ViT, ViTConfig, ops
from minivit.layers import Chain, Op
from minivit.layers.parts import dense
from minivit.model.attention_maps import attention_maps
from minivit.proof import CONFIGS, order_one_parameters

TINY = ViTConfig(image_size=8, patch_size=4, channels=1, classes=10, width=16, depth=2, heads=2, mlp_ratio=2)


def order_one_model(config, dtype=np.float64):
    model = ViT(config, dtype=dtype)
    model.params = {name: array.astype(dtype) for name, array in order_one_parameters(config).items()}
    return model


def images_for(config, batch=3, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, *config.image_shape))


def naive_norm(x, weight, bias, eps):
    return weight * (x - x.mean()) / math.sqrt(x.var() + eps) + bias


def naive_gelu(x):
    return np.array([value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x])


def naive_vit(p, image, config):
    """One image through the paper's equations, token by token, head by head. Returns logits and maps (L, H, N, N)."""
    (ph, pw), (gh, gw), D, d = config.patch_size, config.grid, config.width, config.width // config.heads
    patches = [image[i * ph : (i + 1) * ph, j * pw : (j + 1) * pw].ravel() for i, j in np.ndindex(gh, gw)]
    tokens = [patch @ p["patch_embed.proj.weight"] + p["patch_embed.proj.bias"] for patch in patches]
    z = [token + position for token, position in zip([p["cls_token"][0, 0], *tokens], p["pos_embed"][0], strict=True)]
    maps = np.zeros((config.depth, config.heads, len(z), len(z)))
    for i in range(config.depth):
        b = {name.removeprefix(f"blocks.{i}."): array for name, array in p.items()}
        normed = [naive_norm(token, b["norm1.weight"], b["norm1.bias"], config.norm_eps) for token in z]
        qkv = [token @ b["attn.qkv.weight"] + b["attn.qkv.bias"] for token in normed]
        for n in range(len(z)):
            heads = []
            for h in range(config.heads):
                q, k, v = (slice(part * D + h * d, part * D + (h + 1) * d) for part in range(3))
                e = [math.exp(qkv[n][q] @ other[k] / math.sqrt(d)) for other in qkv]
                maps[i, h, n] = np.array(e) / sum(e)
                heads += list(sum(weight * other[v] for weight, other in zip(maps[i, h, n], qkv, strict=True)))
            z[n] = z[n] + heads @ b["attn.proj.weight"] + b["attn.proj.bias"]
            hidden = naive_norm(z[n], b["norm2.weight"], b["norm2.bias"], config.norm_eps)
            hidden = naive_gelu(hidden @ b["mlp.fc1.weight"] + b["mlp.fc1.bias"])
            z[n] = z[n] + hidden @ b["mlp.fc2.weight"] + b["mlp.fc2.bias"]
    features = naive_norm(z[0], p["norm.weight"], p["norm.bias"], config.norm_eps)
    return features @ p["head.weight"] + p["head.bias"], maps


def test_the_model_and_its_attention_are_the_papers_equations_in_loops():
    config = ViTConfig(**CONFIGS["plain"].to_dict() | {"norm_eps": 0.01})
    model, images = order_one_model(config), images_for(config)
    logits, maps = model(images), model.attention(images)
    for b, image in enumerate(images):
        expected_logits, expected_maps = naive_vit(model.params, image, model.config)
        np.testing.assert_allclose(logits[b], expected_logits, atol=1e-10)
        np.testing.assert_allclose(maps[:, b], expected_maps, atol=1e-10)


@pytest.mark.parametrize("name", CONFIGS)
def test_attention_maps_have_rows_that_sum_to_1(name):
    config = CONFIGS[name]
    maps = order_one_model(config, np.float32).attention(images_for(config))
    assert maps.shape == (config.depth, 3, config.heads, config.tokens, config.tokens)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept_throughout(name, dtype):
    config = CONFIGS[name]
    model, images = order_one_model(config, dtype), images_for(config).astype(dtype)
    logits, cache = model.forward(images, np.random.default_rng(0))
    grads, dimages = model.backward(np.ones_like(logits), cache)
    assert {array.dtype for array in (logits, model.features(images), dimages, *grads.values())} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", CONFIGS)
def test_two_evaluations_give_the_same_bits(name):
    model, images = order_one_model(CONFIGS[name], np.float32), images_for(CONFIGS[name])
    np.testing.assert_array_equal(model(images), model(images))


@pytest.mark.parametrize("switch", ["dropout", "attention_dropout", "drop_path"])
def test_each_dropout_acts_in_training_and_only_there(switch):
    config = ViTConfig(**TINY.to_dict() | {switch: 0.5})
    model, plain, images = order_one_model(config), order_one_model(TINY), images_for(TINY, batch=8)
    np.testing.assert_array_equal(model(images), plain(images))  # evaluation: nothing is dropped
    np.testing.assert_array_equal(
        plain.forward(images, np.random.default_rng(0))[0], plain(images)
    )  # at rate 0 neither
    train = [model.forward(images, np.random.default_rng(seed))[0] for seed in (0, 0, 1)]
    assert not np.allclose(train[0], model(images))
    np.testing.assert_array_equal(train[0], train[1])
    assert not np.allclose(train[0], train[2])


def test_the_loss_is_that_of_the_forward_with_its_noise():
    model, images, labels = order_one_model(CONFIGS["dropout"]), images_for(CONFIGS["dropout"]), np.array([3, 1, 4])
    loss, _ = model.loss_and_grads(images, labels, np.random.default_rng(5), label_smoothing=0.1)
    logits, _ = model.forward(images, np.random.default_rng(5))
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    target = 0.9 * np.eye(5)[labels] + 0.1 / 5
    assert loss == pytest.approx(-(target * log_p).sum() / 3)


def test_drop_path_leaves_the_first_block_alone():
    """Its rate is 0 there: in a model of one block nothing is dropped, in a deeper one whole branches are."""
    one = order_one_model(ViTConfig(**TINY.to_dict() | {"depth": 1, "drop_path": 0.9}))
    images = images_for(TINY)
    np.testing.assert_array_equal(one.forward(images, np.random.default_rng(0))[0], one(images))


def test_the_head_sees_the_features():
    model, images = order_one_model(TINY), images_for(TINY)
    expected = model.features(images) @ model.params["head.weight"] + model.params["head.bias"]
    np.testing.assert_allclose(model(images), expected, atol=1e-12)


def test_predict_normalises_raw_images_and_gives_probabilities():
    config = ViTConfig(**TINY.to_dict() | {"channels": 2, "image_mean": (0.4, 0.6), "image_std": (0.2, 0.3)})
    model = order_one_model(config)
    pixels = np.random.default_rng(0).integers(0, 256, (3, *config.image_shape), dtype=np.uint8)
    normalised = (pixels / 255 - [0.4, 0.6]) / [0.2, 0.3]
    np.testing.assert_allclose(model.normalize(pixels), normalised, atol=1e-12)
    e = np.exp(model(normalised))
    np.testing.assert_allclose(model.predict(pixels), e / e.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(model.predict(pixels / 255), model.predict(pixels), atol=1e-12)


def test_evaluation_keeps_nothing_for_a_backward():
    """Four times as many blocks, the same memory; a forward that keeps its cache needs about four times as much."""
    images = np.zeros((8, 32, 32, 3), np.float32)
    peaks = {}
    for depth in (2, 8):
        model = ViT(ViTConfig(image_size=32, patch_size=4, classes=3, width=32, depth=depth, heads=2))
        for kind, run in (("evaluation", model), ("training", model.forward)):
            tracemalloc.start()
            run(images)
            peaks[kind, depth] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert peaks["evaluation", 8] < 1.1 * peaks["evaluation", 2]
    assert peaks["training", 8] > 2 * peaks["training", 2]


def test_images_are_independent_of_their_batch():
    model, images = order_one_model(CONFIGS["plain"]), images_for(CONFIGS["plain"])
    np.testing.assert_allclose(model(images)[1:2], model(images[1:2]), atol=1e-12)


def test_without_positions_and_with_mean_pooling_the_order_of_patches_does_not_matter():
    """And with positions it does: the one thing that tells attention where a patch lies."""
    images = images_for(TINY)
    swapped = np.concatenate((images[:, :, 4:], images[:, :, :4]), axis=2)
    blind, seeing = (
        order_one_model(ViTConfig(**TINY.to_dict() | {"pool": "gap", "position": position}))
        for position in ("none", "1d")
    )
    np.testing.assert_allclose(blind(images), blind(swapped), atol=1e-10)
    assert not np.allclose(seeing(images), seeing(swapped), atol=1e-3)


def test_the_loss_of_a_batch_is_the_mean_of_its_images():
    """Twice the same batch: the same loss and the same gradients."""
    model, images, labels = order_one_model(TINY), images_for(TINY), np.array([3, 1, 9])
    loss, grads = model.loss_and_grads(images, labels)
    loss2, grads2 = model.loss_and_grads(np.concatenate((images, images)), np.concatenate((labels, labels)))
    assert loss == pytest.approx(loss2)
    for name in grads:
        np.testing.assert_allclose(grads[name], grads2[name], atol=1e-10)


@pytest.mark.parametrize("init", ["timm", "fan_in"])
def test_the_first_loss_is_that_of_knowing_nothing(init):
    config = ViTConfig(image_size=28, patch_size=4, channels=1, classes=10, width=64, depth=4, heads=4, mlp_ratio=2)
    images, labels = images_for(config, batch=20), np.arange(20) % 10
    loss, _ = ViT(config, init=init).loss_and_grads(images, labels)
    assert loss == pytest.approx(math.log(10), abs=0.05)


@pytest.mark.parametrize("config", [TINY, CONFIGS["relative, mean pooling"]], ids=["cls", "relative, mean pooling"])
def test_it_learns_sixteen_random_images_by_heart(config):
    model = ViT(config, init="fan_in")
    images, labels = images_for(config, batch=16), np.arange(16) % config.classes
    m, v = ({name: np.zeros_like(p) for name, p in model.params.items()} for _ in range(2))
    for step in range(1, 151):
        loss, grads = model.loss_and_grads(images, labels)
        for name, g in grads.items():  # Adam
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.99 * v[name] + 0.01 * g * g
            scale = math.sqrt(1 - 0.99**step) / (1 - 0.9**step)
            model.params[name] = model.params[name] - 0.01 * scale * m[name] / (np.sqrt(v[name]) + 1e-8)
    assert loss < 0.01


def test_repr_says_what_it_is():
    assert repr(ViT(TINY)) == "ViT(16 wide, 2 blocks, 2 heads, 5,018 parameters, float32)"


def test_an_unknown_dtype_or_init_is_refused():
    with pytest.raises(ValueError, match="dtype is float16, expected float32 or float64"):
        ViT(TINY, dtype=np.float16)
    with pytest.raises(ValueError, match="init is 'zeros', expected one of 'timm', 'fan_in'"):
        ViT(TINY, init="zeros")


def test_attention_is_seen_of_layers_that_read_no_bias():
    layers = Chain(dense("qkv", 6, 18), Op("self_attention", heads=2))
    rng = np.random.default_rng(0)
    p, x = {"qkv.weight": rng.standard_normal((6, 18)), "qkv.bias": rng.standard_normal(18)}, rng.random((2, 5, 6))
    (weights,) = attention_maps(ops, p, layers, x)
    np.testing.assert_array_equal(weights, ops.self_attention_weights(dense("qkv", 6, 18)(ops, p, x), heads=2))
