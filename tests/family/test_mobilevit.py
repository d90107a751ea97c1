"""MobileViT as a model: its published sizes, training and evaluation, what it gives, what does not fit and says so."""

import json
import math
import re
from dataclasses import fields

import numpy as np
import pytest

from minivit import ViT
from minivit.family import MobileViT, MobileViTConfig
from minivit.family.mobilevit import SIZES, expanded, mobilevit
from minivit.model.parameters import declared
from minivit.proof import FAMILY, order_one_parameters

COUNTS = {"MobileViT-XXS": 1_272_024, "MobileViT-XS": 2_317_848, "MobileViT-S": 5_578_632}  # 1000 classes
SMALL = {name: config for name, (kind, config) in FAMILY.items() if kind is MobileViT}
CONFIG = SMALL["MobileViT"]
IMAGES = np.random.default_rng(5).standard_normal((3, *CONFIG.image_shape))


def model(config=CONFIG, **options):
    return MobileViT(config, params=order_one_parameters(config, kind=MobileViT), **options)


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_are_the_published_ones(name):
    config = MobileViTConfig.from_name(name)
    parameters = declared(mobilevit(config)).values()
    assert sum(math.prod(parameter.shape) for parameter in parameters if not parameter.buffer) == COUNTS[name]
    assert [stage.map for stage in config.stages] == [(128, 128), (64, 64), (32, 32), (16, 16), (8, 8)]


@pytest.mark.parametrize(("n_in", "e", "inside"), [(16, 2, 32), (16, 4, 64), (10, 2, 24), (3, 2, 8), (9, 1, 16)])
def test_a_units_inner_channels_are_a_multiple_of_8_and_90_percent_at_least(n_in, e, inside):
    assert expanded(n_in, e) == inside


@pytest.mark.parametrize("name", SMALL)
def test_it_has_the_face_of_a_vit(name, tmp_path):
    one = model(SMALL[name])
    images = np.random.default_rng(5).standard_normal((3, *one.config.image_shape))
    logits, features = one(images), one.features(images)
    np.testing.assert_array_equal(logits, one.forward(images)[0])
    if one.config.classes:
        head = one.params["head.fc.weight"], one.params["head.fc.bias"]
        np.testing.assert_allclose(features @ head[0] + head[1], logits, atol=1e-12)
        loss, grads = one.loss_and_grads(images, np.array([0, 1, 3]))
        assert loss > 0 and list(grads) == [*one.params, *one.buffers]
    else:
        np.testing.assert_array_equal(logits, features)
    assert repr(one).startswith("MobileViT(2 units, ") and "unfold(patch=" in str(one.layers)
    one.save(tmp_path / "mobilevit.npz")
    loaded = MobileViT.load(tmp_path / "mobilevit.npz")
    assert (loaded.config, list(loaded.params), list(loaded.buffers)) == (
        one.config, list(one.params), list(one.buffers),
    )  # fmt: skip
    np.testing.assert_array_equal(loaded(images), logits)
    with pytest.raises(ValueError, match=r"holds a MobileViT, expected a ViT: read it with minivit\.load"):
        ViT.load(tmp_path / "mobilevit.npz")


def test_evaluation_reads_the_running_statistics_and_no_call_changes_them():
    """An image's logits do not depend on those beside it; in training they do, and new statistics come back apart."""
    one = model()
    before = {name: array.copy() for name, array in one.buffers.items()}
    np.testing.assert_allclose(one(IMAGES)[:1], one(IMAGES[:1]), atol=1e-12)
    together, alone = (one.forward(images, training=True)[0] for images in (IMAGES, IMAGES[:2]))
    assert np.abs(together[:2] - alone).max() > 0.01
    _, grads = one.loss_and_grads(IMAGES, np.array([0, 1, 3]))
    for name, array in one.buffers.items():
        np.testing.assert_array_equal(array, before[name])
        assert grads[name].shape == array.shape and np.abs(grads[name] - array).max() > 1e-6
    mean = "stem.bn.running_mean"
    stem = one.device.ops.convolution_forward(IMAGES, one.params["stem.conv.weight"], 2, ((1, 1), (1, 1)))[0]
    np.testing.assert_allclose(grads[mean], 0.9 * before[mean] + 0.1 * stem.mean(axis=(0, 1, 2)), atol=1e-12)


