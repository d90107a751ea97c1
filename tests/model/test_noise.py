"""Training's noise in loops: both dropouts and drop path, in every branch, at the rates that the configuration says."""

import math

import numpy as np
import pytest
from test_vit import naive_gelu, naive_norm, order_one_model

from minivit import ViTConfig, ops
from minivit.layers import Chain
from minivit.model.vit import embedding

NOISY = dict(
    image_size=(4, 6), patch_size=2, channels=1, classes=5, width=8, depth=3, heads=2, mlp_ratio=3, layer_scale=0.5,
    norm_eps=0.01, dropout=0.2, attention_dropout=0.3, drop_path=0.6,
)  # fmt: skip
CONFIGS = {
    "class token": ViTConfig(**NOISY),
    "every token": ViTConfig(**NOISY, pool="gap", mlp="swiglu"),
    "axial": ViTConfig(**NOISY, pool="gap", attention="axial"),
}


def kept(rng, shape, rate):
    """Of each number one draw in [0, 1), of float32: it is kept where that is not below the rate."""
    return (rng.random(shape, dtype=np.float32) >= rate) / (1 - rate) if rate else np.ones(shape)


def naive_attention(x, p, name, config, rng, read):
    """x (G, n, D), groups that do not see each other -> (G, read, D); the draws are one for each pair of a head."""
    (G, n, D), H = x.shape, config.heads
    noise, y = kept(rng, (G, H, read, n), config.attention_dropout), np.zeros((G, read, D))
    qkv = x @ p[f"{name}.qkv.weight"] + p[f"{name}.qkv.bias"]
    for g, h, query in np.ndindex(G, H, read):
        q, k, v = (slice(part * D + h * D // H, part * D + (h + 1) * D // H) for part in range(3))
        e = np.array([math.exp(qkv[g, query, q] @ qkv[g, key, k] / math.sqrt(D // H)) for key in range(n)])
        y[g, query, q] = (e / e.sum() * noise[g, h, query]) @ qkv[g, :, v]
    return y @ p[f"{name}.proj.weight"] + p[f"{name}.proj.bias"]


def naive_mlp(x, p, name, config, rng):
    hidden = x @ p[f"{name}.fc1.weight"] + p[f"{name}.fc1.bias"]
    if config.mlp == "swiglu":
        M = config.mlp_width
        hidden = hidden[..., :M] / (1 + np.exp(-hidden[..., :M])) * hidden[..., M:]
    else:
        hidden = naive_gelu(hidden.ravel()).reshape(hidden.shape)
    hidden = hidden * kept(rng, hidden.shape, config.dropout)
    return hidden @ p[f"{name}.fc2.weight"] + p[f"{name}.fc2.bias"]


def naive_training_forward(p, images, config, rng):
    (gh, gw), D = config.grid, config.width

    def norm(x, name):
        tokens = [
            naive_norm(x[place], p[f"{name}.weight"], p[f"{name}.bias"], 0.01) for place in np.ndindex(x.shape[:-1])
        ]
        return np.array(tokens).reshape(x.shape)

    def end(branch, scale, rate):
        """Dropout of each number, LayerScale, and drop path of each image."""
        branch = branch * kept(rng, branch.shape, config.dropout) * p[scale]
        return branch * kept(rng, (len(branch), 1, 1), rate)

    patches = images.reshape(-1, gh, 2, gw, 2).swapaxes(2, 3).reshape(-1, gh * gw, 4)
    x = patches @ p["patch_embed.proj.weight"] + p["patch_embed.proj.bias"]
    if config.has_class_token:
        x = np.concatenate((np.repeat(p["cls_token"], len(x), axis=0), x), axis=1)
    x = x + p["pos_embed"]
    x = x * kept(rng, x.shape, config.dropout)
    for i in range(config.depth):
        name, rate = f"blocks.{i}", 0.3 * i  # 0, .3, .6
        if config.attention == "axial":
            h = norm(x, f"{name}.norm1").reshape(-1, gw, D)  # the rows of all images
            h = naive_attention(h, p, f"{name}.attn", config, rng, gw).reshape(-1, gh * gw, D)
            x = x + end(h, f"{name}.ls1.gamma", rate)
            h = norm(x, f"{name}.norm_column").reshape(-1, gh, gw, D).swapaxes(1, 2).reshape(-1, gh, D)
            h = naive_attention(h, p, f"{name}.attn_column", config, rng, gh).reshape(-1, gw, gh, D)
            x = x + end(h.swapaxes(1, 2).reshape(-1, gh * gw, D), f"{name}.ls_column.gamma", rate)
        else:
            read = (
                1 if config.pool == "cls" and i == config.depth - 1 else x.shape[1]
            )  # the last block's others are not read
            h = naive_attention(norm(x, f"{name}.norm1"), p, f"{name}.attn", config, rng, read)
            x = x[:, :read] + end(h, f"{name}.ls1.gamma", rate)
        h = naive_mlp(norm(x, f"{name}.norm2"), p, f"{name}.mlp", config, rng)
        x = x + end(h, f"{name}.ls2.gamma", rate)
    x = norm(x[:, 0], "norm") if config.pool == "cls" else norm(x.mean(axis=1), "fc_norm")
    return x @ p["head.weight"] + p["head.bias"]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_noisy_forward_is_the_loop_with_the_same_draws(name):
    config = CONFIGS[name]
    model = order_one_model(config)
    images = np.random.default_rng(0).standard_normal((5, 4, 6, 1))
    for seed in (0, 1):
        logits, _ = model.forward(images, np.random.default_rng(seed))
        expected = naive_training_forward(model.params, images, config, np.random.default_rng(seed))
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("size", "grid"), [((4, 10), (2, 5)), ((10, 4), (5, 2))])
def test_waves_on_a_grid_that_is_no_square(size, grid):
    """Patch (i, j) has column j's waves in its first half, row i's in its second; cls, which is no place, has none."""
    config = ViTConfig(**NOISY | dict(image_size=size, position="sincos2d", dropout=0.0))
    model, images = order_one_model(config), np.random.default_rng(0).standard_normal((2, *size, 1))
    x = model.run(Chain(*embedding(config)), images)
    patches = ops.patchify_forward(images, (2, 2))[0] @ model.params["patch_embed.proj.weight"]
    waves = [1.0, 1e-4]  # width 8: 10000 to the 0 and to the −1
    for place, (i, j) in enumerate(np.ndindex(grid)):
        wave = [f(side * w) for side in (j, i) for f in (math.sin, math.cos) for w in waves]
        expected = patches[:, place] + model.params["patch_embed.proj.bias"] + wave
        np.testing.assert_allclose(x[:, 1 + place], expected, atol=1e-12)
    np.testing.assert_array_equal(x[:, 0], np.repeat(model.params["cls_token"][0], 2, axis=0))


@pytest.mark.parametrize(
    ("width", "ratio", "expected"),
    # 2/3 of 12, 13, 14, 24, 25, 36, 37 and 38, cut to whole numbers and rounded up to eights; 24.9 is first cut to 24
    [(12, 1, 8), (13, 1, 8), (14, 1, 16), (24, 1, 16), (25, 1, 16), (26, 1, 24), (12, 3, 24), (37, 1, 24), (38, 1, 32),
     (10, 2.49, 16), (1, 1, 0)],
)  # fmt: skip
def test_swiglus_width_is_rounded_up_to_eights(width, ratio, expected):
    config = ViTConfig(image_size=4, patch_size=2, width=width, heads=1, mlp_ratio=ratio, mlp="swiglu")
    assert config.mlp_width == expected
