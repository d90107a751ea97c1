"""The trained model that ships is the one that its results describe."""

import json
from pathlib import Path

import numpy as np
import pytest

from minivit import ViT, load, load_canvas, load_mnist
from minivit.data import DETECTION, TRAINED_DETECTORS, TRAINED_DIGITS, TRAINED_RESULTS
from minivit.model import ViTConfig, count_parameters
from minivit.train import TrainConfig, evaluate
from minivit.train.detection import evaluate_detector
from minivit.train.detector import DETECTORS


@pytest.fixture(scope="module")
def results() -> dict:
    return json.loads(TRAINED_RESULTS.read_text(encoding="utf-8"))


def test_it_reads_digits_as_well_as_is_said(results: dict) -> None:
    digits = load_mnist()
    model = ViT.load(TRAINED_DIGITS)
    assert model.dtype == np.float32 and model.config == ViTConfig(**results["model"])
    assert count_parameters(model.config) == results["parameters"] <= 61_000
    _, accuracy, _ = evaluate(model, digits.test_images, digits.test_labels)
    assert accuracy == pytest.approx(results["accuracies"][0], abs=1.5 / len(digits.test_labels))  # one may tip over
    assert accuracy > 0.97


def test_the_results_are_whole(results: dict) -> None:
    epochs = TrainConfig(**results["recipe"]).epochs
    assert results["seeds"] == [0, 1, 2] and len(results["accuracies"]) == len(results["histories"]) == 3
    for accuracy, history in zip(results["accuracies"], results["histories"], strict=True):
        assert [row["epoch"] for row in history] == list(range(1, epochs + 1))
        assert history[-1]["test_accuracy"] == accuracy
    assert results["python"] and results["numpy"]


def test_they_are_small() -> None:
    assert TRAINED_DIGITS.stat().st_size <= 260_000
    assert TRAINED_RESULTS.stat().st_size <= 40_000


LARGEST = {"deformable": 600_000, "sparse": 1_900_000, "detr": 600_000}  # bytes
LEAST = {"deformable": 0.93, "sparse": 0.92, "detr": 0.83}  # AP50 on 200 test canvases


@pytest.mark.parametrize("name", TRAINED_DETECTORS)
def test_a_detector_finds_digits_that_it_has_not_seen(name: str) -> None:
    path, recipe = TRAINED_DETECTORS[name], DETECTORS[name]
    assert path.stat().st_size <= LARGEST[name]
    model = load(path)
    assert type(model).__name__ == recipe.model and model.dtype == np.float32
    assert model.config == type(model).Config.from_name(recipe.config)
    assert evaluate_detector(model, *load_canvas("test", 200, start=1000)).ap50 >= LEAST[name]


def test_the_detectors_runs_that_ship_are_those_of_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import detection

    expected = detection.small_copy(detection.rows())
    assert DETECTION.read_text("utf-8") == expected, "python benchmarks/detection.py --report"
    runs = json.loads(expected)
    assert sorted((run["detector"], run["seed"]) for run in runs) == [
        (n, s) for n in sorted(DETECTORS) for s in range(3)
    ]
    assert all(run["looks"][-1][0] == run["steps"] for run in runs) and DETECTION.stat().st_size <= 12_000
