"""benchmarks/family: the smallest run of each experiment works, is not run twice, and counts what it says it counts.

And the page's tables are those of the rows.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minivit
from minivit.data.mnist import Dataset
from minivit.layers import Op

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


# ---- what is compared ------------------------------------------------------------------------------------------------


def test_all_classifiers_have_60_000_parameters_or_5_percent_more_or_less():
    import classifiers

    for name in classifiers.NAMES:
        assert 57_000 <= minivit.count_parameters(classifiers.configuration(name)) <= 63_000, name


def test_multiplications_are_those_of_the_formulas():
    """A ViT whose last block computes the class token alone, and a ResNet of one unit."""
    from classifiers import flops, multiplications

    from minivit.family import ResNet, ResNetConfig

    N, D, M, L = 5, 8, 16, 2
    config = minivit.ViTConfig(
        image_size=4, patch_size=2, channels=1, classes=3, width=D, depth=L, heads=2, mlp_ratio=M / D
    )
    model = minivit.ViT(config)
    count = multiplications(model, model.layers, np.zeros((1, 4, 4, 1), np.float32))
    whole, last = 4 * N * D * D + 2 * N * D * M, 2 * N * D * D + 2 * D * D + 2 * D * M
    assert count == {"linear": 4 * 4 * D + whole + last + 3 * D, "attention": 2 * N * N * D + 2 * N * D}
    assert flops(model) == 2 * sum(count.values())

    options = dict(stem_width=4, stem_kernel=3, stem_pool=False, depths=(1,), widths=(6,), inner=None)
    resnet = ResNet(ResNetConfig(image_size=9, channels=2, classes=3, halve_first=True, **options))
    count = multiplications(resnet, resnet.layers, np.zeros((1, 9, 9, 2), np.float32))
    kernels = 25 * 9 * 2 * 4 + 9 * (9 * 4 * 6 + 9 * 6 * 6 + 4 * 6)  # maps of 5 x 5, then of 3 x 3
    assert count == {"convolution": kernels, "linear": 6 * 3}


def test_a_digit_is_moved_each_way_and_loses_no_ink(monkeypatch):
    import inductive_bias as bias

    seen = []
    monkeypatch.setattr(
        bias, "evaluate", lambda model, images, labels, workers: (0.0, float(len(seen)), seen.append(images))
    )
    digits = minivit.load_mnist()
    images, labels = digits.test_images[:3], digits.test_labels[:3]
    assert bias.shifted_accuracy(None, images, labels) == [0, 2.5, 6.5, 10.5, 14.5]  # means of four
    assert len(seen) == 1 + 4 * 4 and all(x.sum() == images.sum() for x in seen)
    np.testing.assert_array_equal(seen[-4][:, 4:], images[:, :-4])  # down by 4, up, right and left
    np.testing.assert_array_equal(seen[-3][:, :-4], images[:, 4:])
    np.testing.assert_array_equal(seen[-2][:, :, 4:], images[:, :, :-4])
    np.testing.assert_array_equal(seen[-1][:, :, :-4], images[:, :, 4:])


def test_without_shift_no_window_is_shifted():
    from variants import configuration, without_shift, without_tokens

    from minivit.family.swin import swin

    def shifts(layer):
        if isinstance(layer, Op):
            return [layer.options["shift"]] if "shift" in layer.options else []
        return [shift for part in layer.parts for shift in shifts(part)]

    config = configuration("swin")
    assert any(map(any, shifts(swin(config))))
    assert not any(map(any, shifts(swin(without_shift(config)))))
    mobilevit = configuration("mobilevit")
    counts = [minivit.count_parameters(one) for one in (mobilevit, without_tokens(mobilevit))]
    assert counts[1] == pytest.approx(counts[0], rel=0.05)


def test_networks_are_as_deep_as_they_are_called():
    import depth

    for layers, shortcuts in depth.NETWORKS:
        assert len(depth.gradient_lengths(layers, shortcuts, starts=1)) == layers


def test_what_a_token_sees():
    """Swin: its window; the four that its shifted window meets; and what meets those. MobileViT: every second place."""
    import sight

    seen = list(sight.pictures().values())
    rows, columns = np.indices((28, 28))
    for reached, low, high in ((seen[0], 12, 16), (seen[1], 8, 16), (seen[2], 8, 20)):
        inside = (rows >= low) & (rows < high) & (columns >= low) & (columns < high)
        np.testing.assert_array_equal(reached, inside)
    for reached in seen[3:6]:
        np.testing.assert_array_equal(reached, seen[0])
    np.testing.assert_array_equal(seen[6], (abs(rows - 13) <= 1) & (abs(columns - 13) <= 1))
    np.testing.assert_array_equal(seen[7], (rows % 2 == 1) & (columns % 2 == 1))
    assert seen[8].all()


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

    for name, value in (("EPOCHS", 1), ("KEPT", tmp_path), ("RATES", (1e-3, 2e-3)), ("STEPS", {100: 2})):
        monkeypatch.setattr(masked, name, value)
    for _ in range(2):
        for way in masked.WAYS:
            masked.run(rows, way, 100, seed=0)
        masked.probe(rows, "pre-trained", 100, seed=0)
    kinds = [(row["kind"], row.get("way")) for row in written(rows)]
    ways = ("pre-trained", "scratch")
    assert sorted(kinds, key=str) == sorted(
        [("pretrain", None), ("probe", ways[0])] + [(kind, way) for kind in ("rate", "rate", "run") for way in ways],
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


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_rows_say():
    import report

    page = report.PAGE.read_text("utf-8")
    assert {match[1] for match in report.TABLE.finditer(page)} == report.TABLES.keys()
    assert report.with_tables(page) == page, "python benchmarks/family/report.py"


def test_a_number_says_of_how_many_seeds_it_is():
    from tables import percent

    assert percent([]) == "–"
    assert percent([0.931]) == "93.1 (1)" and percent([0.931], seeds=1) == "93.1"
    assert percent([0.9, 0.92]) == "91.0 ± 1.0 (2)" and percent([0.9, 0.91, 0.92]) == "91.0 ± 1.0"
