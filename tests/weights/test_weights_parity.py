"""Published implementations' own files give their logits and, through the importer's layout, all their gradients."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from minivit import load_pretrained
from minivit.model import parameter_shapes
from minivit.weights import huggingface, read_weights, torchvision
from minivit.weights.layout import fill
from minivit.weights.opened import find_weights
from minivit.weights.tensor import Tensor
from minivit.weights.torch_names import torch_layout

FIXTURES = Path(__file__).parents[1] / "fixtures"
# What transformers 5 calls in memory by another name than in its files.
IN_MEMORY = {
    ".encoder.layer.": ".layers.",
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
FILES = {
    "timm_cls": "timm_cls.safetensors",
    "timm_gap": "timm_gap.safetensors",
    "timm_layerscale": "timm_layerscale.safetensors",
    "timm_distilled": "timm_distilled.safetensors",
    "torchvision_vit": "torchvision_vit.safetensors",
    "hf_vit": "hf_vit",
    "google_tanh": "google_vit.npz",
    "google_erf": "google_vit.npz",
}


def gradients(name, path, fixture, config):
    """The fixture's gradients in our layout: the importer's, filled with gradients instead of weights."""
    if name.startswith(("timm", "google")):  # the latter were computed by timm too
        layout = torch_layout(config, True, lambda ours: ours)
    else:
        importer = torchvision if name.startswith("torchvision") else huggingface
        layout = importer.recognise(read_weights(find_weights(path))).layout(config, True)

    def read(theirs):
        for old, new in IN_MEMORY.items() if name.startswith("hf") else ():
            theirs = theirs.replace(old, new)
        return fixture[f"grad.{theirs}"]

    names = {piece.name for pieces in layout.values() for piece in pieces}
    tensors = {name: Tensor((), "float64", partial(read, name)) for name in names}
    return fill(layout, parameter_shapes(config), tensors, np.float64)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-8), (np.float32, 1e-4)])
@pytest.mark.parametrize("name", FILES)
def test_logits_and_every_gradient(name, dtype, bound):
    fixture = np.load(FIXTURES / "parity" / f"{name}.npz")
    path = FIXTURES / "parity" / FILES[name]
    told = {"heads": 4} if name.startswith(("timm", "torchvision")) else {}  # the other files tell
    changes = {"gelu": "erf"} if name == "google_erf" else {}
    model = load_pretrained(path, dtype=dtype, **told, **changes)
    assert model.config.heads == 4
    assert {array.dtype for array in model.params.values()} == {np.dtype(dtype)}
    np.testing.assert_allclose(model(fixture["images"]), fixture["logits"], atol=bound, rtol=0)
    loss, grads = model.loss_and_grads(fixture["images"], fixture["labels"])
    assert loss == pytest.approx(float(fixture["loss"]), abs=bound)
    expected = gradients(name, path, fixture, model.config)
    assert grads.keys() == expected.keys()
    for key, grad in grads.items():
        np.testing.assert_allclose(grad, expected[key], atol=bound, rtol=0, err_msg=key)


def test_a_distilled_models_two_logits():
    fixture = np.load(FIXTURES / "parity" / "timm_distilled.npz")
    path = FIXTURES / "parity" / "timm_distilled.safetensors"
    both = load_pretrained(path, heads=4, dtype=np.float64).both_logits(fixture["images"])
    for logits, name in zip(both, ("logits_cls", "logits_dist"), strict=True):
        np.testing.assert_allclose(logits, fixture[name], atol=1e-8)


# The file, what is asked for beside it, and what its configuration must say.
VARIANTS = {
    "timm_mean_of_patches": ({"heads": 3}, {"pool": "gap", "class_token": True}),
    "timm_norm_before_mean": ({"heads": 3}, {"pool": "norm_gap", "class_token": False}),
    "timm_rectangular": ({"heads": 3, "image_size": (16, 40)}, {"qkv_bias": False, "mlp_width": 55}),
    "timm_registers": ({"heads": 3}, {"registers": 4, "classes": 0, "position_prefix": 1}),
    "timm_swiglu": ({"heads": 3}, {"mlp": "swiglu", "mlp_width": 72}),
    "timm_distilled_resized": ({"heads": 3, "image_size": (40, 24)}, {"distilled": True}),
    "timm_hybrid_root": ({"heads": 3}, {"stem": (), "patch_size": (4, 4), "image_size": (32, 32)}),
    "timm_hybrid_stage": ({"heads": 3}, {"stem": (1,), "stem_width": 32, "stem_eps": "timm"}),
    "torchvision_representation": ({"heads": 3}, {"representation_size": 10, "mlp_width": 40}),
    "hf_vit_tanh": ({}, {"gelu": "tanh", "norm_eps": 1e-3, "qkv_bias": False}),
    "hf_vit_features": ({}, {"classes": 0, "norm_eps": 1e-12}),
    "hf_vit_features_resized": ({"image_size": (40, 24)}, {"position_resize": "bicubic"}),
    "hf_deit_distilled": ({}, {"distilled": True, "classes": 5}),
    "hf_dinov2": ({}, {"layer_scale": 1.0, "norm_eps": 1e-6}),
    "hf_dinov2_classifier": ({}, {"pool": "cls_norm_gap", "classes": 5, "squeeze": False}),
    "hf_dinov2_registers_classifier": ({}, {"pool": "cls_norm_gap", "registers": 4}),
    "hf_dinov2_swiglu": ({}, {"mlp": "swiglu"}),
    "hf_dinov2_registers": ({}, {"registers": 4}),
    "hf_dinov2_registers_resized": ({"image_size": (40, 24)}, {"position_resize": "bicubic_antialias"}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_other_shapes_and_models(name):
    asked, expected = VARIANTS[name]
    folder = FIXTURES / "weights"
    weights = folder / (name if "timm" in name else name.removesuffix("_resized"))
    path = weights if weights.is_dir() else weights.with_suffix(".safetensors")
    fixture = np.load(folder / f"{name}.npz")
    model = load_pretrained(path, dtype=np.float64, **asked)
    assert {key: getattr(model.config, key) for key in expected} == expected
    bound = 1e-6 if "resized" in name else 1e-8  # PyTorch resizes positions in float32
    np.testing.assert_allclose(model(fixture["images"]), fixture["logits"], atol=bound, rtol=0)
