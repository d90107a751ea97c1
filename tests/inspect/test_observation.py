"""What a page needs is noted in one run, and is what the model itself gives."""

import numpy as np
import pytest
from inspect_support import VARIANTS, raw_images, tiny

from minivit.inspect import plot_page, principal_components
from minivit.inspect.observation import observe
from minivit.ops.softmax import softmax_in_place


@pytest.mark.parametrize("name", [*VARIANTS, "no classes"])
def test_an_observation_is_what_the_model_gives(name):
    model = tiny(np.float64, **VARIANTS.get(name, {"classes": 0}))
    images = raw_images(model)
    pixels = model.normalize(images)
    seen = observe(model, images)
    np.testing.assert_allclose(seen.logits, model(pixels), atol=1e-12)
    np.testing.assert_allclose(seen.tokens, model.tokens(pixels), atol=1e-12)
    maps = np.stack(seen.by_block(name == "axial"))
    assert maps.shape == (2, 3, 2, model.config.tokens, model.config.tokens)
    np.testing.assert_allclose(maps, model.attention(pixels), atol=1e-12)
    assert not seen.gradients


@pytest.mark.parametrize("classes", [0, 5])
def test_a_page_computes_each_attention_once(classes, monkeypatch):
    model, calls = tiny(classes=classes), []

    def counted(*args, **kwargs):
        calls.append(1)
        return softmax_in_place(*args, **kwargs)

    monkeypatch.setattr("minivit.ops.attention.softmax_in_place", counted)
    plot_page(model, raw_images(model, 1))
    assert len(calls) == model.config.depth


def test_components_of_few_long_rows_are_those_of_their_singular_values():
    rows = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    directions, share, _ = principal_components(rows, 5)
    _, length, expected = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(directions), np.abs(expected[:5]), atol=1e-4)
    np.testing.assert_allclose(share, length[:5] ** 2 / (length**2).sum(), rtol=1e-4)
