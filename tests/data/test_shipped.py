"""The trained model that ships is the one that its results describe."""

import json

import numpy as np
import pytest

from minivit import ViT, load_mnist
from minivit.data import TRAINED_DIGITS, TRAINED_RESULTS
from minivit.model import ViTConfig, count_parameters
from minivit.train import TrainConfig, evaluate


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
