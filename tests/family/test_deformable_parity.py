"""Deformable DETR gives the numbers of Hugging Face and of the authors: what it says, its losses, every gradient."""

import sys
from pathlib import Path

import numpy as np
import pytest

import minivit
from minivit.family.matching import matching_costs

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
NAMES = ["deformable_hf", "deformable_hf_single", "deformable_hf_refine", "deformable_hf_two_stage"]
BOUND = {np.float64: 1e-8, np.float32: 1e-4}
each = pytest.mark.parametrize("name", NAMES)


def fixture(name):
    return dict(np.load(FIXTURES / f"{name}.npz"))


def model_of(name, dtype=np.float64, **config):
    return minivit.load_pretrained(FIXTURES / name, dtype=dtype, **config)


def last(x):
    """PyTorch's (B, C, h, w) -> (B, h, w, C)."""
    return x.transpose(0, 2, 3, 1)


def inputs(f):
    """Images, or the maps in their place; the mask; the targets."""
    if "pixel_values" in f:
        images = last(f["pixel_values"])
    else:
        images = [last(f[f"feature.{i}"]) for i in range(3) if f"feature.{i}" in f]
    targets = [{"labels": f[f"labels.{b}"], "boxes": f[f"boxes.{b}"]} for b in range(len(f["pixel_mask"]))]
    return images, f["pixel_mask"] == 1, targets


def assert_close(got, expected, bound, what=""):
    worst = abs(got - expected).max() / max(1, abs(expected).max())
    assert worst <= bound, f"{what}: {worst:.1e}"


@each
@pytest.mark.parametrize("dtype", BOUND)
def test_what_it_says(name, dtype):
    f, model = fixture(name), model_of(name, dtype)
    images, mask, _ = inputs(f)
    said, _ = model.forward(images, mask)
    for layer in range(2):
        assert_close(said[0][layer], f[f"logits.{layer}"], BOUND[dtype], f"logits of layer {layer}")
        assert_close(said[1][layer], f[f"pred_boxes.{layer}"], BOUND[dtype], f"boxes of layer {layer}")
    if "proposal.boxes" in f:
        assert_close(said[2], f["proposal.logits"], BOUND[dtype], "logits of the proposals")
        assert_close(said[3], f["proposal.boxes"], BOUND[dtype], "proposals")
    logits, boxes = model(images, mask)
    assert_close(logits, f["logits.1"], BOUND[dtype])
    assert_close(boxes, f["pred_boxes.1"], BOUND[dtype])


@each
def test_positions_and_maps(name):
    f, model = fixture(name), model_of(name)
    images, mask, _ = inputs(f)
    _, named = model.looked_at(images, mask)
    levels, D = model.config.levels, model.config.width
    cells = [f[f"mask.{i}"].reshape(len(mask), -1) for i in range(levels)]
    np.testing.assert_array_equal(named["mask"], np.concatenate(cells, axis=1))
    sines = [last(f[f"position.{i}"]).reshape(len(mask), -1, D) for i in range(levels)]
    assert_close(named["positions"], np.concatenate(sines, axis=1), 1e-8)
    parts = model.layers.parts[0], model.layers.parts[1].value.parts[0]
    maps = model.run_on(minivit.layers.Chain(*parts), images, mask)
    for i, found in enumerate(maps):
        assert_close(found, last(f[f"projected.{i}"]), 1e-10, f"map {i}")


@each
@pytest.mark.parametrize("whose", ["Hugging Face", "original"])
def test_losses(name, whose):
    f, before = fixture(name), "" if whose == "Hugging Face" else "original."
    model = model_of(name, cost_weights=whose, loss_weights=whose, proposal_loss="original")
    images, mask, targets = inputs(f)
    loss, terms, _, _ = model.losses_and_all_grads(images, targets, mask)
    assert loss == pytest.approx(float(f[f"{before}loss"]), rel=1e-9)
    expected = {key.removeprefix(before): float(f[key]) for key in f if key.startswith(f"{before}loss_")}
    expected.pop("loss_without_enc", None)
    assert terms.keys() == expected.keys()
    for term, value in expected.items():
        assert terms[term] == pytest.approx(value, rel=1e-9), term
    assert model.loss(images, targets, mask) == pytest.approx(loss, rel=1e-12)


