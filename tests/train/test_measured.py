"""What is measured: ties, the precision of a loss, and what a probe may know of the images that it is tested with."""

import dataclasses
import math

import numpy as np
import pytest

from minivit import ViT, ViTConfig
from minivit.train import PROBE
from minivit.train.evaluation import evaluate
from minivit.train.probe import fit_head

CONFIG = ViTConfig(image_size=8, patch_size=4, channels=1, classes=4, width=8, depth=1, heads=2)


def pixels(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8), rng.integers(0, 4, count)


def constant(logits, dtype=np.float32):
    """A model that answers the same of every image."""
    model = ViT(CONFIG, dtype=dtype)
    model.params["head.weight"][...] = 0
    model.params["head.bias"][...] = logits
    return model


def test_of_equal_logits_the_first_class_is_the_answer():
    images, labels = pixels(20)
    for logits, answer in (([1, 1, 0, 1], 0), ([0, 2, 2, 2], 1), ([-1, -1, -1, 0], 3), ([0, 0, 0, 0], 0)):
        _, accuracy, probabilities = evaluate(constant(logits), images, labels)
        assert accuracy == sum(label == answer for label in labels) / 20
        assert (probabilities.argmax(axis=1) == answer).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_is_taken_in_float64(dtype):
    """Of float32's logits, too: 20, 0, … have a loss of 6e-9 where the first is right, which float32 rounds to 0."""
    images, labels = pixels(20)
    logits = np.array([20.0, 0.1, 0.2, 0.3], dtype)
    loss, _, probabilities = evaluate(constant(logits, dtype), images, labels)
    log_sum = math.log(math.fsum(math.exp(float(x) - 20) for x in logits)) + 20
    expected = math.fsum(log_sum - float(logits[label]) for label in labels) / 20
    assert type(loss) is float and loss == pytest.approx(expected, rel=1e-13)
    assert probabilities.dtype == np.float64
    loss, _, _ = evaluate(constant(logits, dtype), images, np.zeros(20, int))
    assert loss == pytest.approx(log_sum - 20, rel=1e-6) and loss > 0


def test_a_probe_learns_nothing_from_the_images_that_it_is_tested_with():
    """Not even how its features are centred and scaled: with other test images the same head is learned, to the bit."""
    images, labels = pixels(60)
    recipe = dataclasses.replace(PROBE, epochs=3, batch_size=16)
    learned = []
    for test_images, test_labels in (pixels(10, seed=1), pixels(40, seed=2), (images[:5] // 9, labels[:5])):
        model = ViT(CONFIG, seed=3)
        model, history = fit_head(model, images, labels, test_images, test_labels, recipe, progress=False)
        losses = [record["train_loss"] for record in history]
        learned.append((model.params["head.weight"].tobytes(), model.params["head.bias"].tobytes(), losses))
    assert learned[0] == learned[1] == learned[2]


def test_the_probes_head_is_the_softmax_regression_of_standardised_features_written_out(
    capsys,
):
    """Two steps of SGD with momentum, each of all images, from a head of zeros, in float64."""
    images, labels = pixels(32)
    model = ViT(CONFIG, seed=3, dtype=np.float64)
    model.params["head.weight"][...] = 0
    features = model.features(model.normalize(images))
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    x = (features - mean) / scale
    recipe = dataclasses.replace(PROBE, epochs=2, batch_size=32, clip_norm=1e9)
    _, history = fit_head(model, images, labels, images, labels, recipe)
    assert "epoch 2/2" in capsys.readouterr().out
    weight, bias, velocity, losses = np.zeros((8, 4)), np.zeros(4), 0, []
    for step in (1, 2):
        e = np.exp(x @ weight + bias)
        p = e / e.sum(axis=1, keepdims=True)
        losses.append(-np.log(p[np.arange(32), labels]).mean())
        wrong = (p - np.eye(4)[labels]) / 32
        velocity = 0.9 * velocity + np.vstack((x.T @ wrong, wrong.sum(axis=0)))
        rate = 0.1 * (1 + math.cos(math.pi * step / 3)) / 2
        weight, bias = weight - rate * velocity[:-1], bias - rate * velocity[-1]
    np.testing.assert_allclose(model.params["head.weight"], weight / scale[:, None], rtol=1e-9)
    expected = bias - mean @ (weight / scale[:, None])
    np.testing.assert_allclose(model.params["head.bias"], expected, rtol=1e-9, atol=1e-12)
    assert [record["train_loss"] for record in history] == pytest.approx(losses, rel=1e-9)
    assert [record["steps"] for record in history] == [1, 2]
