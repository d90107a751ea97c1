"""Files of Swins, timm's, Microsoft's and Hugging Face's: what names and shapes tell, what stands beside them, what is
resized, what is written, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minivit import export, family, load_pretrained
from minivit.family import Swin, SwinConfig
from minivit.ops import resize_positions_forward
from minivit.proof import order_one_parameters
from minivit.weights import read_weights
from minivit.weights.safetensors import write_safetensors
from minivit.weights.swin import SOURCES

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
FILE, PADDED = FIXTURES / "swin_timm.safetensors", FIXTURES / "swin_timm_pad.safetensors"
ORIGINAL = FIXTURES / "swin_original.safetensors"
SIZES = dict(image_size=32, channels=3, classes=5, width=12, depths=(2, 2), heads=(2, 4), window=4, mlp_ratio=2.0)
IMAGENET = dict(image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225))


def rewrite(path, change, file=FILE):
    """The file's tensors, changed, in another file."""
    tensors = {name: tensor.read() for name, tensor in read_weights(file).items()}
    change(tensors)
    write_safetensors(path, tensors)
    return path


def folder(tmp_path, **changes):
    """Hugging Face's files, with changes in config.json."""
    shutil.copytree(FIXTURES / "swin_hf", tmp_path / "hf")
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    (tmp_path / "hf" / "config.json").write_text(json.dumps(config | changes))
    return tmp_path / "hf"


def test_the_file_tells_the_configuration():
    assert load_pretrained(FILE).config == SwinConfig(**SIZES, **IMAGENET)
    assert family.loader("Swin")(ORIGINAL).config == SwinConfig(**SIZES, **IMAGENET, padding="huggingface", crop=0.875)


def test_what_stands_beside_it_tells_more(tmp_path):
    shutil.copy(PADDED, tmp_path / "model.safetensors")
    told = {"input_size": [2, 24, 40], "mean": [0.1, 0.2], "std": [0.3, 0.4], "crop_pct": 0.8}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": told}))
    config = load_pretrained(tmp_path).config
    assert (config.image_size, config.crop) == ((24, 40), 0.8)
    assert (config.image_mean, config.image_std) == ((0.1, 0.2), (0.3, 0.4))
    assert load_pretrained(tmp_path, crop=1.0).config.crop == 1.0


def test_hugging_faces_eps_reaches_some_norms_only(tmp_path):
    """The blocks' and the last; the embedding's and merging's stay at 1e-5."""
    path = folder(tmp_path, layer_norm_eps=0.25)
    (path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1], "image_std": [0.2], "resample": 2}))
    model = load_pretrained(path)
    assert (model.config.norm_eps, model.config.embed_eps) == (0.25, 1e-5)
    assert (model.config.image_mean, model.config.image_std, model.config.resize_filter) == (0.1, 0.2, "bilinear")

    def norms(layer):
        own = {layer.reads[0]: layer.options["eps"]} if getattr(layer, "op", "") == "layernorm" else {}
        return own | {name: eps for part in layer.parts for name, eps in norms(part).items()}

    found = norms(model.layers)
    assert len(found) == 2 + 2 * 4 + 1
    for name, eps in found.items():
        assert eps == (1e-5 if name.startswith("patch_embed") or "downsample" in name else 0.25), name


def test_the_prefix_may_be_missing_and_buffers_are_skipped(tmp_path):
    def bare(tensors):
        for name in list(tensors):
            tensors[name.removeprefix("swin.")] = tensors.pop(name)
        del tensors["classifier.weight"], tensors["classifier.bias"]
        index = "encoder.layers.0.blocks.0.attention.self.relative_position_index"
        tensors[index] = np.zeros((49, 49), np.float32)

    path = folder(tmp_path)
    rewrite(path / "model.safetensors", bare, FIXTURES / "swin_hf" / "model.safetensors")
    images = np.load(FIXTURES / "swin_hf.npz")["images"]
    np.testing.assert_array_equal(load_pretrained(path)(images), load_pretrained(FIXTURES / "swin_hf").features(images))
    assert any(name.endswith("attn_mask") for name in read_weights(ORIGINAL))


