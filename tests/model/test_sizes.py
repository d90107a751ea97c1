"""The published models by name, each with its exact parameter count, found without allocating a model."""

import dataclasses

import pytest

from minivit import ViTConfig, count_parameters
from minivit.model import parameter_shapes
from minivit.model.sizes import SIZES

# As published with 1000 classes; DINOv2 without a head (its files have a mask token, of D numbers, more).
COUNTS = {
    "ViT-Ti/16": 5_717_416,
    "ViT-S/16": 22_050_664,
    "ViT-S/32": 22_878_952,
    "ViT-B/8": 86_576_872,
    "ViT-B/16": 86_567_656,
    "ViT-B/32": 88_224_232,
    "ViT-L/16": 304_326_632,
    "ViT-L/32": 306_535_400,
    "ViT-H/14": 632_045_800,
    "R+ViT-Ti/16": 6_337_704,
    "R26+ViT-S/32": 36_431_912,
    "R26+ViT-B/32": 101_383_976,
    "R50+ViT-B/16": 98_659_112,
    "R50+ViT-L/32": 328_994_856,
    "DeiT-Ti/16": 5_717_416,
    "DeiT-S/16": 22_050_664,
    "DeiT-B/16": 86_567_656,
    "DeiT-Ti/16-distilled": 5_910_800,
    "DeiT-S/16-distilled": 22_436_432,
    "DeiT-B/16-distilled": 87_338_192,
    "DINOv2-S/14": 22_056_192,
    "DINOv2-B/14": 86_579_712,
    "DINOv2-L/14": 304_367_616,
    "DINOv2-g/14": 1_136_479_232,
    "DINOv2-S/14-registers": 22_056_192 + 4 * 384,
    "DINOv2-B/14-registers": 86_579_712 + 4 * 768,
    "DINOv2-L/14-registers": 304_367_616 + 4 * 1024,
    "DINOv2-g/14-registers": 1_136_479_232 + 4 * 1536,
}


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_are_the_published_ones(name):
    assert count_parameters(ViTConfig.from_name(name)) == COUNTS[name]


def test_no_count_is_of_a_model_that_is_gone():
    assert COUNTS.keys() == SIZES.keys()


@pytest.mark.parametrize(
    ("size", "parameters"), [("Ti", 5_790_376), ("S", 22_196_584), ("B", 86_859_496), ("L", 304_715_752)]
)
def test_counts_at_384_pixels(size, parameters):
    assert count_parameters(ViTConfig.from_name(f"ViT-{size}/16", image_size=384)) == parameters


@pytest.mark.parametrize("pool", ["gap", "norm_gap"])
@pytest.mark.parametrize(("size", "parameters"), [("S", 22_049_896), ("B", 86_566_120)])
def test_mean_pooling_has_no_class_token_and_one_position_less(size, parameters, pool):
    config = ViTConfig.from_name(f"ViT-{size}/16", pool=pool)
    assert count_parameters(config) == parameters
    assert config.tokens == 14 * 14
    assert "cls_token" not in parameter_shapes(config)
    assert ViTConfig.from_name(f"ViT-{size}/16").tokens == 14 * 14 + 1


@pytest.mark.parametrize(
    ("name", "map_shape", "grid"),
    [
        ("R+ViT-Ti/16", (56, 56, 64), (7, 7)),
        ("R50+ViT-B/16", (14, 14, 1024), (14, 14)),
        ("R26+ViT-S/32", (7, 7, 2048), (7, 7)),
        ("ViT-B/32", (224, 224, 3), (7, 7)),
    ],
)
def test_a_hybrids_patches_are_of_the_stems_map(name, map_shape, grid):
    config = ViTConfig.from_name(name)
    assert (config.map_shape, config.grid) == (map_shape, grid)


def test_an_odd_side_is_rounded_up_by_every_halving():
    assert ViTConfig(image_size=(33, 17), patch_size=1, stem=(1, 1), stem_width=8).map_shape == (5, 3, 64)


def test_a_name_takes_changes():
    config = ViTConfig.from_name("DeiT-S/16", classes=10, distilled=True)
    assert config == dataclasses.replace(ViTConfig.from_name("DeiT-S/16-distilled"), classes=10)
    assert (config.width, config.depth, config.heads, config.patch_size) == (384, 12, 6, (16, 16))


def test_an_unknown_name_is_answered_with_those_like_it():
    with pytest.raises(ValueError, match=r"size is named 'vit-b/16', expected one of .*; did you mean 'ViT-B/16'"):
        ViTConfig.from_name("vit-b/16")
    with pytest.raises(ValueError, match=r"named 'zzz', expected one of 'ViT-Ti/16', .*'DINOv2-g/14-registers'$"):
        ViTConfig.from_name("zzz")


def test_dinov2_has_its_parts():
    config = ViTConfig.from_name("DINOv2-g/14-registers")
    shapes = parameter_shapes(config)
    assert config.tokens == 37 * 37 + 5
    assert shapes["pos_embed"] == (1, 37 * 37 + 1, 1536)  # registers have no position
    assert (shapes["blocks.39.mlp.fc1.weight"], shapes["blocks.39.mlp.fc2.weight"]) == ((1536, 8192), (4096, 1536))
    assert "head.weight" not in shapes
