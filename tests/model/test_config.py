"""The configuration: what fits together, what does not and says so."""

import json
import re
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from minivit import TrainConfig, ViT, ViTConfig, count_parameters
from minivit.model import parameter_shapes
from minivit.model.checks import FILTERS
from minivit.model.config import ATTENTIONS, GELUS, MLPS, POOLS, POSITIONS, STEM_EPS
from minivit.proof import CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_has_the_parameters_that_were_counted(name):
    params = ViT(CONFIGS[name]).params
    assert {key: array.shape for key, array in params.items()} == parameter_shapes(CONFIGS[name])
    assert sum(array.size for array in params.values()) == count_parameters(CONFIGS[name])


@pytest.mark.parametrize("name", CONFIGS)
def test_json_brings_a_configuration_back(name):
    assert ViTConfig(**json.loads(json.dumps(CONFIGS[name].to_dict()))) == CONFIGS[name]


def test_sizes_are_numbers_or_pairs():
    config = ViTConfig(image_size=(32, 48), patch_size=[8, 16])
    assert (config.grid, config.tokens, config.image_shape) == ((4, 3), 13, (32, 48, 3))
    assert ViTConfig(image_size=32, patch_size=8) == ViTConfig(image_size=(32, 32), patch_size=(8, 8))
    assert ViTConfig(width=192, mlp_ratio=2.5).mlp_width == 480


@pytest.mark.parametrize("config", [ViTConfig, TrainConfig])
def test_help_explains_every_field(config):
    explained = re.findall(r"^    (\w+)  +\S", config.__doc__, re.MULTILINE)
    assert explained == [field.name for field in fields(config)]
    for names in {ViTConfig: (POOLS, POSITIONS, ATTENTIONS, MLPS, GELUS, FILTERS, STEM_EPS), TrainConfig: ()}[config]:
        assert all(f'"{name}"' in config.__doc__ for name in names)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        ViTConfig().width = 3


