"""A model exported in timm's names comes back to the same bits, and timm's own files go out as they came in."""

from pathlib import Path

import numpy as np
import pytest

from minivit import ViT, ViTConfig, export_timm, load_pretrained
from minivit.proof import CONFIGS, order_one_parameters
from minivit.weights import read_weights

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
    from minivit.weights.export import EXPORTED as ENTRY
    from minivit.weights.safetensors import write_safetensors

    export_timm(ViT(ViTConfig(image_size=8, patch_size=4, width=6, depth=1, heads=2)), tmp_path / "a.safetensors")
    arrays = {name: tensor.read() for name, tensor in read_weights(tmp_path / "a.safetensors").items()}
    write_safetensors(tmp_path / "b.safetensors", arrays, {ENTRY: text})
    with pytest.raises((TypeError, ValueError), match=r"b\.safetensors"):
        load_pretrained(tmp_path / "b.safetensors")
