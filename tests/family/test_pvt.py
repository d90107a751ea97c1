"""PVT as a model: its published sizes, its pyramid, what it gives, what does not fit and says so."""

import json
import math
import re
from dataclasses import fields

import numpy as np
import pytest

from minivit import ViT
from minivit.family import PVT, PVTConfig
from minivit.family.pvt import block, pvt
from minivit.family.pvt_sizes import SIZES
from minivit.model.parameters import declared
from minivit.proof import FAMILY, order_one_parameters

# As published, with 1000 classes.
COUNTS = {
    "PVT-Tiny": 13_229_288,
    "PVT-Small": 24_485_864,
    "PVT-Medium": 44_208_104,
    "PVT-Large": 61_369_320,
    "PVTv2-B0": 3_666_760,
    "PVTv2-B1": 14_009_000,
    "PVTv2-B2": 25_362_856,
    "PVTv2-B2-Li": 22_553_512,
    "PVTv2-B3": 45_238_696,
    "PVTv2-B4": 62_556_072,
    "PVTv2-B5": 81_956_008,
}
SMALL = {name: config for name, (kind, config) in FAMILY.items() if kind is PVT}
CONFIG = SMALL["PVT"]
IMAGES = np.random.default_rng(5).standard_normal((3, *CONFIG.image_shape))


def model(config=CONFIG):
    return PVT(config, params=order_one_parameters(config, kind=PVT))


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_are_the_published_ones(name):
    shapes = (parameter.shape for parameter in declared(pvt(PVTConfig.from_name(name))).values())
    assert sum(map(math.prod, shapes)) == COUNTS[name]


@pytest.mark.parametrize("name", ["PVT-Small", "PVTv2-B2"])
def test_the_pyramid_of_a_published_model(name):
    stages = PVTConfig.from_name(name).stages
    assert [stage.grid for stage in stages] == [(56, 56), (28, 28), (14, 14), (7, 7)]
    assert [(stage.width, stage.heads, stage.reduction) for stage in stages] == [
        (64, 1, 8), (128, 2, 4), (320, 5, 2), (512, 8, 1),
    ]  # fmt: skip
    assert [stage.hidden for stage in stages] == [512, 1024, 1280, 2048]


def test_what_gives_no_whole_patch_is_lost():
    """A map of 5 x 7 under a reduction of 2: nobody sees the last row and column, though they look themselves."""
    assert CONFIG.stages[0].grid == (5, 7)
    first, x = block(CONFIG, 0, 0), np.random.default_rng(0).standard_normal((1, 35, 4))
    params, ops = order_one_parameters(CONFIG, kind=PVT), model().device.ops
    for place, seen_by_others in ((4 * 7, False), (6, False), (5, True)):
        changed = x.copy()
        changed[:, place] += np.array([1, -2, 0.5, 0])
        others = np.arange(35) != place
        moved = np.abs(first(ops, params, changed) - first(ops, params, x))[0].max(axis=1)
        assert (moved[others].max() > 1e-6) == seen_by_others
        assert moved[place] > 1e-3


def test_without_the_filters_version_2_would_not_know_where_a_token_is():
    """Its blocks have no positions: where a filter is one number, tokens that change places change these."""
    config = PVTConfig(**SMALL["PVT, version 2"].to_dict() | {"reductions": (1, 1)})
    params, ops = order_one_parameters(config, kind=PVT), model().device.ops
    x, shuffled = np.random.default_rng(0).standard_normal((1, 30, 4)), np.random.default_rng(1).permutation(30)
    first, name = block(config, 0, 0), "stages.0.blocks.0.mlp.dwconv.weight"
    middle = np.zeros_like(params[name])
    middle[1, 1] = params[name][1, 1]
    for weight, knows in ((params[name], True), (middle, False)):
        p = params | {name: weight}
        error = np.abs(first(ops, p, x[:, shuffled]) - first(ops, p, x)[:, shuffled]).max()
        assert (error > 0.01) == knows


