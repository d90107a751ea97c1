"""benchmarks/family: the smallest run of each works, and is not run twice. test_experiments.py has the rest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minivit
from minivit.data.mnist import Dataset

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "family"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The scripts import each other as files of one folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield


@pytest.fixture
def few(monkeypatch):
    """260 digits to train, the last 60 of them to choose by, and 40 to report on."""
    import inductive_bias as bias

    all_ = minivit.load_mnist()
    small = Dataset(all_.train_images[:260], all_.train_labels[:260], all_.test_images[:40], all_.test_labels[:40])
    monkeypatch.setattr(bias, "load_mnist", lambda data: small)
    monkeypatch.setattr(bias, "HELD_OUT", 60)
    monkeypatch.setattr(bias, "RATES", (1e-3, 5e-3))
    monkeypatch.setattr(bias, "RATES_IMAGES", 100)
    bias.split.cache_clear()
    yield small
    bias.split.cache_clear()


@pytest.fixture
def rows(tmp_path):
    from rows import Rows

    return Rows(tmp_path / "rows.jsonl")


def written(rows):
    return [json.loads(line) for line in rows.path.read_text("utf-8").splitlines()]


# ---- rows and splits -------------------------------------------------------------------------------------------------


def test_rows_are_appended_and_found_again(rows):
    from rows import Rows

    rows.add({"name": "a", "seed": 0, "curve": [1, 2]})
    rows.add({"name": "a", "seed": 1})
    again = Rows(rows.path)
    assert [row["seed"] for row in again.select(name="a")] == [0, 1]
    assert again.select(name="a", seed=0)[0]["curve"] == [1, 2]
    assert again.select(name="b") == [] and again.select(name="a", missing=1) == []
    assert all(row["commit"] for row in again.rows)


def test_nothing_that_is_chosen_by_is_learned_from(few):
    import inductive_bias as bias

    (images, labels), held_out = bias.some("digits", 150, seed=1)
    known = {image.tobytes() for image in few.train_images[:200]}
    assert held_out and len(images) == len(labels) == 150 and {image.tobytes() for image in images} <= known
    fewer, _ = bias.some("digits", 50, seed=1)
    np.testing.assert_array_equal(fewer[0], images[:50])
    assert not np.array_equal(bias.some("digits", 50, seed=2)[0][0], fewer[0])
    everything, held_out = bias.some("digits", 260, seed=1)
    assert not held_out and len(everything[0]) == 260


# ---- the smallest run of each ----------------------------------------------------------------------------------------


def test_inductive_bias(few, rows):
    import inductive_bias as bias

    cell = bias.Run("vit", "digits", 100, True, 0)
    with pytest.raises(ValueError, match="no learning rate of vit has been chosen"):
        bias.run(rows, cell, steps=2)
    for _ in range(2):
        bias.choose_rates(rows, ["vit"], steps=2)
        bias.run(rows, cell, steps=2)
        bias.run(rows, cell._replace(images=260, augmented=False), steps=5)
    *rates, first, whole = written(rows)
    assert [row["learning_rate"] for row in rates] == [1e-3, 5e-3]
    assert first["learning_rate"] == max(rates, key=lambda row: row["choosing_accuracy"])["learning_rate"]
    assert first["steps"] == 2 and first["parameters"] == 60_730 and first["reported_on"] == 40
    assert 0 <= first["accuracy"] <= 1 and len(first["shifted_accuracy"]) == 5
    assert first["choosing_accuracy"] is not None and whole["choosing_accuracy"] is None
    assert whole["steps"] == 5 and whole["images"] == 260


def test_bars(few, rows):
    import bars

    for _ in range(2):
        bars.run(rows, "vit", seed=0, epochs=2)
        bars.run(rows, "vit", seed=0, choose=True, epochs=1)
    reported, chosen = written(rows)
    assert reported["images"] == 260 and len(reported["curve"]) == 2
    assert reported["accuracy"] == pytest.approx(reported["curve"][-1], abs=1e-4)
    assert chosen["images"] == 200 and "accuracy" not in chosen


def test_bars_are_what_train_mnist_gives(few, rows, monkeypatch):
    import bars

    from minivit.train import mnist

    monkeypatch.setattr(mnist, "load_mnist", lambda data, download: few)
    bars.run(rows, "vit", seed=3, epochs=3)
    result = minivit.train_mnist(architecture="vit", seed=3, epochs=3, progress=False, workers=1)
    assert written(rows)[0]["accuracy"] == result.accuracy


def test_masked(few, rows, tmp_path, monkeypatch):
    import masked

    for name, value in (
        ("EPOCHS", 1),
        ("KEPT", tmp_path),
        ("RATES", (1e-3, 2e-3)),
        ("STEPS", {100: 2}),
        ("RATES_LABELS", 100),
    ):
        monkeypatch.setattr(masked, name, value)
    for _ in range(2):
        for way in masked.WAYS:
            masked.run(rows, way, 100, seed=0)
        masked.probe(rows, "pre-trained", 100, seed=0)
    kinds = [(row["kind"], row.get("way")) for row in written(rows)]
    ways = ("pre-trained", "scratch")
    assert sorted(kinds, key=str) == sorted(
        [("pretrain", None), ("probe", ways[0]), ("run", masked.SHIFTED)]
        + [(kind, way) for kind in ("rate", "rate", "run") for way in ways],
        key=str,
    )
    fresh = minivit.family.MAE(masked.config(), seed=0, init="fan_in").params
    for way, learned in (("scratch", False), ("pre-trained", True)):
        params = masked.start(rows, way, 0).params
        assert any(not np.array_equal(params[name], fresh[name]) for name in fresh) == learned


def test_depth(few, rows, monkeypatch):
    import depth

    monkeypatch.setattr(depth, "IMAGES", 100)
    for _ in range(2):
        depth.run(rows, 7, True, 2e-3, seed=0, steps=2)
    (row,) = written(rows)
    assert row["layers"] == 7 and row["steps"] == 2 and depth.best_rate(rows, 7, True) == 2e-3


def test_variants(few, rows, monkeypatch, tmp_path):
    import inductive_bias as bias
    import variants
    from rows import Rows

    monkeypatch.setattr(variants, "IMAGES", 100)
    rates = Rows(tmp_path / "rates.jsonl")
    rates.add({"kind": "rate", "architecture": "swin", "learning_rate": 1e-3, "choosing_accuracy": 0.5})
    config = variants.variants()["swin", "never shifted"]
    for _ in range(2):
        variants.run(rows, rates, "swin", "never shifted", config, seed=0, steps=2)
    (row,) = written(rows)
    assert row["parameters"] == 59_932 and row["steps"] == 2 and row["learning_rate"] == bias.rate(rates, "swin")


def test_axial(few, rows, monkeypatch):
    import axial

    monkeypatch.setattr(axial, "IMAGES", 100)
    for _ in range(2):
        axial.run(rows, "axial", seed=1, steps=2, rates_steps=2)
    *rates, row = written(rows)
    assert [one["learning_rate"] for one in rates] == list(axial.RATES) and row["learning_rate"] in axial.RATES
    assert row["steps"] == 2 and 0 <= row["accuracy"] <= 1
    sizes = [minivit.count_parameters(axial.config(kind)) for kind in axial.DEPTHS]
    assert row["parameters"] == sizes[1] and abs(sizes[0] - sizes[1]) < 0.01 * sizes[0]


def test_costs(few, rows):
    import costs

    for _ in range(2):
        costs.steps(rows, ["vit", "pvt"], turns=1)
        costs.attention(rows, 32, 2, turns=1)
    vit, _, attention = written(rows)
    assert vit["ratio_to_vit"] == 1 and vit["milliseconds"] > 0
    N, keys, D = 64, 16, 64
    assert attention["keys"] == keys and attention["multiplications_attention"] == 2 * N * keys * D
    assert attention["multiplications_all"] == 2 * N * keys * D + 2 * N * D * D + (4 + 2) * keys * D * D


@pytest.mark.skipif(not os.environ.get("MINIVIT_MINILM"), reason="set MINIVIT_MINILM: see tests/weights/test_minilm.py")
def test_sentences():
    pytest.importorskip("tokenizers")
    import sentences

    weights = os.environ["MINIVIT_MINILM"]
    model, words = minivit.family.loader("BERT")(weights), sentences.Words(weights)
    nearest = sentences.nearest(sentences.similarities(model, words))
    for first, second in zip(nearest[::2], nearest[1::2], strict=True):
        assert first["nearest"] == second["sentence"] and second["nearest"] == first["sentence"]
    weights, pieces, _ = sentences.most_of_it(model, words)
    assert weights.shape == (len(pieces), len(pieces)) and weights[pieces.index("it")].argmax() == 2


def test_sentences_without_weights_say_so():
    environment = {name: value for name, value in os.environ.items() if name != "MINIVIT_MINILM"}
    done = subprocess.run(
        [sys.executable, SCRIPTS / "sentences.py"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 2 and "no weights: give --weights, or set MINIVIT_MINILM" in done.stderr
