"""A masked autoencoder as a model: what it hides, its published sizes, its encoder as a ViT, its files, bad input."""

import json
import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest

from minivit import ViT, ops
from minivit.family import MAE, MAEConfig
from minivit.family.mae import SIZES, mae
from minivit.proof import MAES, small_mae

# As published: the encoder with its positions, the decoder with mask token and positions, all that is trained.
COUNTS = {
    "MAE-B/16": (85_798_656, 26_109_184, 111_655_680),
    "MAE-L/16": (303_301_632, 26_240_256, 329_239_296),
    "MAE-H/14": (630_764_800, 26_309_708, 656_613_964),
}
CONFIG = MAES["MAE"]
RNG = np.random.default_rng(5)
IMAGES, NOISE = RNG.standard_normal((3, *CONFIG.image_shape)), RNG.random((3, CONFIG.patches))


def count(parameters):
    return sum(math.prod(parameter.shape) for parameter in parameters)


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_are_the_published_ones(name):
    layers = mae(MAEConfig.from_name(name))
    encoder, decoder = (count(part.parameters) for part in layers.parts)
    assert (encoder, decoder, count(p for p in layers.parameters if not p.buffer)) == COUNTS[name]


@pytest.mark.parametrize(("ratio", "kept"), [(0.75, 49), (0.5, 98), (0.9, 19), (0.6, 78), (0.25, 147)])
def test_what_is_kept_is_rounded_as_the_authors_round(ratio, kept):
    assert MAEConfig(mask_ratio=ratio).kept == kept == int(196 * (1 - ratio))


def test_help_explains_every_field_and_json_brings_a_configuration_back():
    explained = re.findall(r"^    (\w+)  +\S", MAEConfig.__doc__, re.MULTILINE)
    assert explained == [field.name for field in fields(MAEConfig)]
    for config in MAES.values():
        assert MAEConfig(**json.loads(json.dumps(config.to_dict()))) == config


def test_the_mask_says_what_was_hidden_and_the_encoder_does_not_see_it():
    model = small_mae(CONFIG)
    prediction, mask = model(IMAGES, noise=NOISE)
    assert prediction.shape == (3, 6, 12) and mask.shape == (3, 6)
    np.testing.assert_array_equal(mask.sum(axis=1), 3)
    for b in range(3):
        assert NOISE[b][mask[b] == 0].max() < NOISE[b][mask[b] == 1].min()
    hidden = ops.unpatchify(mask[:, :, None].repeat(6, axis=2), CONFIG.image_size, CONFIG.patch_size)
    changed = IMAGES + hidden * RNG.standard_normal(IMAGES.shape)
    np.testing.assert_array_equal(model(changed, noise=NOISE)[0], prediction)
    assert np.abs(model(IMAGES + (1 - hidden), noise=NOISE)[0] - prediction).max() > 1e-3
    held, free = model.image_grads(IMAGES, noise=NOISE)
    assert not (held * hidden).any() and (free * hidden).any()


def test_the_order_of_the_kept_changes_nothing():
    """Attention sees a set: only which patches are kept counts."""
    model, other = small_mae(CONFIG), NOISE.copy()
    for b in range(3):
        kept = np.argsort(NOISE[b])[:3]
        other[b, kept] = NOISE[b, kept][::-1]
    np.testing.assert_allclose(model(IMAGES, noise=other)[0], model(IMAGES, noise=NOISE)[0], atol=1e-12)


