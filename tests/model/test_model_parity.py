"""Whole models give timm's logits, loss and gradients, from timm's own files; the stem PyTorch's (all in float64)."""

import json
from pathlib import Path

import numpy as np
import pytest

from minivit import ViT, ViTConfig, ops
from minivit.layers import Chain
from minivit.model import parameter_shapes
from minivit.model.resnet import stem

FIXTURES = Path(__file__).parents[1] / "fixtures" / "parity"
OPTIONS = {
    "timm_cls": {},
    "timm_gap": {"pool": "gap"},
    "timm_layerscale": {"layer_scale": 0.1},
    "timm_distilled": {"distilled": True},
}


def read_safetensors(path):
    """A header in JSON, its length in the 8 bytes before it, and then the numbers."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {
        name: np.frombuffer(data[start:][slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def ours(array):
    """PyTorch's layout to ours: Linear (out, in) -> (in, out), a convolution (D, C, P, P) -> (P·P·C, D)."""
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0).reshape(-1, len(array))
    return array.T if array.ndim == 2 else array


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-8), (np.float32, 1e-4)])
@pytest.mark.parametrize("name", OPTIONS)
def test_parity_with_timm(name, dtype, bound):
    fixture = np.load(FIXTURES / f"{name}.npz")
    sizes = dict(image_size=16, patch_size=4, classes=10, width=32, depth=2, heads=int(fixture["heads"]))
    model = ViT(ViTConfig(**sizes, **OPTIONS[name]), dtype=dtype)
    weights = {
        key: ours(array).astype(dtype) for key, array in read_safetensors(FIXTURES / f"{name}.safetensors").items()
    }
    assert {key: array.shape for key, array in weights.items()} == {k: p.shape for k, p in model.params.items()}
    model.params = weights
    loss, grads = model.loss_and_grads(fixture["images"], fixture["labels"])
    np.testing.assert_allclose(model(fixture["images"]), fixture["logits"], atol=bound)
    assert loss == pytest.approx(float(fixture["loss"]), abs=bound)
    for key, grad in grads.items():
        assert grad.dtype == dtype
        np.testing.assert_allclose(grad, ours(fixture[f"grad.{key}"]), atol=bound, err_msg=key)


def test_a_distilled_models_heads_are_timms():
    fixture = np.load(FIXTURES / "timm_distilled.npz")
    config = ViTConfig(image_size=16, patch_size=4, classes=10, width=32, depth=2, heads=4, distilled=True)
    weights = read_safetensors(FIXTURES / "timm_distilled.safetensors")
    model = ViT(config, params={name: ours(weights[name]).astype(np.float64) for name in parameter_shapes(config)})
    for logits, name in zip(model.both_logits(fixture["images"]), ("logits_cls", "logits_dist"), strict=True):
        np.testing.assert_allclose(logits, fixture[name], atol=1e-8)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-11), (np.float32, 1e-4)])
def test_the_stem_is_pytorchs(dtype, bound):
    """Written with torch.nn.functional alone: two stages, 6 channels in groups of 3, odd sides. Relative errors."""
    fixture = {name: array.astype(dtype) for name, array in np.load(FIXTURES / "hybrid_stem.npz").items()}
    config = ViTConfig(image_size=(30, 21), patch_size=1, stem=(2, 1), stem_width=6)
    layers = Chain(*stem(config))
    y, cache = layers.forward(ops, fixture, fixture["images"])
    dimages, grads = layers.backward(ops, fixture["dmap"], cache)
    assert grads.keys() == {name for name in parameter_shapes(config) if name.startswith("stem.")}
    for name, array in (
        ("map", y),
        ("grad.images", dimages),
        *((f"grad.{name}", grad) for name, grad in grads.items()),
    ):
        assert array.dtype == dtype
        np.testing.assert_allclose(array, fixture[name], atol=bound * np.abs(fixture[name]).max(), err_msg=name)
