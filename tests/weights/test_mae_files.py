"""Files of masked autoencoders: what names and shapes tell, what stands beside them, written back, refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minivit import export, load_pretrained
from minivit.family import MAE, MAEConfig
from minivit.proof import MAES, small_mae
from minivit.weights import read_weights
from minivit.weights.mae import PUBLISHED, SAVED, SOURCES, load, recognise
from minivit.weights.safetensors import write_safetensors

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
HF, AUTHORS = FIXTURES / "mae_hf", FIXTURES / "mae_original.safetensors"
HEADS = dict(heads=5, decoder_heads=3)


def tensors_of(path):
    return {name: tensor.read() for name, tensor in read_weights(path).items()}


def test_the_files_tell_the_configurations():
    digits = dict(image_size=28, patch_size=4, channels=1, width=24, depth=1, heads=3, mlp_ratio=2.0)
    decoder = dict(decoder_width=16, decoder_depth=1, decoder_heads=2, decoder_mlp_ratio=2.0)
    assert load(HF).config == MAEConfig(**digits, **decoder, norm_eps=1e-12)
    colour = dict(image_size=16, patch_size=4, channels=3, width=20, depth=1, mlp_ratio=2.0)
    decoder = dict(decoder_width=12, decoder_depth=2, decoder_mlp_ratio=2.0)
    means = dict(image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225))
    assert load(AUTHORS, **HEADS).config == MAEConfig(**colour, **decoder, **HEADS, **means)
    assert load(AUTHORS, **HEADS, mask_ratio=0.5, normalize_pixels=True).config.kept == 8


def test_what_stands_beside_it_tells_more(tmp_path):
    shutil.copytree(HF, tmp_path, dirs_exist_ok=True, copy_function=shutil.copyfile)
    told = json.loads((HF / "config.json").read_text())
    changes = {"mask_ratio": 0.5, "norm_pix_loss": True, "layer_norm_eps": 0.01, "hidden_act": "gelu_new"}
    (tmp_path / "config.json").write_text(json.dumps(told | changes))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1], "image_std": [0.2]}))
    config = load(tmp_path).config
    assert (config.mask_ratio, config.normalize_pixels, config.norm_eps, config.gelu) == (0.5, True, 0.01, "tanh")
    assert (config.image_mean, config.image_std) == (0.1, 0.2)


def test_both_names_of_the_decoders_blocks_are_read(tmp_path):
    """transformers 5.24 saves the decoder under names that no published file has."""
    tensors = tensors_of(HF / "model.safetensors")
    assert any(name.startswith(PUBLISHED) for name in tensors)
    write_safetensors(tmp_path / "model.safetensors", {n.replace(PUBLISHED, SAVED): x for n, x in tensors.items()})
    shutil.copyfile(HF / "config.json", tmp_path / "config.json")
    one, other = load(HF), load(tmp_path)
    for name, array in one.numpy_arrays().items():
        np.testing.assert_array_equal(other.numpy_arrays()[name], array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", MAES)
def test_what_is_written_is_read_again_to_the_same_bits(tmp_path, name, source, dtype):
    params = {name: x.astype(dtype) for name, x in small_mae(MAES[name]).numpy_arrays().items()}
    model, path = MAE(MAES[name], params=params), tmp_path / "mae.safetensors"
    export(model, path, source)
    assert recognise(read_weights(path)) == source
    again = load(path, dtype=dtype)
    assert again.config == model.config
    assert list(again.numpy_arrays()) == list(model.numpy_arrays())
    for key, array in model.numpy_arrays().items():
        np.testing.assert_array_equal(again.numpy_arrays()[key], array)


@pytest.mark.parametrize(("source", "path", "options"), [("Hugging Face", HF, {}), ("authors", AUTHORS, HEADS)])
def test_a_published_file_is_written_back_as_it_was(tmp_path, source, path, options):
    export(load(path, **options), tmp_path / "mae.safetensors", source)
    before, after = (
        tensors_of(p) for p in (path if path.is_file() else path / "model.safetensors", tmp_path / "mae.safetensors")
    )
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("norm.bias"), "it lacks 1 tensors: norm.bias"),
        (lambda t: t.update(mean=np.zeros(3, np.float32)), "it has 1 tensors that the model does not know: mean"),
        (lambda t: t.update({"norm.bias": np.zeros(23, np.float32)}), r"norm.bias has shape \(23,\), expected \(20,\)"),
        (lambda t: t.pop("pos_embed"), "it lacks pos_embed"),
        (lambda t: t.pop("decoder_pred.weight"), r"those of a ViT \(timm\), expected a MAE"),
    ],
    ids=["missing", "unknown", "shape", "no positions", "encoder alone"],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, change, message):
    tensors, path = tensors_of(AUTHORS), tmp_path / "mae.safetensors"
    change(tensors)
    write_safetensors(path, tensors)
    with pytest.raises(ValueError, match=message) as refusal:
        load(path, **HEADS)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        (AUTHORS, {}, ValueError, "nothing tells the number of heads: give heads=…"),
        (AUTHORS, dict(heads=5), ValueError, "nothing tells the number of heads: give decoder_heads=…"),
        (
            AUTHORS,
            HEADS | dict(image_size=32),
            ValueError,
            r"pos_embed has shape \(1, 17, 20\), expected \(1, 65, 20\)",
        ),
        (AUTHORS, HEADS | dict(mask_ratio=1.0), ValueError, "mask_ratio is 1.0, expected a part between 0 and 1"),
        (AUTHORS, HEADS | dict(colour="red"), TypeError, "colour"),
        (AUTHORS, HEADS | dict(dtype=np.float16), ValueError, "dtype is float16, expected float32 or float64"),
        (FIXTURES / "none.safetensors", {}, FileNotFoundError, "does not exist"),
        (FIXTURES.parent / "parity" / "timm_cls.safetensors", {}, ValueError, r"a ViT \(timm\), expected a MAE"),
        (FIXTURES / "bert_hf", {}, ValueError, r"a BERT \(Hugging Face\), expected a MAE"),
    ],
    ids=["heads", "decoder_heads", "image_size", "ratio", "option", "dtype", "no file", "a ViT", "a BERT"],
)
def test_what_does_not_fit_is_refused(path, options, error, message):
    with pytest.raises(error, match=message):
        load(path, **options)


def test_an_encoder_alone_is_read_as_a_vit(tmp_path):
    """As the authors' mae_pretrain_… and timm's files are."""
    names = ("decoder", "mask_token")
    tensors = {name: x for name, x in tensors_of(AUTHORS).items() if not name.startswith(names)}
    write_safetensors(tmp_path / "encoder.safetensors", tensors)
    encoder, whole = load_pretrained(tmp_path / "encoder.safetensors", 5), load(AUTHORS, **HEADS)
    images = np.random.default_rng(0).standard_normal((2, 16, 16, 3))
    np.testing.assert_allclose(encoder.features(images), whole.features(images), atol=1e-5)
    with pytest.raises(ValueError, match="source is 'timm', expected one of 'authors', 'Hugging Face'"):
        export(whole, tmp_path / "mae.safetensors", "timm")