def test_another_number_of_classes_starts_with_a_head_of_zeros():
    stored, fresh, headless = (load_pretrained(FILE, **options) for options in ({}, {"classes": 7}, {"classes": 0}))
    assert fresh.params["head.fc.weight"].shape == (24, 7)
    assert not any(fresh.params[f"head.fc.{part}"].any() for part in ("weight", "bias"))
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3))
    np.testing.assert_array_equal(fresh.features(images), stored.features(images))
    np.testing.assert_array_equal(headless(images), stored.features(images))


def test_another_image_size_keeps_the_windows():
    model = load_pretrained(FILE, image_size=(64, 96))
    assert [stage.grid for stage in model.config.stages] == [(16, 24), (8, 12)]
    table = "layers.1.blocks.1.attn.relative_position_bias_table"
    np.testing.assert_array_equal(model.params[table], read_weights(FILE)[table].read())
    assert model(np.zeros((1, 64, 96, 3), np.float32)).shape == (1, 5)


def test_another_window_resizes_the_tables_as_pictures():
    """(2M−1)² to (2M'−1)², a picture a head, bicubic between half-pixels."""
    model = load_pretrained(FILE, image_size=48, window=6, dtype=np.float64)
    assert {stage.window for stage in model.config.stages} == {(6, 6)}
    table = "layers.0.blocks.1.attn.relative_position_bias_table"
    stored = read_weights(FILE)[table].floats(np.float64)
    expected, _ = resize_positions_forward(stored[None], (7, 7), (11, 11), 0, "bicubic")
    np.testing.assert_allclose(model.params[table], expected[0], atol=1e-12)
    centre = model.params[table].reshape(11, 11, 2)[5, 5]  # offset 0 stays offset 0
    np.testing.assert_allclose(centre, stored.reshape(7, 7, 2)[3, 3], atol=1e-12)
    smaller = load_pretrained(FILE, image_size=16)  # maps of 4 and 2: the second stage's window is smaller
    assert smaller.params["layers.1.blocks.0.attn.relative_position_bias_table"].shape == (9, 4)


def test_absolute_positions_are_read_resized_and_written(tmp_path):
    config = SwinConfig(**SIZES, absolute_position=True)
    model = Swin(config, params=order_one_parameters(config, kind=Swin))
    for source in SOURCES:
        export(model, tmp_path / "m.safetensors", source)
        loaded = load_pretrained(tmp_path / "m.safetensors", dtype=np.float64)
        assert loaded.config == config
        np.testing.assert_array_equal(loaded.params["absolute_pos_embed"], model.params["absolute_pos_embed"])
    larger = load_pretrained(tmp_path / "m.safetensors", dtype=np.float64, image_size=(32, 64))
    expected, _ = resize_positions_forward(model.params["absolute_pos_embed"], (8, 8), (8, 16), 0, "bicubic")
    np.testing.assert_allclose(larger.params["absolute_pos_embed"], expected, atol=1e-12)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_exported_comes_back_to_the_same_bits(tmp_path, source, dtype):
    config = SwinConfig(**SIZES, padding="huggingface", norm_eps=1e-6, embed_eps=1e-5, qkv_bias=False, crop=0.5)
    model = Swin(config, params={k: v.astype(dtype) for k, v in order_one_parameters(config, kind=Swin).items()})
    export(model, tmp_path / "m.safetensors", source)
    loaded = load_pretrained(tmp_path / "m.safetensors", dtype=dtype)
    assert (loaded.config, list(loaded.params)) == (config, list(model.params))
    for name, array in model.params.items():
        np.testing.assert_array_equal(loaded.params[name], array, err_msg=name)


