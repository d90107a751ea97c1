"""A warning names the line of whoever called minivit, not one of minivit's own."""

import json
import warnings

import numpy as np
import pytest

import minivit
from minivit import ViT, ViTConfig, export, load_pretrained, train_mnist
from minivit.data import preprocess
from minivit.train import mnist
from minivit.weights import export_timm, read_weights
from minivit.weights.safetensors import write_safetensors

CONFIG = ViTConfig(image_size=16, patch_size=8, classes=5, width=192, depth=12, heads=3)


@pytest.fixture
def plain(tmp_path):
    """timm's tensors by their names, without a word about the model."""
    export_timm(ViT(CONFIG), tmp_path / "own.safetensors")
    return {name: np.ascontiguousarray(t.floats()) for name, t in read_weights(tmp_path / "own.safetensors").items()}


def one_warning(said, function, *args, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*args, **options)
    (own,) = (warning for warning in caught if said in str(warning.message))
    assert own.filename == __file__, f"{own.filename}:{own.lineno}"


def test_weights(plain, tmp_path):
    path = tmp_path / "x.safetensors"
    write_safetensors(path, plain)
    one_warning("nothing tells the mean", load_pretrained, path)
    one_warning("but published models", load_pretrained, path, heads=6, image_mean=0.5)
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "a"}}))
    one_warning("names 1 classes", load_pretrained, path, image_mean=0.5)
    write_safetensors(path, {f"model.{name}": array for name, array in plain.items()} | {"x.y": np.ones(1, "f4")})
    one_warning("1 other tensors are left out", load_pretrained, path, image_mean=0.5)


def test_an_export_without_a_config(tmp_path):
    config = minivit.MobileViTConfig(
        image_size=32, classes=4, stem_width=8, widths=(8, 16), strides=(1, 2), units=(1, 1), expansions=(2, 2),
        token_widths=(0, 24), depths=(0, 1), last_width=32,
    )  # fmt: skip
    one_warning("gets no config.json", export, minivit.MobileViT(config), tmp_path / "x.safetensors", "Hugging Face")


def test_training_and_pictures(monkeypatch):
    one_warning("a model of small grey squares", preprocess, np.zeros((9, 9), np.uint8), ViTConfig(28, 7, 1, 10))
    monkeypatch.setattr(mnist, "load_mnist", lambda *args, **options: (_ for _ in ()).throw(ValueError("enough")))
    with pytest.raises(ValueError, match="enough"), pytest.warns(UserWarning, match="is a recipe") as told:
        train_mnist("full")
    assert told[0].filename == __file__
