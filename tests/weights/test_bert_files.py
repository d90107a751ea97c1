"""BERT's files: what names and shapes tell, old names and tied copies, written back, refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minivit import export
from minivit.family import BERT, BERTConfig
from minivit.proof import BERTS, small_bert
from minivit.weights import read_weights
from minivit.weights.bert import WORDS, load, recognise
from minivit.weights.safetensors import write_safetensors

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
MODEL, BOTH, CLASSIFIER = (FIXTURES / f"bert_hf{end}" for end in ("", "_pretraining", "_classifier"))
NO_DROPOUT = dict(dropout=0.0, attention_dropout=0.0, head_dropout=0.0)


def tensors_of(path):
    return {name: tensor.read() for name, tensor in read_weights(path).items()}


def folder(path, tensors, config):
    """A folder with these tensors, and the config.json of another."""
    write_safetensors(path / "model.safetensors", tensors)
    shutil.copyfile(config / "config.json", path / "config.json")
    return path


def test_the_files_tell_the_configurations():
    sizes = dict(width=24, **NO_DROPOUT)
    assert load(MODEL).config == BERTConfig(words=60, positions=16, depth=2, heads=3, mlp_ratio=64 / 24, **sizes)
    assert load(BOTH).config == BERTConfig(
        words=64, positions=12, depth=2, heads=4, mlp_ratio=2.0, head="pretraining", **sizes
    )
    assert load(CLASSIFIER).config == BERTConfig(
        words=40, positions=8, depth=1, heads=2, mlp_ratio=4.0, head="classifier", classes=3, **sizes
    )


def test_what_stands_beside_it_tells_more(tmp_path):
    told = json.loads((CLASSIFIER / "config.json").read_text())
    shutil.copyfile(CLASSIFIER / "model.safetensors", tmp_path / "model.safetensors")
    changes = {"layer_norm_eps": 1e-5, "hidden_act": "gelu_new", "hidden_dropout_prob": 0.2, "pad_token_id": 3}
    (tmp_path / "config.json").write_text(json.dumps(told | changes))
    config = load(tmp_path).config
    assert (config.norm_eps, config.gelu, config.padding) == (1e-5, "tanh", 3)
    assert (config.dropout, config.head_dropout) == (0.2, 0.2)  # the classifier's is that of all, if not told
    for change, message in (
        ({"hidden_act": "relu"}, "config.json has hidden_act 'relu', expected one of gelu"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key', expected 'absolute'"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(told | change))
        with pytest.raises(ValueError, match=message):
            load(tmp_path)


def test_old_files_are_read(tmp_path):
    """gamma and beta, position_ids, and copies of the word table and its bias, as bert-base-uncased has them."""
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): x
        for name, x in tensors_of(BOTH / "model.safetensors").items()
    }
    assert sum(name.endswith((".gamma", ".beta")) for name in tensors) == 12
    tensors["cls.predictions.decoder.weight"] = tensors[f"bert.{WORDS}"]
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
    tensors["bert.embeddings.position_ids"] = np.arange(12)[None]
    assert recognise(tensors)
    one, other = load(BOTH), load(folder(tmp_path, tensors, BOTH))
    for name, array in one.params.items():
        np.testing.assert_array_equal(other.params[name], array)


def test_what_is_not_wanted_is_left_out(tmp_path):
    """An encoder of a file with heads; masked words without the pooler that nobody reads."""
    whole, encoder = load(BOTH), load(BOTH, head="none", pooler=False)
    ids = np.random.default_rng(0).integers(0, 64, (2, 7))
    np.testing.assert_array_equal(encoder(ids)[0], whole.features(ids))
    assert encoder(ids)[1] is None and not any(name.startswith(("pooler", "word_head")) for name in encoder.params)
    tensors = tensors_of(BOTH / "model.safetensors")
    del tensors["cls.seq_relationship.weight"], tensors["cls.seq_relationship.bias"]
    words = load(folder(tmp_path, tensors, BOTH))
    assert words.config == replace(whole.config, head="masked words", pooler=False)
    np.testing.assert_array_equal(words(ids), whole(ids)[0])
    headless = load(CLASSIFIER, head="none")
    np.testing.assert_array_equal(headless(ids % 40)[0], load(CLASSIFIER).features(ids % 40))


@pytest.mark.parametrize("path", [MODEL, BOTH, CLASSIFIER], ids=lambda path: path.name)
def test_other_classes_start_with_a_classifier_of_zeros(path):
    stored, fresh = load(path), load(path, head="classifier", classes=5)
    ids = np.random.default_rng(0).integers(0, 40, (2, 7))
    np.testing.assert_array_equal(fresh(ids), np.zeros((2, 5)))
    np.testing.assert_array_equal(fresh.features(ids), stored.features(ids))
    np.testing.assert_array_equal(fresh.params["pooler.weight"], stored.params["pooler.weight"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BERTS)
def test_what_is_written_is_read_again_to_the_same_bits(tmp_path, name, dtype):
    params = {name: x.astype(dtype) for name, x in small_bert(BERTS[name]).params.items()}
    model, path = BERT(BERTS[name], params=params), tmp_path / "bert.safetensors"
    export(model, path)
    again = load(path, dtype=dtype)
    assert again.config == model.config and list(again.params) == list(model.params)
    for key, array in model.params.items():
        np.testing.assert_array_equal(again.params[key], array)


@pytest.mark.parametrize("path", [MODEL, BOTH, CLASSIFIER], ids=lambda path: path.name)
def test_a_published_file_is_written_back_as_it_was(tmp_path, path):
    export(load(path), tmp_path / "bert.safetensors")
    before, after = tensors_of(path / "model.safetensors"), tensors_of(tmp_path / "bert.safetensors")
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("pooler.dense.bias"), "it lacks 1 tensors: pooler.dense.bias"),
        (lambda t: t.update(mean=np.zeros(3, np.float32)), "it has 1 tensors that the model does not know: mean"),
        (lambda t: t.pop(WORDS), "its names are those of no known model"),
        (lambda t: t.update({"pooler.dense.bias": np.zeros(3, np.float32)}), r"pooler.dense.bias has shape \(3,\)"),
    ],
    ids=["missing", "unknown", "no words", "shape"],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, change, message):
    tensors = tensors_of(MODEL / "model.safetensors")
    change(tensors)
    path = folder(tmp_path, tensors, MODEL)
    with pytest.raises(ValueError, match=message) as refusal:
        load(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        (MODEL, dict(head="pretraining"), ValueError, "it lacks 7 tensors: "),
        (MODEL, dict(heads=5), ValueError, "width 24 is not a multiple of 5 heads"),
        (MODEL, dict(colour="red"), TypeError, "colour"),
        (MODEL, dict(dtype=np.float16), ValueError, "dtype is float16, expected float32 or float64"),
        (FIXTURES / "none.safetensors", {}, FileNotFoundError, "does not exist"),
        (FIXTURES / "mae_hf", {}, ValueError, r"a MAE \(Hugging Face\), expected a BERT"),
    ],
    ids=["head", "heads", "option", "dtype", "no file", "a masked autoencoder"],
)
def test_what_does_not_fit_is_refused(path, options, error, message):
    with pytest.raises(error, match=message):
        load(path, **options)


def test_heads_that_nothing_tells_must_be_given(tmp_path):
    shutil.copyfile(MODEL / "model.safetensors", tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"nothing tells the number of heads of 2 blocks of width 24: give heads=…"):
        load(tmp_path)
    assert load(tmp_path, heads=3).config.heads == 3
