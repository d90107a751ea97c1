"""BERT gives transformers' tokens, logits, losses and gradients, from its own files (transformers 5.24, in float64)."""

from pathlib import Path

import numpy as np
import pytest

from minivit import ops
from minivit.layers import Chain
from minivit.weights import bert as files
from minivit.weights.layout import unfill

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
ANSWERS = {
    "bert_hf": ("last_hidden_state", "pooler_output"),
    "bert_hf_pretraining": ("prediction_logits", "seq_relationship_logits"),
    "bert_hf_classifier": ("logits",),
}


def near(got, expected, bound, name=""):
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound * max(1, np.abs(expected).max()), err_msg=name)


def given(fixture):
    return fixture["input_ids"], fixture["attention_mask"], fixture["token_type_ids"]


def loss_and_douts(name, fixture, out):
    """The fixture's loss of what the model says, and its gradient, by the operations."""
    if name == "bert_hf":
        douts = tuple(fixture[f"d_{answer}"].astype(out[0].dtype) for answer in ANSWERS[name])
        return sum(float((part * dpart).sum()) for part, dpart in zip(out, douts, strict=True)), douts
    labels = [fixture["labels"], *([fixture["next_sentence_label"]] if isinstance(out, tuple) else [])]
    parts = out if isinstance(out, tuple) else (out,)
    losses, caches = zip(*map(ops.asked_cross_entropy_forward, parts, labels), strict=True)
    douts = tuple(ops.asked_cross_entropy_backward(1.0, cache) for cache in caches)
    return sum(map(float, losses)), douts if isinstance(out, tuple) else douts[0]


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-8), (np.float32, 1e-4)])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_losses_and_every_gradient(name, dtype, bound):
    fixture = np.load(FIXTURES / f"{name}.npz")
    model = files.load(FIXTURES / name, dtype=dtype)
    out, cache = model.forward(*given(fixture))
    parts = out if isinstance(out, tuple) else (out,)
    for answer, part, called in zip(
        ANSWERS[name], parts, model(*given(fixture)) if len(parts) > 1 else parts, strict=True
    ):
        assert part.dtype == dtype
        near(part, fixture[answer], bound, answer)
        np.testing.assert_array_equal(part, called)
    loss, douts = loss_and_douts(name, fixture, out)
    assert loss == pytest.approx(float(fixture["loss"]), rel=bound)
    grads, dembeddings = model.backward(douts, cache)
    near(dembeddings, fixture["grad_embeddings"], bound)
    assert list(grads) == list(model.params)
    assert {grad.dtype for grad in grads.values()} == {np.dtype(dtype)}
    theirs = unfill(files._layout(model.config, "" if model.config.head == "none" else "bert."), grads)
    assert {f"grad.{key}" for key in theirs} == {key for key in fixture if key.startswith("grad.")}
    for key, grad in theirs.items():
        near(grad, fixture[f"grad.{key}"], bound, key)
    if name != "bert_hf":
        pair = {"next_sentence": fixture["next_sentence_label"]} if len(parts) > 1 else {}
        ids, mask, segments = given(fixture)
        again, by_loss = model.loss_and_grads(ids, fixture["labels"], mask, segments, **pair)
        assert again == pytest.approx(float(fixture["loss"]), rel=bound)
        for key in grads:
            np.testing.assert_array_equal(by_loss[key], grads[key], err_msg=key)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_tokens_on_the_way(name):
    fixture = np.load(FIXTURES / f"{name}.npz")
    model = files.load(FIXTURES / name, dtype=np.float64)
    ids, named = model.given(*given(fixture))
    named |= model.arrays(model.layers)
    embeddings, encoder, _ = model.layers.parts
    x = embeddings(ops, named, ids)
    near(x, fixture["feature.embeddings"], 1e-6)
    dropout = 1 if model.config.dropout else 0
    for i in range(model.config.depth):
        x = Chain(encoder.parts[dropout + i])(ops, named, x)
        near(x, fixture[f"feature.layer{i}"], 1e-6, f"layer{i}")
    near(model.features(*given(fixture)), x, 1e-12)


def test_the_padding_words_row_learns_nothing_from_where_it_goes_in():
    """It is computed all the same, and its row has a gradient by the masked words' head, which reads the table, too."""
    fixture = np.load(FIXTURES / "bert_hf.npz")
    assert (fixture["input_ids"] == 0).any()
    assert not fixture["grad.embeddings.word_embeddings.weight"][0].any()
    assert np.load(FIXTURES / "bert_hf_pretraining.npz")["grad.bert.embeddings.word_embeddings.weight"][0].any()
    model = files.load(FIXTURES / "bert_hf", dtype=np.float64, padding=None)
    out, cache = model.forward(*given(fixture))
    grads, _ = model.backward(loss_and_douts("bert_hf", fixture, out)[1], cache)
    assert grads["word_embed.weight"][0].any()
