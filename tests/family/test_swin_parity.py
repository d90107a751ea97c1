"""Swin gives timm's logits, loss and gradients, from timm's own files, also where windows do not divide the maps.

The fixtures are timm 1.0.31's, in float64; swin_hf_merging is a merging of an odd map by transformers 5.24.
"""

from pathlib import Path

import numpy as np
import pytest

from minivit import ops
from minivit.family import Swin
from minivit.family.swin import Stage, SwinConfig, merging
from minivit.weights.swin import load_swin_timm

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
OPTIONS = {"swin_timm": {}, "swin_timm_pad": {"image_size": (24, 40)}}


def ours(name, array):
    """PyTorch's layout to ours: Linear (out, in) -> (in, out), a convolution (D, C, P, P) -> (P·P·C, D)."""
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0).reshape(-1, len(array))
    return array.T if array.ndim == 2 and not name.endswith("table") else array


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-8), (np.float32, 1e-4)])
@pytest.mark.parametrize("name", OPTIONS)
def test_parity_with_timm(name, dtype, bound):
    """Errors relative to each tensor's largest number. The keys' bias has none: its gradient is 0."""
    fixture = np.load(FIXTURES / f"{name}.npz")
    model = load_swin_timm(FIXTURES / f"{name}.safetensors", dtype=dtype, **OPTIONS[name])
    assert (type(model), model.dtype) == (Swin, dtype)
    logits, cache = model.forward(fixture["images"])
    np.testing.assert_allclose(logits, fixture["logits"], atol=bound * np.abs(fixture["logits"]).max())
    loss, loss_cache = ops.cross_entropy_forward(logits, fixture["labels"])
    assert loss == pytest.approx(float(fixture["loss"]), rel=bound)
    grads, dimages = model.backward(ops.cross_entropy_backward(1.0, loss_cache), cache)
    assert {f"grad.{key}" for key in grads} == {key for key in fixture if key.startswith("grad.")}
    expected = {key: ours(key, fixture[f"grad.{key}"]) for key in grads} | {"images": fixture["grad_images"]}
    for key, grad in (grads | {"images": dimages}).items():
        assert grad.dtype == dtype
        np.testing.assert_allclose(grad, expected[key], atol=bound * np.abs(expected[key]).max(), err_msg=key)


def test_an_odd_map_is_merged_as_published():
    fixture = np.load(FIXTURES / "swin_hf_merging.npz")
    above = Stage(grid=(15, 15), width=8, heads=2, depth=2, window=(4, 4), shift=(2, 2))
    layers = merging(SwinConfig(), "merge", above)
    p = {f"merge.{name}": ours(name, fixture[name]) for name in fixture if "." in name}
    np.testing.assert_allclose(layers(ops, p, fixture["before"]), fixture["after"], atol=1e-5)
