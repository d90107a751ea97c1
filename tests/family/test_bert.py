"""BERT as a model: who looks at whom, its published sizes, shards of a batch, sentences, files, bad input."""

import json
import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest

import minivit
from minivit.family import BERT, BERTConfig
from minivit.family.bert import SIZES, bert
from minivit.proof import BERTS, small_bert
from minivit.proof.masked_models import IDS, MASK, SEGMENTS

# As published: encoder and pooler, without the pooler, with masked words, with both heads of the pre-training.
COUNTS = {
    "BERT-base": (109_482_240, 108_891_648, 109_514_298, 110_106_428),
    "BERT-large": (335_141_888, 334_092_288, 335_174_458, 336_226_108),
    "BERT-tiny": (4_385_920, 4_369_408, 4_416_698, 4_433_468),
    "BERT-mini": (11_170_560, 11_104_768, 11_201_594, 11_267_900),
    "BERT-small": (28_763_648, 28_500_992, 28_795_194, 29_058_876),
    "BERT-medium": (41_373_184, 41_110_528, 41_404_730, 41_668_412),
    "BERT-base-cased": (108_310_272,),
    "MiniLM-L6": (22_713_216,),
}
VARIANTS = {}, {"pooler": False}, {"pooler": False, "head": "masked words"}, {"head": "pretraining"}


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_are_the_published_ones(name):
    for expected, options in zip(COUNTS[name], VARIANTS, strict=False):
        parameters = {p.name: p.shape for p in bert(BERTConfig.from_name(name, **options)).parameters}
        assert sum(map(math.prod, parameters.values())) == expected


def test_help_explains_every_field_and_json_brings_a_configuration_back():
    explained = re.findall(r"^    (\w+)  +\S", BERTConfig.__doc__, re.MULTILINE)
    assert explained == [field.name for field in fields(BERTConfig)]
    for config in BERTS.values():
        assert BERTConfig(**json.loads(json.dumps(config.to_dict()))) == config
    assert minivit.BERT is BERT and minivit.BERTConfig is BERTConfig


def test_what_fills_up_is_looked_at_by_nobody():
    model, other = small_bert(BERTS["BERT"]), IDS.copy()
    other[0, 4:] = 8, 5  # other words where the mask is 0
    tokens, pooled = model(IDS, MASK, SEGMENTS)
    tokens_other, pooled_other = model(other, MASK, SEGMENTS)
    np.testing.assert_array_equal(tokens_other[0, :4], tokens[0, :4])
    np.testing.assert_array_equal(pooled_other, pooled)
    maps = model.attention(IDS, MASK, SEGMENTS)
    assert maps.shape == (2, 2, 2, 6, 6) and not maps[:, 0, :, :, 4:].any()
    np.testing.assert_allclose(maps.sum(axis=-1), 1)
    short, _ = model(IDS[:1, :4], None, SEGMENTS[:1, :4])
    np.testing.assert_allclose(short[0], tokens[0, :4], atol=1e-12)


def test_without_a_mask_every_word_is_there_and_segments_are_0():
    model = small_bert(BERTS["BERT"])
    np.testing.assert_array_equal(model(IDS)[0], model(IDS, np.ones_like(IDS), np.zeros_like(IDS))[0])
    np.testing.assert_array_equal(model(IDS, MASK.astype(bool))[0], model(IDS, MASK)[0])
    assert np.abs(model(IDS)[0] - model(IDS, segments=SEGMENTS)[0]).max() > 1e-2


def test_a_sentence_is_the_mean_of_its_words_of_length_1():
    model = small_bert(BERTS["BERT"])
    tokens, _ = model(IDS, MASK)
    for one, words, vector in zip(tokens, (4, 6), model.sentences(IDS, MASK), strict=True):
        mean = one[:words].mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.sqrt((mean**2).sum()))


@pytest.mark.parametrize("head", ["masked words", "pretraining", "classifier"])
def test_shards_add_up_to_the_batch(head):
    model, rng = small_bert(BERTS[f"BERT, {head}"]), np.random.default_rng(0)
    ids, pair = rng.integers(1, 9, (3, 5)), {}
    labels, divisors = rng.integers(0, 4, 3), (3, 3)
    if head != "classifier":
        labels = np.where(rng.random((3, 5)) < 0.4, rng.integers(0, 9, (3, 5)), -100)
        labels[1] = -100  # a shard of which no word is asked
        divisors = int((labels != -100).sum()), 3
    if head == "pretraining":
        pair["next_sentence"] = np.array([1, 0, 1])
    loss, grads = model.loss_and_grads(ids, labels, **pair)
    parts = [
        model.loss_and_grads(ids[s], labels[s], **{k: v[s] for k, v in pair.items()}, divisors=divisors)
        for s in (slice(1), slice(1, 2), slice(2, 3))
    ]
    assert sum(part for part, _ in parts) == pytest.approx(loss)
    for name in grads:
        np.testing.assert_allclose(sum(more[name] for _, more in parts), grads[name], atol=1e-12, err_msg=name)