def test_an_rng_draws_the_noise():
    model = small_mae(CONFIG)
    drawn = model(IMAGES, np.random.default_rng(3))
    given = model(IMAGES, noise=np.random.default_rng(3).random((3, 6)))
    for a, b in zip(drawn, given, strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.loss(IMAGES, np.random.default_rng(3)) == model.loss_and_grads(IMAGES, np.random.default_rng(3))[0]


def test_shards_add_up_to_the_batch():
    """Each image has as many hidden patches as another, so a mean over shards is the batch's."""
    model = small_mae(CONFIG)
    loss, grads = model.loss_and_grads(IMAGES, noise=NOISE)
    parts = [model.loss_and_grads(IMAGES[part], noise=NOISE[part]) for part in (slice(2), slice(2, 3))]
    assert 2 / 3 * parts[0][0] + 1 / 3 * parts[1][0] == pytest.approx(loss)
    for name in grads:
        np.testing.assert_allclose(2 / 3 * parts[0][1][name] + 1 / 3 * parts[1][1][name], grads[name], atol=1e-12)


def test_positions_are_no_parameters_and_lie_in_files(tmp_path):
    model = MAE(CONFIG, seed=1)
    assert list(model.buffers) == ["pos_embed", "decoder_pos_embed"] and "pos_embed" not in model.params
    np.testing.assert_array_equal(model.buffers["pos_embed"], ops.position_mae((2, 3), 8).astype(np.float32))
    model.buffers["pos_embed"] = model.buffers["pos_embed"] + 1
    model.save(tmp_path / "mae.npz")
    loaded = MAE.load(tmp_path / "mae.npz")
    assert (loaded.config, loaded.dtype) == (CONFIG, np.float32)
    for name, array in (model.params | model.buffers).items():
        np.testing.assert_array_equal((loaded.params | loaded.buffers)[name], array)
    np.testing.assert_array_equal(loaded(IMAGES, noise=NOISE)[0], model(IMAGES, noise=NOISE)[0])
    with pytest.raises(ValueError, match=r"holds a MAE, expected a ViT: read it with minivit\.load"):
        ViT.load(tmp_path / "mae.npz")


def test_the_encoder_goes_on_as_a_vit():
    model = small_mae(CONFIG)
    probed = model.vit(4, pool="cls")
    assert isinstance(probed, ViT) and (probed.config.classes, probed.config.prefix_tokens) == (4, 1)
    np.testing.assert_allclose(probed.features(IMAGES), model.features(IMAGES), atol=1e-12)
    np.testing.assert_allclose(probed.attention(IMAGES), model.attention(IMAGES), atol=1e-12)
    np.testing.assert_array_equal(probed(IMAGES), 0)
    tuned = model.vit(4, drop_path=0.1)
    assert "norm.weight" not in tuned.params and tuned.config.drop_path == 0.1
    np.testing.assert_array_equal(tuned.params["fc_norm.weight"], 1)
    np.testing.assert_array_equal(tuned.params["pos_embed"], model.buffers["pos_embed"])  # learned from now on
    assert not any(np.shares_memory(a, b) for a in tuned.params.values() for b in model.params.values())
    tokens = probed.tokens(IMAGES)[:, 1:]
    np.testing.assert_allclose(model.vit(4, pool="norm_gap").features(IMAGES), tokens.mean(axis=1), atol=1e-12)


@pytest.mark.parametrize("name", MAES)
def test_what_is_filled_in_is_a_picture(name):
    config = replace(MAES[name], image_mean=(0.3, 0.5), image_std=(0.2, 0.4))
    model = small_mae(config)
    images = np.random.default_rng(0).random((3, *config.image_shape))
    filled, hidden = model.fill_in(images, noise=NOISE)
    assert filled.shape == images.shape and filled.min() >= 0 and filled.max() <= 1
    assert hidden.shape == (3, 4, 9, 1) and hidden.dtype == bool and hidden.mean() == 1 - config.kept / 6
    prediction, mask = model(model.normalize(images), noise=NOISE)
    b, n = np.argwhere(mask)[0]
    patch = prediction[b, n].reshape(2, 3, 2)
    row, column = divmod(n, 3)
    part = np.s_[b, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
    if config.normalize_pixels:
        true = model.normalize(images)[part]
        patch = patch * np.sqrt(true.var(ddof=1) + 1e-6) + true.mean()
    np.testing.assert_allclose(filled[part], np.clip(patch * (0.2, 0.4) + (0.3, 0.5), 0, 1), atol=1e-12)
    assert hidden[part].all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(mask_ratio=1.0), ValueError, "mask_ratio is 1.0, expected a part between 0 and 1"),
        (dict(mask_ratio=0.0), ValueError, "mask_ratio is 0.0, expected a part between 0 and 1"),
        (dict(mask_ratio=0.9), ValueError, "mask_ratio 0.9 keeps 0 of 6 patches: expected at least one to be kept"),
        (dict(image_size=(2, 3)), ValueError, "keeps 0 of 1 patches"),
        (dict(image_size=(4, 10)), ValueError, "patches do not divide the image: width 10 is not a multiple of 3"),
        (dict(width=6), ValueError, "width 6 is not a multiple of 4 and of heads 2"),
        (dict(decoder_heads=3), ValueError, "decoder_width 4 is not a multiple of 4 and of decoder_heads 3"),
        (dict(decoder_mlp_ratio=0.1), ValueError, r"decoder_width · decoder_mlp_ratio ≥ 1"),
        (dict(depth=0), ValueError, "depth is 0, expected at least 1"),
        (dict(normalize_pixels=1), TypeError, "normalize_pixels is 1, expected True or False"),
        (
            dict(image_size=(2, 3), patch_size=1, channels=1, normalize_pixels=True),
            ValueError,
            "patches of 2 numbers at least",
        ),
        (dict(gelu="relu"), ValueError, "gelu is 'relu', expected one of 'erf', 'tanh'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_does_not_fit_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        replace(CONFIG, **options)


def test_bad_input_says_what_was_expected():
    model = small_mae(CONFIG)
    for noise, message in (
        (None, "neither of rng and noise given"),
        (NOISE[:, :5], r"noise has shape \(3, 5\), expected \(3, 6\): a number a patch"),
        (np.where(NOISE > 0.9, np.nan, NOISE), "noise holds NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            model(IMAGES, noise=noise)
    with pytest.raises(ValueError, match="both of rng and noise given"):
        model(IMAGES, np.random.default_rng(0), NOISE)
    with pytest.raises(ValueError, match=r"images have shape \(3, 9, 4, 2\), expected \(B, 4, 9, 2\)"):
        model(IMAGES.swapaxes(1, 2), noise=NOISE)
    with pytest.raises(ValueError, match="the model has no head"):
        model.predict(np.zeros((1, *CONFIG.image_shape)))
    with pytest.raises(ValueError, match="no published size is named 'MAE-S/16'"):
        MAEConfig.from_name("MAE-S/16")