@pytest.mark.parametrize("name", SMALL)
def test_it_has_the_face_of_a_vit(name, tmp_path):
    one = model(SMALL[name])
    images = np.random.default_rng(5).standard_normal((3, *one.config.image_shape))
    logits, features = one(images), one.features(images)
    np.testing.assert_array_equal(logits, one.forward(images)[0])
    if one.config.classes:
        head = one.params["head.weight"], one.params["head.bias"]
        np.testing.assert_allclose(features @ head[0] + head[1], logits, atol=1e-12)
        loss, grads = one.loss_and_grads(images, np.array([0, 1, 3]))
        assert loss > 0 and grads.keys() == one.params.keys()
    else:
        np.testing.assert_array_equal(logits, features)
    assert repr(one).startswith(f"PVT(version {one.config.version}, ") and "cross_attention(heads=" in str(one.layers)
    one.save(tmp_path / "pvt.npz")
    loaded = PVT.load(tmp_path / "pvt.npz")
    assert (loaded.config, list(loaded.params)) == (one.config, list(one.params))
    np.testing.assert_array_equal(loaded(images), logits)
    with pytest.raises(ValueError, match=r"holds a PVT, expected a ViT: read it with minivit\.load"):
        ViT.load(tmp_path / "pvt.npz")


def test_attention_is_an_array_a_block_with_few_keys():
    maps = model().attention(IMAGES)
    assert [weights.shape for weights in maps] == [(3, 1, 35, 2 * 3)] * 2 + [(3, 2, 1 + 6, 1 + 6)]
    linear = SMALL["PVT, linear"]
    maps += model(linear).attention(np.random.default_rng(0).standard_normal((2, *linear.image_shape)))
    assert [weights.shape for weights in maps[3:]] == [(2, 1, 20, 49), (2, 2, 6, 49)]
    for weights in maps:
        np.testing.assert_allclose(weights.sum(axis=-1), 1)


def test_drop_path_rises_linearly_over_all_stages():
    def rates(layer):
        own = [layer.options["rate"]] if getattr(layer, "op", "") == "drop_path" else []
        return own + [rate for part in layer.parts for rate in rates(part)]

    config = PVTConfig(**CONFIG.to_dict() | {"depths": (2, 3), "drop_path": 0.2})
    assert rates(pvt(config)) == pytest.approx([0.05, 0.05, 0.1, 0.1, 0.15, 0.15, 0.2, 0.2])


def test_help_explains_every_field_and_json_brings_a_configuration_back():
    explained = re.findall(r"^    (\w+)  +\S", PVTConfig.__doc__, re.MULTILINE)
    assert explained == [field.name for field in fields(PVTConfig)]
    for config in SMALL.values():
        assert PVTConfig(**json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ValueError, match="no published size is named 'PVTv2-B6', expected one of 'PVT"):
        PVTConfig.from_name("PVTv2-B6")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(version=3), ValueError, "version is 3, expected 1 or 2"),
        (dict(version="2"), TypeError, "version is '2', expected a whole number"),
        (dict(version=1), ValueError, r"patch_sizes are \(7, 3, 3, 3\), expected the strides, \(4, 2, 2, 2\)"),
        (
            dict(version=1, patch_sizes=(4, 2, 2, 2), reductions=(8, 4, 2, 2)),
            ValueError,
            "reductions end in 2, expected 1",
        ),
        (dict(version=1, patch_sizes=(4, 2, 2, 2), linear=True), ValueError, "linear attention is version 2's"),
        (dict(heads=(1, 2, 5, 7)), ValueError, "stage 3 is 512 wide, which is not a multiple of its 7 heads"),
        (dict(heads=(1, 2, 5)), ValueError, "a number of each for every stage, at least one, but .*heads has 3"),
        (dict(depths=3), TypeError, r"depths is 3, expected a number for each stage, such as \(8, 4, 2, 1\)"),
        (dict(depths=(0, 1, 1, 1)), ValueError, "depths is 0, expected at least 1"),
        (dict(mlp_ratios=(8, 8, 4)), ValueError, "mlp_ratios has 3"),
        (dict(mlp_ratios=(8, 8, 4, 0)), ValueError, "mlp_ratios is 0, expected positive numbers"),
        (dict(mlp_ratios=4), TypeError, "mlp_ratios is 4, expected a number for each stage"),
        (dict(mlp_ratios=(1e-9, 8, 4, 4)), ValueError, "mlp_ratios has 1e-09 for stage 0, expected width · ratio ≥ 1"),
        (dict(image_size=(3, 224), version=1, patch_sizes=(4, 2, 2, 2)), ValueError, "stage 0 has a map of 0 x 56"),
        (dict(image_size=28), ValueError, "stage 0 has a map of 7 x 7 tokens, expected at least 8 x 8"),
        (dict(linear=1), TypeError, "linear is 1, expected True or False"),
        (dict(embed_eps=0), ValueError, "embed_eps is 0, expected a positive number"),
        (dict(drop_path=1.0), ValueError, r"drop_path is 1.0, expected a rate in \[0, 1\)"),
    ],
    ids=lambda value: next(reversed(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        PVTConfig(**options)
