"""DETR gives the numbers of the published implementation, from files in Hugging Face's names and the authors'."""

import numpy as np
import pytest
from detr_support import FILES, load, looked_at
from parity_support import BOUNDS, assert_close

from minivit import ops
from minivit.family.matching import assign, matching_costs
from minivit.layers import Chain
from minivit.weights.detr import SOURCES, _layout
from minivit.weights.layout import unfill

TYPES = [np.float64, np.float32]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", FILES)
def test_what_every_layer_says_and_the_answer(name, dtype):
    model, fixture, _ = load(name, dtype)
    images, mask, _ = looked_at(fixture)
    (logits, boxes), _ = model.forward(images, mask)
    layers = model.config.decoder_depth
    assert f"logits.{layers - 1}" in fixture and f"logits.{layers}" not in fixture
    for i in range(layers):
        assert_close(logits[i], fixture[f"logits.{i}"], BOUNDS[dtype], f"logits {i}")
        assert_close(boxes[i], fixture[f"pred_boxes.{i}"], BOUNDS[dtype], f"boxes {i}")
    answer, answer_boxes = model(images, mask)
    assert answer.dtype == answer_boxes.dtype == dtype
    np.testing.assert_array_equal(answer, logits[-1])
    np.testing.assert_array_equal(answer_boxes, boxes[-1])
    assert_close(model.features(images, mask), fixture[f"normed.{layers - 1}"], BOUNDS[dtype], "features")


@pytest.mark.parametrize("name", ["detr_hf", "detr_hf_grid"])
def test_what_stands_on_the_way(name):
    model, fixture, _ = load(name)
    images, mask, _ = looked_at(fixture)
    images, named = model.looked_at(images, mask)
    h, w = fixture["mask"].shape[1:]
    np.testing.assert_array_equal(ops.resize_mask(mask, (h, w)), fixture["mask"])
    assert_close(named["positions"], fixture["position"].transpose(0, 2, 3, 1).reshape(2, h * w, -1), 1e-12, "sines")
    p, (backbone, states, _) = model.arrays(model.layers) | named, model.layers.parts
    maps = backbone(model.device.ops, p, images)
    if "stage.3" in fixture:
        assert_close(maps[0], fixture["stage.3"].transpose(0, 2, 3, 1), 1e-8, "the backbone's map")
    projection, flatten, *layers = states.value.parts
    projected = projection(ops, p, maps)
    assert_close(projected[0], fixture["projected"].transpose(0, 2, 3, 1), 1e-8, "projected")
    x = flatten(ops, p, projected)
    for i, layer in enumerate(layers):
        x = layer(ops, p, x)
        assert_close(x, fixture[f"encoder.{i}"], 1e-8, f"encoder {i}")
    decoder = Chain(*states.body.parts[:2])(ops, p | {"memory": x}, x)
    for i, y in enumerate(decoder):
        assert_close(y, fixture[f"decoder.{i}"], 1e-8, f"decoder {i}: before the norm, which is not fed on")


@pytest.mark.parametrize("name", ["detr_hf", "detr_hf_grid"])
def test_costs_and_matches(name):
    model, fixture, _ = load(name)
    images, mask, targets = looked_at(fixture)
    (logits, boxes), _ = model.forward(images, mask)
    labels, wanted = ([target[part] for target in targets] for part in ("labels", "boxes"))
    costs = matching_costs(logits, boxes, labels, wanted, model.config.criterion)
    for i, of_layer in enumerate(costs):
        for b, cost in enumerate(of_layer):
            cost = cost[:, : len(labels[b])]
            assert_close(cost, fixture[f"cost.{i}.{b}"], 1e-8, f"cost {i} {b}")
            query, found = assign(cost)
            np.testing.assert_array_equal(query, fixture[f"match.{i}.{b}.query"])
            np.testing.assert_array_equal(found, fixture[f"match.{i}.{b}.target"])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", FILES)
def test_the_loss_its_terms_and_every_gradient(name, dtype):
    model, fixture, _ = load(name, dtype)
    images, mask, targets = looked_at(fixture)
    loss, terms, grads, dimages = model.losses_and_all_grads(images, targets, mask)
    assert_close(np.asarray(loss), fixture["loss"], BOUNDS[dtype], "loss")
    assert {*terms} == {key for key in fixture if key.startswith("loss_")}
    for term, value in terms.items():
        assert_close(np.asarray(value), fixture[term], BOUNDS[dtype], term)
    # The fixture's gradients bear the names of the file that they were computed from.
    layout = _layout(model.config, SOURCES["Hugging Face, its own ResNet"])
    theirs = unfill({ours: layout[ours] for ours in model.params}, grads)
    expected = {key for key in fixture if key.startswith("grad.")} - {"grad.pixel_values", "grad.feature.0"}
    assert {f"grad.{key}" for key in theirs} == expected
    for key, grad in theirs.items():
        assert grad.dtype == dtype
        assert_close(grad, fixture[f"grad.{key}"], BOUNDS[dtype], key)
    if "pixel_values" in fixture:  # in padding every window of the max pool ties, and the tie decides
        dimages, wanted = dimages * mask[..., None], fixture["grad.pixel_values"]
    else:
        (dimages,), wanted = dimages, fixture["grad.feature.0"]
    assert_close(dimages, wanted.transpose(0, 2, 3, 1), BOUNDS[dtype], "images")


def test_hugging_faces_weights_are_the_originals():
    ours, theirs = (
        load("detr_hf", cost_weights=whose, loss_weights=whose)[0] for whose in ("original", "Hugging Face")
    )
    assert ours.config == theirs.config
    assert ours.config.criterion.cost == ours.config.criterion.loss == (1, 5, 2)