def test_drop_path_rises_linearly_from_0():
    config = ViTConfig(depth=5, drop_path=0.2)
    assert [config.drop_path_rate(block) for block in range(5)] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    assert ViTConfig(depth=1, drop_path=0.2).drop_path_rate(0) == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(image_size=(224, 225)), ValueError, "patches do not divide the image: width 225 is not a multiple of 16"),
        (dict(patch_size=(15, 16)), ValueError, "patches do not divide the image: height 224 is not a multiple of 15"),
        (dict(width=192, heads=5), ValueError, "width 192 is not a multiple of heads 5"),
        (dict(width=189, position="2d"), ValueError, '"2d" needs a width that is a multiple of 2, not 189'),
        (dict(width=186, position="sincos2d"), ValueError, '"sincos2d" needs a width that is a multiple of 4, not 186'),
        (dict(pool="max"), ValueError, "pool is 'max', expected one of 'cls', 'gap', 'norm_gap', 'cls_norm_gap'"),
        (
            dict(position="3d"),
            ValueError,
            "position is '3d', expected one of 'none', '1d', '2d', 'sincos2d', 'relative'",
        ),
        (dict(gelu="relu"), ValueError, "gelu is 'relu', expected one of 'erf', 'tanh'"),
        (dict(image_size=(1, 2, 3)), ValueError, r"image_size is \(1, 2, 3\), expected an int or a pair"),
        (dict(image_size=224.0), TypeError, "image_size is 224.0, expected a whole number"),
        (dict(depth=True), TypeError, "depth is True, expected a whole number"),
        (dict(channels="3"), TypeError, "channels is '3', expected a whole number"),
        (dict(depth=0), ValueError, "depth is 0, expected at least 1"),
        (dict(dropout=1.0), ValueError, r"dropout is 1.0, expected a rate in \[0, 1\)"),
        (dict(attention_dropout=-0.1), ValueError, r"attention_dropout is -0.1, expected a rate in \[0, 1\)"),
        (dict(drop_path=float("nan")), ValueError, r"drop_path is nan, expected a rate in \[0, 1\)"),
        (dict(mlp_ratio=0), ValueError, "mlp_ratio is 0, expected a positive number"),
        (dict(norm_eps=0.0), ValueError, "norm_eps is 0.0, expected a positive number"),
        (
            dict(image_mean=(0.5, 0.5)),
            ValueError,
            r"image_mean has 2 numbers, expected one, or one a channel \(3\)",
        ),
        (dict(image_std=[0.5] * 4), ValueError, r"image_std has 4 numbers, expected one, or one a channel \(3\)"),
        (dict(image_std=0.0), ValueError, "image_std is 0.0, expected positive numbers"),
        (dict(mlp_ratio="4"), TypeError, "mlp_ratio is '4', expected a number"),
        (dict(mlp_ratio=float("inf")), ValueError, "mlp_ratio is inf, expected a positive number"),
        (dict(mlp_ratio=1e308), ValueError, "mlp_ratio is 1e[+]308, expected a positive number"),
        (dict(dropout=True), TypeError, "dropout is True, expected a number"),
        (dict(layer_scale=float("nan")), ValueError, "layer_scale is nan, expected a finite number or None"),
        (dict(image_mean=float("nan")), ValueError, "image_mean is nan, expected finite numbers"),
        (dict(image_mean=(0.5, None, 0.5)), TypeError, "image_mean is None, expected a number"),
        (dict(image_std=np.array([0.5, -1, 0.5])), ValueError, "image_std is -1.0, expected positive numbers"),
        (dict(qkv_bias=1), TypeError, "qkv_bias is 1, expected True or False"),
        (dict(distilled=1), TypeError, "distilled is 1, expected True or False"),
        (dict(class_token="yes"), TypeError, "class_token is 'yes', expected True or False"),
        (dict(class_token=False), ValueError, 'pool is "cls", which needs the class token, and class_token is False'),
        (dict(classes=-1), ValueError, "classes is -1, expected at least 0"),
        (dict(registers=-1), ValueError, "registers is -1, expected at least 0"),
        (dict(representation_size=0), ValueError, "representation_size is 0, expected at least 1"),
        (dict(distilled=True, pool="gap"), ValueError, "distilled needs pool \"cls\", .* not 'gap'"),
        (dict(distilled=True, representation_size=3), ValueError, "distilled has two heads and no representation_size"),
        (dict(position="relative", registers=1), ValueError, '"relative" knows patches and a class token, no'),
        (dict(position="relative", distilled=True), ValueError, '"relative" knows patches and a class token, no'),
        (dict(attention="axial"), ValueError, 'a grid, and here 1 stand before it: use pool "gap" without class_token'),
        (dict(attention="axial", pool="gap", registers=2), ValueError, "a grid, and here 2 stand before it"),
        (dict(attention="axial", pool="gap", position="relative"), ValueError, "axial attention has no bias"),
        (dict(attention="windowed"), ValueError, "attention is 'windowed', expected one of 'full', 'axial'"),
        (dict(mlp="relu"), ValueError, "mlp is 'relu', expected one of 'gelu', 'swiglu'"),
        (dict(mlp=["gelu"]), ValueError, r"mlp is \['gelu'\], expected one of"),
        (dict(stem=3), TypeError, r"stem is 3, expected the units of each stage, such as \(3, 4, 9\), or None"),
        (dict(stem=(3, 0)), ValueError, "stem is 0, expected at least 1"),
        (dict(stem=(3,), stem_width=0), ValueError, "stem_width is 0, expected at least 1"),
        (dict(stem=(1, 1)), ValueError, "patches do not divide the stem's map: height 28 is not a multiple of 16"),
        (
            dict(pool="cls_norm_gap", class_token=False),
            ValueError,
            'pool is "cls_norm_gap", which needs the class token',
        ),
        (dict(stem_eps="keras"), ValueError, "stem_eps is 'keras', expected one of 'google', 'timm'"),
        (dict(squeeze=1), TypeError, "squeeze is 1, expected True or False"),
        (dict(crop=0.0), ValueError, r"crop is 0.0, expected a fraction in \(0, 1\]"),
        (
            dict(resize_filter="nearest"),
            ValueError,
            "resize_filter is 'nearest', expected one of 'bicubic', 'bilinear'",
        ),
        (
            dict(position_resize="cubic"),
            ValueError,
            "position_resize is 'cubic', expected one of 'bilinear', .*bicubic",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        ViTConfig(**options)


def test_swiglus_width_is_dinov2s():
    """Two thirds of the MLP's, up to a multiple of 8."""
    assert ViTConfig(mlp="swiglu", width=1536, heads=24).mlp_width == 4096
    assert ViTConfig(mlp="swiglu", width=48, mlp_ratio=2).mlp_width == 64
    assert ViTConfig(mlp="swiglu", width=51, mlp_ratio=2).mlp_width == 72  # 68


def test_numpy_numbers_become_pythons():
    rates = {name: np.float32(0.25) for name in ("mlp_ratio", "layer_scale", "dropout", "attention_dropout")}
    given = ViTConfig(
        width=np.int64(192), norm_eps=np.float64(1e-6), drop_path=np.float64(0.25),
        image_mean=np.array([0.25, 0.5, 0.75], np.float32), image_std=np.float32(0.5), **rates,
    )  # fmt: skip
    plain = ViTConfig(
        width=192, norm_eps=1e-6, drop_path=0.25, image_mean=(0.25, 0.5, 0.75), image_std=0.5,
        **{name: 0.25 for name in rates},
    )  # fmt: skip
    assert repr(given) == repr(plain)  # a NumPy number would show its type
    assert json.loads(json.dumps(given.to_dict())) == json.loads(json.dumps(plain.to_dict()))
    assert repr(ViTConfig(mlp_ratio=2, dropout=0)) == repr(ViTConfig(mlp_ratio=2.0, dropout=0.0))


def test_a_recipes_numpy_numbers_become_pythons():
    given = TrainConfig(epochs=np.int64(3), learning_rate=np.float64(3e-3), betas=np.array([0.5, 0.75], np.float32))
    assert repr(given) == repr(TrainConfig(epochs=3, learning_rate=3e-3, betas=(0.5, 0.75)))
    assert TrainConfig(**json.loads(json.dumps(given.to_dict()))) == given


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(epochs=True), "epochs is True, expected a whole number"),
        (dict(learning_rate=float("inf")), "learning_rate is inf, expected a positive number"),
        (dict(learning_rate="3e-3"), "learning_rate is '3e-3', expected a number"),
        (dict(weight_decay=float("nan")), "weight_decay is nan, expected 0 or more"),
        (dict(betas=(2, 3, 4)), r"betas is \(2, 3, 4\), expected two numbers"),
        (dict(betas=0.9), "betas is 0.9, expected two numbers"),
        (dict(betas=(0.9, 1.0)), r"betas is 1.0, expected two numbers in \[0, 1\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_recipe_that_is_no_recipe_is_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TrainConfig(**options)