@each
def test_costs(name):
    f, model = fixture(name), model_of(name)
    images, mask, targets = inputs(f)
    (logits, boxes, *proposals), _ = model.forward(images, mask)
    labels, wanted = ([target[kind] for target in targets] for kind in ("labels", "boxes"))
    costs = {str(i): x for i, x in enumerate(matching_costs(logits, boxes, labels, wanted, model.config.criterion))}
    if proposals:
        nothing = [np.zeros_like(some) for some in labels]
        said = (x[None] for x in proposals)
        costs["enc"] = matching_costs(*said, nothing, wanted, model.config.criterion)[0]
    for layer, by_image in costs.items():
        for b, cost in enumerate(by_image):
            assert_close(cost[:, : len(labels[b])], f[f"cost.{layer}.{b}"], 1e-9)


@each
@pytest.mark.parametrize("dtype", BOUND)
def test_every_gradient(name, dtype):
    f, expected = fixture(name), fixture(f"{name}_grads")
    model = model_of(name, dtype, proposal_loss="original")
    images, mask, targets = inputs(f)
    loss, _, grads, dimages = model.losses_and_all_grads(images, targets, mask)
    assert loss == pytest.approx(float(f["loss"]), rel=BOUND[dtype])
    theirs = as_named(model, grads)
    for key, gradient in expected.items():
        key = key.removeprefix("grad.")
        assert_close(theirs.pop(key), gradient, BOUND[dtype], key)
    assert not theirs, "gradients that the fixture has not"
    if "pixel_values" in f:
        here = mask[..., None]
        assert_close(dimages * here, last(f["grad.pixel_values"]) * here, BOUND[dtype], "images")
    else:
        for i, dmap in enumerate(dimages):
            assert_close(dmap, last(f[f"grad.feature.{i}"]), BOUND[dtype], f"map {i}")


def as_named(model, grads):
    """Our gradients as the file's tensors, by their names there: as exporting writes parameters."""
    module = sys.modules["minivit.weights.deformable_detr"]
    source = "Hugging Face, its own ResNet"
    layout = module._layout(model.config, module.SOURCES[source])
    layout = {ours: module._first(pieces) for ours, pieces in layout.items() if ours in grads}
    return minivit.weights.layout.unfill(layout, grads)


def test_without_a_loss_of_its_own_what_proposes_has_no_gradient():
    """Hugging Face's: the boxes that were chosen are taken as they are."""
    f, model = fixture("deformable_hf_two_stage"), model_of("deformable_hf_two_stage")
    assert model.config.proposal_loss == "Hugging Face"
    images, mask, targets = inputs(f)
    loss, grads = model.loss_and_grads(images, targets, mask)
    assert loss == pytest.approx(float(f["loss_without_enc"]), rel=1e-9)
    silent = ("transformer.enc_output", "class_embed.2.", "bbox_embed.2.")
    for name, gradient in grads.items():
        assert gradient.any() != name.startswith(silent), name


@pytest.mark.parametrize(
    ("original", "name"),
    [("deformable_original", "deformable_hf"), ("deformable_original_two_stage", "deformable_hf_two_stage")],
)
def test_the_authors_file(original, name):
    """The same tensors under the authors' names, whose norm2 comes first; no JSON tells the heads."""
    f = fixture(name)
    told = {"heads": int(f["heads"])} | ({"queries": 8} if "two_stage" in name else {})
    model = minivit.load_pretrained(FIXTURES / f"{original}.safetensors", dtype=np.float64, **told)
    assert model.config.proposal_loss == "original"
    images, mask, targets = inputs(f)
    loss, grads = model.loss_and_grads(images, targets, mask)
    assert loss == pytest.approx(float(f["original.loss"]), rel=1e-9)
    twin = model_of(name, cost_weights="original", loss_weights="original", proposal_loss="original")
    for key, x in twin.params.items():
        np.testing.assert_array_equal(x, model.params[key])
    twins = twin.loss_and_grads(images, targets, mask)[1]
    assert all(np.array_equal(grads[key], twins[key]) for key in twins)
