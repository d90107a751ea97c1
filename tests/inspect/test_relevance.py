"""Gradient-weighted relevance: its gradients against differences, its sum against loops."""

from types import SimpleNamespace

import numpy as np
import pytest
from inspect_support import VARIANTS, raw_images, tiny
from ways import assert_slopes

from minivit import ops
from minivit.devices import Cpu
from minivit.gradcheck import compare, numerical_gradient
from minivit.inspect import attention_gradients, class_relevance, relevance_rollout, seen_by_head
from minivit.inspect.observation import off_lines


class Nudged(Cpu):
    """A device whose attention weights are softmax(…) + nudge, a nudge for each time that they are used."""

    def __init__(self, nudges):
        self.nudges, self.ops = nudges, SimpleNamespace(**vars(ops))
        self.ops.self_attention_forward = self.self_attention
        self.ops.cross_attention_forward = self.cross_attention
        self.step = 0

    def self_attention(self, qkv, bias=None, heads=1, dropout=0.0, rng=None):
        return self.attention(*ops.split_heads(qkv, 3, heads), bias), None

    def cross_attention(self, q, kv, bias=None, heads=1, dropout=0.0, rng=None):
        return self.attention(*ops.split_heads(q, 1, heads), *ops.split_heads(kv, 2, heads), bias), None

    def attention(self, q, k, v, bias):
        weights = ops.attention_weights(q, k, bias)
        weights = weights + self.nudges[self.step][:, :, : weights.shape[2]]  # of the queries that there are
        self.step = (self.step + 1) % len(self.nudges)
        return ops.merge_heads(weights @ v)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_gradient_of_every_attention_weight_is_right(name):
    """Two models' weight by weight, the others' along a random way through each block's weights."""
    model = tiny(np.float64, **VARIANTS[name])
    images, classes = raw_images(model, 2), np.array([3, 0])
    weights, gradients = attention_gradients(model, images, classes)
    N, (gh, gw) = model.config.tokens, model.config.grid
    if name == "axial":
        assert weights.shape == gradients.shape == (4, 2, 2, N, N)
        shapes = [(2 * gh, 2, gw, gw), (2 * gw, 2, gh, gh)] * 2
    else:
        assert weights.shape == gradients.shape == (2, 2, 2, N, N)
        np.testing.assert_allclose(weights, model.attention(model.normalize(images)), atol=1e-12)
        shapes = [(2, 2, N, N)] * 2
    nudges = [np.zeros(shape) for shape in shapes]
    pixels = model.normalize(images)
    model.device = Nudged(nudges)

    def logit():
        return float(model(pixels)[[0, 1], classes].sum())

    for step, nudge in enumerate(nudges):
        if name not in ("class token", "axial"):
            assert_slopes([(f"block {step}", nudge, gradients[step])], logit, 1e-3)
            continue
        numeric = numerical_gradient(logit, nudge)
        if name == "axial":
            numeric = off_lines(numeric, (gh, gw), ("row", "column")[step % 2])
            assert (weights[step][numeric == 0] == 0).all()
        check = compare(f"block {step}", gradients[step], numeric, floor=1e-4)
        assert check.ok, check


def test_attention_within_lines_lies_where_the_tokens_share_a_line():
    grid = gh, gw = 2, 3
    for along, lines, n in (("row", gh, gw), ("column", gw, gh)):
        weights = np.random.default_rng(0).random((2 * lines, 4, n, n))
        full = off_lines(weights, grid, along)
        assert full.shape == (2, 4, 6, 6)
        for query in range(6):
            for key in range(6):
                line = [divmod(token, gw)[along == "column"] for token in (query, key)]
                place = [divmod(token, gw)[along == "row"] for token in (query, key)]
                for image in range(2):
                    expected = weights[image * lines + line[0], :, place[0], place[1]] if line[0] == line[1] else 0
                    assert (full[image, :, query, key] == expected).all()


def test_relevance_grows_by_what_speaks_for_the_class():
    rng = np.random.default_rng(0)
    weights, gradients = rng.random((3, 2, 4, 5, 5)), rng.normal(size=(3, 2, 4, 5, 5))
    result = relevance_rollout(weights, gradients)
    for image in range(2):
        R = np.eye(5)
        for block in range(3):
            step = np.zeros((5, 5))
            for head in range(4):
                step += np.clip(gradients[block, image, head] * weights[block, image, head], 0, None) / 4
            R = R + step @ R
        np.testing.assert_allclose(result[image], R, atol=1e-12)


@pytest.mark.parametrize("name", VARIANTS)
def test_relevance_of_every_model_is_a_map_for_each_image(name):
    model = tiny(**VARIANTS[name])
    images = raw_images(model)
    maps = class_relevance(model, images)
    assert maps.shape == (3, 3, 4) and (maps >= 0).all() and maps.dtype == np.float32 and maps.max() > 0
    said = model.predict(images).argmax(axis=1)
    assert np.array_equal(maps, class_relevance(model, images, said))
    alone = [class_relevance(model, image[None], [k])[0] for image, k in zip(images, said, strict=True)]
    np.testing.assert_allclose(maps, alone, rtol=1e-3, atol=1e-6)
    assert not np.allclose(maps, class_relevance(model, images, (said + 1) % 5), rtol=1e-2, atol=0)
    R = relevance_rollout(*attention_gradients(model, images))
    if model.config.pool.startswith("cls"):
        assert np.array_equal(maps, seen_by_head(R, model.config))
    else:  # of the mean, each of 12 patches has a 12th
        np.testing.assert_allclose(maps, seen_by_head(R, model.config) - 1 / 12, atol=1e-6)


def test_relevance_is_about_a_class_that_there_is():
    model = tiny()
    images = raw_images(model)
    for classes in ([0, 1], [0, 1, 5], [0, -1, 2]):
        with pytest.raises(ValueError, match=r"expected 3 integers in 0 … 4"):
            class_relevance(model, images, classes)
    with pytest.raises(ValueError, match="no classes"):
        class_relevance(tiny(classes=0), images)


def test_looking_changes_nothing_in_the_model():
    model = tiny()
    images, device = raw_images(model), model.device
    before = {name: array.copy() for name, array in model.params.items()}
    class_relevance(model, images)
    assert model.device is device and all(np.array_equal(model.params[name], before[name]) for name in before)
