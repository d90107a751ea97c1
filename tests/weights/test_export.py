"""A model exported in timm's names comes back to the same bits, and timm's own files go out as they came in."""

from pathlib import Path

import numpy as np
import pytest

from minivit import ViT, ViTConfig, export_timm, load_pretrained
from minivit.ops import resize_positions_forward
from minivit.proof import CONFIGS, order_one_parameters
from minivit.weights import read_weights
from minivit.weights.safetensors import write_safetensors

FIXTURES = Path(__file__).parents[1] / "fixtures"
EXPORTED = [name for name, c in CONFIGS.items() if c.position == "1d" and c.attention == "full"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXPORTED)
def test_round_trip(tmp_path, name, dtype):
    model = ViT(CONFIGS[name], dtype=dtype)
    model.params = {key: array.astype(dtype) for key, array in order_one_parameters(model.config).items()}
    export_timm(model, tmp_path / "model.safetensors")
    loaded = load_pretrained(tmp_path / "model.safetensors", dtype=dtype)
    assert loaded.config == model.config
    assert list(loaded.params) == list(model.params)
    for key, array in model.params.items():
        assert loaded.params[key].dtype == dtype
        np.testing.assert_array_equal(loaded.params[key], array, err_msg=key)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/timm_*.safetensors")), ids=lambda path: path.stem)
def test_timms_own_files_come_out_as_they_went_in(tmp_path, path):
    size = {"image_size": (16, 40)} if "rectangular" in path.stem else {}
    model = load_pretrained(path, heads=4 if path.parent.name == "parity" else 3, **size)
    export_timm(model, tmp_path / "model.safetensors")
    theirs, ours = read_weights(path), read_weights(tmp_path / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name].read(), tensor.read(), err_msg=name)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in EXPORTED])
def test_what_timm_has_no_names_for_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be written: timm has no names for "):
        export_timm(ViT(CONFIGS[name]), tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", "[]", '{"heads": 5}', '{"norm_eps": "small"}'])
def test_a_damaged_configuration_in_the_file_is_refused(tmp_path, text):
    from minivit.weights.exporting import EXPORTED as ENTRY
    from minivit.weights.safetensors import write_safetensors

    export_timm(ViT(ViTConfig(image_size=8, patch_size=4, width=6, depth=1, heads=2)), tmp_path / "a.safetensors")
    arrays = {name: tensor.read() for name, tensor in read_weights(tmp_path / "a.safetensors").items()}
    write_safetensors(tmp_path / "b.safetensors", arrays, {ENTRY: text})
    with pytest.raises((TypeError, ValueError), match=r"b\.safetensors"):
        load_pretrained(tmp_path / "b.safetensors")


def test_a_rectangle_of_patches_comes_back_even_where_it_could_be_a_square(tmp_path):
    config = ViTConfig(image_size=(8, 20), patch_size=4, channels=1, classes=3, width=64, depth=1, heads=1)
    model = ViT(config)
    model.params["pos_embed"][:, 0] = (
        0  # timm leaves out rows of zeros: 10 positions are then left, and 9 + 1 is a square
    )
    export_timm(model, tmp_path / "model.safetensors")
    loaded = load_pretrained(tmp_path / "model.safetensors")
    assert loaded.config == config
    np.testing.assert_array_equal(loaded.params["pos_embed"], model.params["pos_embed"])


def test_a_square_table_is_a_square_whatever_size_is_wanted(tmp_path):
    sizes = dict(patch_size=4, channels=1, classes=3, width=192, depth=12, heads=3)
    square = ViT(ViTConfig(image_size=16, **sizes))
    export_timm(square, tmp_path / "model.safetensors")
    arrays = {name: tensor.read() for name, tensor in read_weights(tmp_path / "model.safetensors").items()}
    write_safetensors(tmp_path / "theirs.safetensors", arrays, {"format": "pt"})  # as timm writes it: no size told
    wide = load_pretrained(tmp_path / "theirs.safetensors", image_size=(8, 32))  # as many patches, another shape
    expected, _ = resize_positions_forward(square.params["pos_embed"], (4, 4), (2, 8), 1, wide.config.position_resize)
    np.testing.assert_allclose(wide.params["pos_embed"], expected, atol=1e-6)
    assert np.abs(wide.params["pos_embed"] - square.params["pos_embed"]).max() > 1e-3


@pytest.mark.parametrize("size", [0, "abc", (8, 8, 8), -4])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    model = ViT(ViTConfig(image_size=16, patch_size=4, channels=1, classes=3, width=64, depth=1, heads=1))
    export_timm(model, tmp_path / "model.safetensors")
    with pytest.raises((TypeError, ValueError), match="image_size"):
        load_pretrained(tmp_path / "model.safetensors", image_size=size)


def test_a_model_that_minivit_saved_is_told_apart(tmp_path):
    ViT(ViTConfig(image_size=16, patch_size=4, classes=3, width=64, depth=1, heads=1)).save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=r"that minivit saved: read it with minivit\.load"):
        load_pretrained(tmp_path / "model.npz")
