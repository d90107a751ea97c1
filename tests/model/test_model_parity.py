"""Whole models give timm's logits, loss and gradients, from timm's own files (computed once in float64)."""

import json
from pathlib import Path

import numpy as np
import pytest

from minivit import ViT, ViTConfig

FIXTURES = Path(__file__).parents[1] / "fixtures" / "parity"
OPTIONS = {"timm_cls": {}, "timm_gap": {"pool": "gap"}, "timm_layerscale": {"layer_scale": 0.1}}


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