@pytest.mark.parametrize(("path", "source"), [(FILE, "timm"), (ORIGINAL, "Microsoft"), ("swin_hf", "Hugging Face")])
def test_their_own_files_come_out_as_they_went_in(tmp_path, path, source):
    """But for the buffers, which follow from the sizes."""
    path = FIXTURES / path
    export(load_pretrained(path), tmp_path / "m.safetensors", source)
    theirs = read_weights(path / "model.safetensors" if path.is_dir() else path)
    theirs = {name: tensor for name, tensor in theirs.items() if "_index" not in name and "_mask" not in name}
    ours = read_weights(tmp_path / "m.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name].read(), tensor.read(), err_msg=name)


@pytest.mark.parametrize("source", ["huggingface", "hugging face", "HuggingFace", "hugging_face", "Hugging-Face"])
def test_a_source_may_be_spelt_as_people_spell_it(tmp_path, source):
    export(load_pretrained(FILE), tmp_path / "m.safetensors", source)
    assert all(name.startswith(("swin.", "classifier.")) for name in read_weights(tmp_path / "m.safetensors"))
    assert (tmp_path / "config.json").exists()


def test_what_is_not_written(tmp_path):
    model = load_pretrained(FILE)
    with pytest.raises(ValueError, match=r"source is 'Mikrosoft', expected .*; did you mean 'Microsoft'"):
        export(model, tmp_path / "m.safetensors", "Mikrosoft")
    with pytest.raises(ValueError, match="source is 'Google', expected one of 'timm', 'Microsoft', 'Hugging Face'"):
        export(model, tmp_path / "m.safetensors", "Google")
    with pytest.raises(ValueError, match=r"m\.bin is to be a \.safetensors file"):
        export(model, tmp_path / "m.bin")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("norm.bias"), "it lacks 1 tensors: norm.bias"),
        (lambda t: t.update(mean=np.zeros(3, np.float32)), "it has 1 tensors that the model does not know: mean"),
        (lambda t: t.update({"norm.bias": np.zeros(23, np.float32)}), r"norm.bias has shape \(23,\), expected \(24,\)"),
        (lambda t: t.pop("patch_embed.proj.weight"), "it lacks patch_embed.proj.weight"),
        (lambda t: t.update({"layers.0.downsample.norm.weight": np.zeros(48, np.float32)}), "it lacks 2 tensors: "),
        (
            lambda t: t.update({"layers.0.blocks.0.attn.relative_position_bias_table": np.zeros((35, 2), np.float32)}),
            "its tables of 35, 49 offsets, one a stage, are not those of image_size and window, as far as",
        ),
    ],
    ids=["missing", "unknown", "shape", "no patches", "half Microsoft's", "window"],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, change, message):
    path = rewrite(tmp_path / "swin.safetensors", change)
    with pytest.raises(ValueError, match=message) as refusal:
        load_pretrained(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(embed_dim=16), "config.json has embed_dim 16, the tensors have 8"),
        (dict(num_heads=[2, 2]), r"config.json has num_heads \[2, 2\], the tensors have \(2, 4\)"),
        (dict(hidden_act="relu"), "config.json has hidden_act 'relu', expected one of gelu, gelu_python"),
        (dict(window_size=4), "its tables of 169, 169 offsets"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_models_config_beside_it_is_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_pretrained(folder(tmp_path, **changes))


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        (FILE, dict(image_size=30), ValueError, "patches do not divide the image: height 30"),
        (PADDED, {}, ValueError, "its tables of 49, 35 offsets, one a stage, are not .*: give image_size="),
        (FILE, dict(colour="red"), TypeError, "colour is no option of load_pretrained, nor of SwinConfig"),
        (FILE, dict(heads=3), TypeError, "heads is 3, expected a number for each stage"),
        (FILE, dict(dtype=np.float16), ValueError, "dtype is float16, expected float32 or float64"),
        (FIXTURES / "none.safetensors", {}, FileNotFoundError, "does not exist"),
    ],
    ids=["image_size", "no square", "option", "heads", "dtype", "no file"],
)
def test_what_does_not_fit_is_refused(path, options, error, message):
    with pytest.raises(error, match=message):
        load_pretrained(path, **options)


def test_a_wrong_familys_file_is_named():
    vit = FIXTURES.parent / "parity" / "timm_cls.safetensors"
    with pytest.raises(ValueError, match=r"timm_cls.*: its names are those of a ViT \(timm\), expected a Swin"):
        family.loader("Swin")(vit)
    with pytest.raises(ValueError, match=r"those of a Swin \(Microsoft\), expected a ViT: minivit\.load_pretrained"):
        family.loader("ViT")(ORIGINAL)