def test_the_next_sentence_need_not_be_asked():
    config, rng = BERTS["BERT, pretraining"], np.random.default_rng(0)
    model, labels = small_bert(config), rng.integers(0, 9, IDS.shape)
    words = replace(config, head="masked words", pooler=False)
    same = BERT(words, params={n: x for n, x in model.params.items() if not n.startswith(("pooler", "pair_head"))})
    loss, grads = model.loss_and_grads(IDS, labels, MASK)
    assert loss == pytest.approx(same.loss_and_grads(IDS, labels, MASK)[0])
    assert not grads["pair_head.weight"].any() and not grads["pooler.weight"].any()


def test_dropout_comes_on_with_an_rng_alone():
    model = small_bert(BERTS["BERT, dropout"])
    np.testing.assert_array_equal(model(IDS, MASK), model.forward(IDS, MASK)[0])
    assert np.abs(model.forward(IDS, MASK, rng=np.random.default_rng(0))[0] - model(IDS, MASK)).max() > 1e-3


def test_save_and_load_give_the_same_bits(tmp_path):
    for dtype in (np.float32, np.float64):
        model = BERT(BERTS["BERT, pretraining"], seed=1, dtype=dtype)
        model.save(tmp_path / "bert.npz")
        loaded = BERT.load(tmp_path / "bert.npz")
        assert (loaded.config, loaded.dtype) == (model.config, dtype)
        for one, other in zip(loaded(IDS, MASK), model(IDS, MASK), strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"holds a BERT, expected a ViT: read it with minivit\.load"):
        minivit.ViT.load(tmp_path / "bert.npz")
    assert "Together" in str(model.layers)
    assert repr(model) == "BERT(6 wide, 1 blocks, 2 heads, 9 words, 548 parameters, float64)"


CONFIG = BERTS["BERT"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(heads=4), ValueError, "width 6 is not a multiple of 4 heads"),
        (dict(head="regression"), ValueError, "head is 'regression', expected one of 'none', 'classifier'"),
        (dict(head="classifier"), ValueError, "head is 'classifier' and classes 0: only a classifier has classes"),
        (dict(classes=3), ValueError, "head is 'none' and classes 3: only a classifier has classes"),
        (
            dict(head="pretraining", pooler=False),
            ValueError,
            "'pretraining' reads the pooler, but pooler is False",
        ),
        (dict(head="masked words"), ValueError, "nothing reads the pooler of head 'masked words'"),
        (dict(padding=9), ValueError, "padding is word 9, expected 0 … 8"),
        (dict(words=0), ValueError, "words is 0, expected at least 1"),
        (dict(dropout=1.0), ValueError, r"dropout is 1.0, expected a rate in \[0, 1\)"),
        (dict(mlp_ratio=0.1), ValueError, "mlp_ratio is 0.1, expected a positive number"),
        (dict(norm_eps=0.0), ValueError, "norm_eps is 0.0, expected a positive number"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_does_not_fit_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        replace(CONFIG, **options)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((IDS + 1,), ValueError, "ids: 9 among them, expected 0 … 8"),
        ((-IDS,), ValueError, "ids: -3 among them, expected 0 … 8"),
        ((IDS.astype(float),), TypeError, "ids: float64, expected whole numbers"),
        ((IDS[0],), ValueError, r"ids: shape \(6,\), expected \(B, N\)"),
        ((IDS[:, :0],), ValueError, r"ids: shape \(2, 0\), expected \(B, N\)"),
        ((np.hstack((IDS, IDS)),), ValueError, "sentences of 12 words, expected at most 6"),
        ((IDS, MASK[:, :5]), ValueError, r"mask: shape \(2, 5\), expected \(2, 6\)"),
        ((IDS, MASK * 2), ValueError, "mask: 2 among them, expected 0 … 1"),
        ((IDS, np.array([[1] * 6, [0] * 6])), ValueError, "mask is 0 for all of sentence 1: expected a word in each"),
        ((IDS, MASK, SEGMENTS + 1), ValueError, "segments: 2 among them, expected 0 … 1"),
    ],
    ids=lambda value: "",
)
def test_bad_input_says_what_was_expected(given, error, message):
    with pytest.raises(error, match=message):
        small_bert(CONFIG)(*given)


@pytest.mark.parametrize(
    ("name", "labels", "options", "message"),
    [
        ("BERT", IDS, {}, "the model has no head"),
        ("BERT, classifier", IDS, {}, r"labels: shape \(2, 6\), expected \(2,\)"),
        ("BERT, classifier", np.array([0, -100]), {}, "labels: -100 among them, expected 0 … 3"),
        ("BERT, masked words", IDS + 1, {}, "labels: 9 among them, expected 0 … 8, or -100"),
        ("BERT, masked words", np.full((2, 6), -100), {}, "every label is -100: nothing is asked"),
        (
            "BERT, masked words",
            IDS,
            dict(next_sentence=np.array([0, 1])),
            "asked of head 'pretraining' alone",
        ),
        (
            "BERT, pretraining",
            IDS,
            dict(next_sentence=np.array([0, 2])),
            "next_sentence: 2 among them, expected 0 … 1, or -100",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(name, labels, options, message):
    with pytest.raises(ValueError, match=message):
        small_bert(BERTS[name]).loss_and_grads(IDS, labels, **options)