def test_attention_is_an_array_a_transformer_block_and_a_sequence_a_place_of_the_patch():
    (weights,) = model().attention(IMAGES)
    assert weights.shape == (3, 1 * 2, 2, 2, 2)  # a map of 2 x 2 in patches of 1 x 2
    np.testing.assert_allclose(weights.sum(axis=-1), 1)


def test_a_token_sees_its_place_of_every_patch():
    """A change in one pixel of the tokens' map reaches, by attention, the places that share its offset."""
    config = MobileViTConfig(
        image_size=8, channels=1, classes=0, stem_width=4, widths=(4,), strides=(1,), units=(1,), expansions=(2,),
        token_widths=(4,), depths=(1,), last_width=4, heads=2,
    )  # fmt: skip
    one = model(config)
    ops, noted = one.device.ops, one.layers.parts[0].parts[-1].parts[0].parts[1].parts  # the layers of the tokens
    tokens = [layer for layer in noted if getattr(layer, "op", "") not in ("linear", "convolution")][1:-1]
    x = np.random.default_rng(0).standard_normal((1, 4, 4, 4))
    changed = x.copy()
    changed[0, 1, 0] += np.array([1, -2, 0.5, 0])
    y, moved = x, changed
    for layer in tokens:
        y, moved = layer(ops, one.arrays(one.layers), y), layer(ops, one.arrays(one.layers), moved)
    touched = np.abs(moved - y)[0].max(axis=-1) > 1e-9
    np.testing.assert_array_equal(touched, np.outer([0, 1, 0, 1], [1, 0, 1, 0]).astype(bool))


def test_channels_are_turned_round_where_the_file_wants_blue_first():
    sizes = dict(image_size=8, classes=2, widths=(4,), strides=(1,), units=(1,), expansions=(1,), token_widths=(0,))
    config = MobileViTConfig(**sizes, depths=(0,), stem_width=2, last_width=4, image_mean=(0.1, 0.2, 0.3))
    rgb = model(config)
    bgr = MobileViT(MobileViTConfig(**config.to_dict() | {"bgr": True}), params=rgb.params | rgb.buffers)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    pixels = images / 255 - np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(rgb.normalize(images), pixels, atol=1e-12)
    np.testing.assert_allclose(bgr.normalize(images), pixels[..., ::-1], atol=1e-12)
    np.testing.assert_array_equal(bgr(pixels), rgb(pixels))  # a model never turns what is normalised
    assert np.abs(bgr.predict(images) - rgb.predict(images)).max() > 1e-6


def test_help_explains_every_field_and_json_brings_a_configuration_back():
    explained = re.findall(r"^    (\w+)  +\S", MobileViTConfig.__doc__, re.MULTILINE)
    assert explained == [field.name for field in fields(MobileViTConfig)]
    for config in SMALL.values():
        assert MobileViTConfig(**json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ValueError, match="no published size is named 'MobileViT-M', expected one of 'MobileViT-"):
        MobileViTConfig.from_name("MobileViT-M")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(units=(1, 3)), ValueError, "a number of each for every stage, at least one, but .*units has 2"),
        (dict(depths=(0, 0, 2, 4, 0)), ValueError, "stage 4 has 0 transformer blocks of width 240, expected both or"),
        (dict(token_widths=(0, 0, 0, 192, 240)), ValueError, "stage 2 has 2 transformer blocks of width 0"),
        (dict(token_widths=(0, 0, 142, 192, 240)), ValueError, "stage 2 has tokens 142 wide, .* of 4 heads"),
        (dict(widths=(32, 64, 96, 128, 0)), ValueError, "widths is 0, expected at least 1"),
        (dict(strides=2), TypeError, r"strides is 2, expected a number for each stage, such as \(1, 2, 2, 2, 2\)"),
        (dict(expansions=4), TypeError, "expansions is 4, expected a number for each stage"),
        (dict(expansions=(4, 4, 4, 4, -1)), ValueError, "expansions is -1, expected positive numbers"),
        (dict(mlp_ratio=1e-6), ValueError, "mlp_ratio is 1e-06, expected width · mlp_ratio ≥ 1"),
        (dict(patch_size=0), ValueError, "patch_size is 0, expected at least 1"),
        (dict(heads=0), ValueError, "heads is 0, expected at least 1"),
        (dict(bgr=None), TypeError, "bgr is None, expected True or False"),
        (dict(image_size="large"), TypeError, "image_size is 'large', expected a whole number"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        MobileViTConfig(**options)
