"""SwinConfig: what fits together, what does not and says so."""

import json
import re
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from minivit.family import SwinConfig
from minivit.proof import FAMILY


@pytest.mark.parametrize("name", FAMILY)
def test_json_brings_a_configuration_back(name):
    config = FAMILY[name][1]
    assert type(config)(**json.loads(json.dumps(config.to_dict()))) == config


def test_help_explains_every_field():
    explained = re.findall(r"^    (\w+)  +\S", SwinConfig.__doc__, re.MULTILINE)
    assert explained == [field.name for field in fields(SwinConfig)]


def test_a_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        SwinConfig().width = 3


def test_names_take_changes_and_unknown_ones_are_answered():
    config = SwinConfig.from_name("Swin-B", classes=10, image_size=(384, 192), window=[12, 6])
    assert (config.width, config.heads, config.classes, config.window) == (128, (4, 8, 16, 32), 10, (12, 6))
    with pytest.raises(ValueError, match="no published size is named 'Swin-X', expected one of 'Swin-"):
        SwinConfig.from_name("Swin-X")


def test_numpy_numbers_become_pythons():
    given = SwinConfig(
        width=np.int64(96), window=np.array([7, 7]), norm_eps=np.float64(1e-5), drop_path=np.float32(0.5)
    )
    assert repr(given) == repr(SwinConfig(drop_path=0.5))  # a NumPy number would show its type


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(image_size=(224, 225)), ValueError, "patches do not divide the image: width 225 is not a multiple of 4"),
        (dict(image_size=(226, 224)), ValueError, "patches do not divide the image: height 226 is not a multiple of 4"),
        (dict(image_size=(1, 2, 3)), ValueError, r"image_size is \(1, 2, 3\), expected an int or a pair"),
        (dict(heads=(3, 6, 12, 20)), ValueError, "stage 3 is 768 wide, which is not a multiple of its 20 heads"),
        (dict(heads=(3, 6, 12)), ValueError, r"heads \(3, 6, 12\): expected one number of each a stage"),
        (dict(depths=(), heads=()), ValueError, r"depths \(\) and heads \(\): expected one number of each a stage"),
        (dict(depths=4), TypeError, r"depths is 4, expected a number for each stage, such as \(2, 2, 6, 2\)"),
        (dict(heads=3), TypeError, r"heads is 3, expected a number for each stage, such as \(3, 6, 12, 24\)"),
        (dict(depths=(2, 0, 6, 2)), ValueError, "depths is 0, expected at least 1"),
        (dict(depths=(2.0, 2)), TypeError, "depths is 2.0, expected a whole number"),
        (dict(depths=(1,) * 9), ValueError, "depths has 9 stages, expected at most 8"),
        (dict(window=0), ValueError, "window is 0, expected at least 1"),
        (dict(window=(7, 7, 7)), ValueError, r"window is \(7, 7, 7\), expected an int or a pair"),
        (dict(padding="zeros"), ValueError, "padding is 'zeros', expected one of 'timm', 'huggingface'"),
        (dict(padding="huggingface", window=(7, 6)), ValueError, r"window is \(7, 6\), expected a square one"),
        (dict(absolute_position=1), TypeError, "absolute_position is 1, expected True or False"),
        (dict(embed_eps=0), ValueError, "embed_eps is 0, expected a positive number, or None"),
        (dict(width=0), ValueError, "width is 0, expected at least 1"),
        (dict(mlp_ratio=0.001), ValueError, "mlp_ratio is 0.001, expected a positive number"),
        (dict(mlp_ratio=1e300), ValueError, r"mlp_ratio is 1e\+300, expected a positive number"),
        (dict(norm_eps=0.0), ValueError, "norm_eps is 0.0, expected a positive number"),
        (dict(qkv_bias=1), TypeError, "qkv_bias is 1, expected True or False"),
        (dict(drop_path=1.0), ValueError, r"drop_path is 1.0, expected a rate in \[0, 1\)"),
        (dict(dropout=True), TypeError, "dropout is True, expected a number"),
        (dict(classes=-1), ValueError, "classes is -1, expected at least 0"),
        (dict(crop=0.0), ValueError, r"crop is 0.0, expected a fraction in \(0, 1\]"),
        (dict(resize_filter="nearest"), ValueError, "resize_filter is 'nearest', expected one of 'bicubic'"),
        (dict(image_mean=(0.5, 0.5)), ValueError, "image_mean has 2 numbers, expected one, or one a channel"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        SwinConfig(**options)
