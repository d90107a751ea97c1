"""timm's files of Swins: what names and shapes tell, what stands beside them, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minivit import family
from minivit.family import SwinConfig
from minivit.weights import read_weights
from minivit.weights.safetensors import write_safetensors
from minivit.weights.swin import load_swin_timm

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
FILE = FIXTURES / "swin_timm.safetensors"
PADDED = FIXTURES / "swin_timm_pad.safetensors"


def rewrite(path, change):
    """The file's tensors, changed, in another file."""
    tensors = {name: tensor.read() for name, tensor in read_weights(FILE).items()}
    change(tensors)
    write_safetensors(path, tensors)
    return path


def test_the_file_tells_the_configuration():
    sizes = dict(image_size=32, channels=3, classes=5, width=12, depths=(2, 2), heads=(2, 4), window=4, mlp_ratio=2.0)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert family.loader("Swin")(FILE).config == SwinConfig(**sizes, image_mean=mean, image_std=std)


def test_what_stands_beside_it_tells_more(tmp_path):
    shutil.copy(PADDED, tmp_path / "model.safetensors")
    told = {"input_size": [2, 24, 40], "mean": [0.1, 0.2], "std": [0.3, 0.4], "crop_pct": 0.8}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": told}))
    config = load_swin_timm(tmp_path).config
    assert (config.image_size, config.crop) == ((24, 40), 0.8)
    assert (config.image_mean, config.image_std) == ((0.1, 0.2), (0.3, 0.4))
    assert load_swin_timm(tmp_path, crop=1.0).config.crop == 1.0


def test_another_number_of_classes_starts_with_a_head_of_zeros():
    stored, fresh, headless = (load_swin_timm(FILE, **options) for options in ({}, {"classes": 7}, {"classes": 0}))
    assert fresh.params["head.fc.weight"].shape == (24, 7)
    assert not any(fresh.params[f"head.fc.{part}"].any() for part in ("weight", "bias"))
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3))
    np.testing.assert_array_equal(fresh.features(images), stored.features(images))
    np.testing.assert_array_equal(headless(images), stored.features(images))


def test_another_image_size_keeps_the_windows():
    model = load_swin_timm(FILE, image_size=(64, 96))
    assert [stage.grid for stage in model.config.stages] == [(16, 24), (8, 12)]
    assert model(np.zeros((1, 64, 96, 3), np.float32)).shape == (1, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("norm.bias"), "it lacks 1 tensors: norm.bias"),
        (lambda t: t.update(mean=np.zeros(3, np.float32)), "it has 1 tensors that the model does not know: mean"),
        (lambda t: t.update({"norm.bias": np.zeros(23, np.float32)}), r"norm.bias has shape \(23,\), expected \(24,\)"),
        (lambda t: t.pop("patch_embed.proj.weight"), "it lacks patch_embed.proj.weight"),
        (lambda t: t.update({"layers.0.downsample.norm.weight": np.zeros(48, np.float32)}), "Microsoft's own Swin"),
        (
            lambda t: t.update({"layers.0.blocks.0.attn.relative_position_bias_table": np.zeros((35, 2), np.float32)}),
            r"its table of 35 offsets is that of no square window: give window=\(height, width\)",
        ),
    ],
    ids=["missing", "unknown", "shape", "no patches", "microsoft", "window"],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, change, message):
    path = rewrite(tmp_path / "swin.safetensors", change)
    with pytest.raises(ValueError, match=message) as refusal:
        load_swin_timm(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        (FILE, dict(window=2), ValueError, r"relative_position_bias_table has shape \(49, 2\), expected \(9, 2\)"),
        (FILE, dict(image_size=30), ValueError, "patches do not divide the image: height 30"),
        (PADDED, dict(image_size=32), ValueError, r"bias_table has shape \(35, 3\), expected \(49, 3\)"),
        (FILE, dict(colour="red"), TypeError, "colour"),
        (FILE, dict(dtype=np.float16), ValueError, "dtype is float16, expected float32 or float64"),
        (FIXTURES / "none.safetensors", {}, FileNotFoundError, "does not exist"),
        (FIXTURES.parent / "parity" / "timm_cls.safetensors", {}, ValueError, "it lacks layers.0.blocks.0.mlp.fc1"),
    ],
    ids=["window", "image_size", "other maps", "option", "dtype", "no file", "a ViT"],
)
def test_what_does_not_fit_is_refused(path, options, error, message):
    with pytest.raises(error, match=message):
        load_swin_timm(path, **options)
