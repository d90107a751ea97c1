"""ResNet and BiT give the published implementations' numbers, from files with those implementations' own names.

The fixtures are torchvision 0.28, transformers 5.24 and timm 1.0.31, in float64, the maps in float32; bit_google is
computed by timm from weights that bear Google's names.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from minivit import ops
from minivit.family import loader
from minivit.weights import bit, resnet
from minivit.weights.layout import unfill

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
# The class, where the weights are, and how their source calls things.
MODELS = {
    "resnet_torchvision": ("ResNet", "resnet_torchvision.safetensors", resnet.TORCHVISION),
    "resnet_torchvision_basic": ("ResNet", "resnet_torchvision_basic.safetensors", resnet.TORCHVISION),
    "resnet_torchvision_train": ("ResNet", "resnet_torchvision_train.safetensors", resnet.TORCHVISION),
    "resnet_hf": ("ResNet", "resnet_hf", resnet.HUGGING_FACE),
    "bit_timm": ("BiT", "bit_timm.safetensors", bit.TIMM),
    "bit_google": ("BiT", "bit_google_weights.npz", bit.GOOGLE),
    "bit_hf": ("BiT", "bit_hf", bit.HUGGING_FACE),
}
TRAINED = "resnet_torchvision_train"
TYPES = [(np.float64, 1e-8), (np.float32, 1e-4)]


def load(name, dtype=np.float64):
    """The fixture's numbers, its model, and how the source calls things. The file tells no image size, and Hugging
    Face's alone the groups."""
    fixture, (kind, path, dialect) = np.load(FIXTURES / f"{name}.npz"), MODELS[name]
    told = json.loads(str(fixture["options"]))
    options = {"groups": told["groups"]} if "groups" in told else {}
    model = loader(kind)(FIXTURES / path, dtype=dtype, image_size=fixture["images"].shape[1:3], **options)
    assert (type(model).__name__, model.dtype) == (kind, dtype)
    return fixture, model, dialect


def near(got, expected, bound, what=""):
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound * max(1, np.abs(expected).max()), err_msg=what)


@pytest.mark.parametrize(("dtype", "bound"), TYPES)
@pytest.mark.parametrize("name", MODELS)
def test_parity(name, dtype, bound):
    """Logits, the loss, every gradient under the source's own name, and the images'."""
    fixture, model, dialect = load(name, dtype)
    logits, cache = model.forward(fixture["images"], training=name == TRAINED)
    near(logits, fixture["logits"], bound)
    loss, loss_cache = ops.cross_entropy_forward(logits, fixture["labels"])
    assert loss == pytest.approx(float(fixture["loss"]), rel=bound)
    grads, dimages = model.backward(ops.cross_entropy_backward(1.0, loss_cache), cache)
    near(dimages, fixture["grad_images"], bound)
    layout = dialect.layout(model.layers)
    theirs = unfill({key: layout[key] for key in model.params}, grads)
    assert {f"grad.{key}" for key in theirs} == {key for key in fixture if key.startswith("grad.")}
    for key, grad in theirs.items():
        assert grad.dtype == dtype
        near(grad, fixture[f"grad.{key}"], bound, key)


@pytest.mark.parametrize("name", [name for name in MODELS if name != TRAINED])
def test_evaluation_gives_the_logits_and_the_map_of_every_stage(name):
    fixture, model, _ = load(name)
    near(model(fixture["images"]), fixture["logits"], 1e-8)
    maps = [fixture[key] for key in fixture if key.startswith("feature.") and key != "feature.norm"]
    for got, expected in zip(model.maps(fixture["images"]), maps, strict=True):
        near(got, expected, 1e-6)
    if "feature.norm" in fixture:
        near(model.features(fixture["images"]), fixture["feature.norm"].mean(axis=(1, 2), dtype=np.float64), 1e-6)


@pytest.mark.parametrize(("dtype", "bound"), TYPES)
def test_training_takes_the_batchs_statistics_and_hands_the_running_ones_back(dtype, bound):
    fixture, model, _ = load(TRAINED, dtype)
    before = {name: array.copy() for name, array in model.buffers.items()}
    loss, grads = model.loss_and_grads(fixture["images"], fixture["labels"])
    assert loss == pytest.approx(float(fixture["loss"]), rel=bound)
    after = {key.removeprefix("after."): fixture[key] for key in fixture if key.startswith("after.")}
    assert after.keys() == model.buffers.keys() and list(grads) == [*model.params, *model.buffers]
    for key, expected in after.items():
        assert grads[key].dtype == dtype
        near(grads[key], expected, bound, key)
        np.testing.assert_array_equal(model.buffers[key], before[key])
