"""A saved model comes back to the same bits, and a file that is none is refused by name."""

import json

import numpy as np
import pytest

import minivit
from minivit import ViT, ViTConfig
from minivit.model.files import CONFIG, save_model
from minivit.proof import CONFIGS

MODEL = ViT(CONFIGS["plain"], seed=3)


def contents():
    """What a good file holds, to be spoilt."""
    return {CONFIG: np.array(json.dumps(MODEL.config.to_dict())), **MODEL.params}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CONFIGS)
def test_save_and_load_give_the_same_bits(tmp_path, name, dtype):
    model = ViT(CONFIGS[name], seed=1, dtype=dtype)
    model.save(tmp_path / "model.npz")
    loaded = ViT.load(tmp_path / "model.npz")
    assert loaded.config == model.config
    assert loaded.dtype == model.dtype
    assert list(loaded.params) == list(model.params)
    for key, array in model.params.items():
        assert loaded.params[key].dtype == dtype
        np.testing.assert_array_equal(loaded.params[key], array)
    images = np.random.default_rng(0).standard_normal((2, *model.config.image_shape))
    np.testing.assert_array_equal(loaded(images), model(images))


def test_a_file_in_half_precision_is_read_in_single(tmp_path):
    """As the smallest files have it; nothing computes with float16."""
    halves = {name: array.astype(np.float16) if name != CONFIG else array for name, array in contents().items()}
    np.savez(tmp_path / "model.npz", **halves)
    loaded = ViT.load(tmp_path / "model.npz")
    for name, array in loaded.params.items():
        assert array.dtype == np.float32 and np.array_equal(array, halves[name].astype(np.float32))


def test_pairs_and_means_a_channel_survive(tmp_path):
    config = ViTConfig(**CONFIGS["plain"].to_dict() | {"image_mean": (0.4, 0.6), "image_std": (0.2, 0.3)})
    ViT(config).save(tmp_path / "model.npz")
    assert ViT.load(tmp_path / "model.npz").config == config


def spoil(entries, **changes):
    """The entries with some replaced, or taken away where the new value is None."""
    return {name: value for name, value in (entries | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head.weight": None, "cls_token": None}, r"lacks 2 parameters of its configuration: cls_token, head.weight"),
        ({"head.wait": np.zeros(3)}, "has 1 entries that its configuration does not know: head.wait"),
        ({"head.bias": np.zeros(7, np.float32)}, r"head.bias has shape \(7,\), expected \(5,\)"),
        ({"head.bias": np.zeros(5)}, "expected all float32 or all float64"),
        ({"head.bias": np.zeros(5, int)}, "expected all float32 or all float64"),
        ({CONFIG: None}, "is not a minivit model: it has no entry 'minivit.config'"),
        ({CONFIG: np.array("{")}, "its configuration cannot be read"),
        ({CONFIG: np.array('{"colour": "red"}')}, "its configuration cannot be read: .*colour"),
        ({CONFIG: np.array("[]")}, "its configuration cannot be read: it is a list, expected a dict"),
        ({CONFIG: np.array("[" * 100_000)}, "its configuration cannot be read"),
        ({CONFIG: np.array('{"dropout": 1' + "0" * 400 + "}")}, "its configuration cannot be read"),
        ({CONFIG: np.array('{"depth": 1000000000}')}, "has .* parameters, too few for the 1000000000 blocks and units"),
        (
            {CONFIG: np.array('{"patch_size": 1, "stem": [1000000000]}')},
            "too few for the 1000000012 blocks and units",
        ),
        ({CONFIG: np.array('{"stem": [' + "1," * 2000 + "1]}")}, "stem has 2001 stages, expected at most 8"),
        ({CONFIG: np.array('{"width": 7}')}, "its configuration cannot be read: width 7 is not a multiple of heads 3"),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, changes, message):
    path = tmp_path / "model.npz"
    np.savez(path, **spoil(contents(), **changes))
    with pytest.raises(ValueError, match=message) as refusal:
        ViT.load(path)
    assert str(path) in str(refusal.value)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "model.npz"
    MODEL.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"model\.npz is not a complete \.npz file"):
        ViT.load(path)


@pytest.mark.parametrize("load", [ViT.load, minivit.load])
def test_published_weights_are_sent_to_their_own_reader(tmp_path, load):
    path = tmp_path / "model.safetensors"
    minivit.export_timm(MODEL, path)
    with pytest.raises(ValueError, match=r"model\.safetensors is not .*minivit\.load_pretrained"):
        load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.npz"):
        ViT.load(tmp_path / "model.npz")


def test_a_checkpoints_further_entries_are_passed_over(tmp_path):
    np.savez(tmp_path / "model.npz", **contents(), **{"minivit.step": np.array(7)})
    assert ViT.load(tmp_path / "model.npz").config == MODEL.config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head.bias": None}, "lacks 1 parameters of its configuration: head.bias"),
        ({"minivit.step": np.zeros(3, np.float32)}, "does not know: minivit.step"),
        ({"head.bias": np.zeros(7, np.float32)}, r"head.bias has shape \(7,\), expected \(5,\)"),
        ({"head.bias": np.zeros(5)}, "expected all float32 or all float64"),
        ({name: array.astype(np.float16) for name, array in MODEL.params.items()}, "parameters are float16, expected"),
    ],
    ids=["missing", "unknown", "shape", "mixed", "float16"],
)
def test_what_load_would_refuse_is_not_written(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"model\.npz cannot be written: the model.*{message}"):
        save_model(tmp_path / "model.npz", ViT, MODEL.config, spoil(MODEL.params, **changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head.bias": None}, "lacks 1 parameters of its configuration: head.bias"),
        ({"head.wait": np.zeros(3, np.float32)}, "has 1 entries that its configuration does not know: head.wait"),
        # NumPy would add it all the same.
        ({"pos_embed": np.zeros((1, 1, 8), np.float32)}, r"pos_embed has shape \(1, 1, 8\), expected"),
        ({"head.bias": np.zeros(5)}, "expected all float32 or all float64"),
    ],
    ids=["missing", "unknown", "shape", "mixed"],
)
def test_a_model_is_not_made_of_parameters_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=f"the dict of params.*{message}"):
        ViT(MODEL.config, params=spoil(MODEL.params, **changes))
    with pytest.raises(ValueError, match="the dict of params lacks"):
        ViT(MODEL.config, params={})
