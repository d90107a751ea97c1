"""Swin gives timm's, Microsoft's and Hugging Face's numbers from their own files: logits, loss, every gradient, what
each block hands on; also where windows do not divide the maps.

The fixtures are timm 1.0.31's and transformers 5.24.0's, in float64; swin_original has swin_timm's weights in
Microsoft's names, and swin_hf_merging is a merging of an odd map.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from minivit import load_pretrained, ops
from minivit.family import Swin
from minivit.family.swin import Stage, SwinConfig, features, merging
from minivit.layers import Chain
from minivit.weights.layout import fill
from minivit.weights.opened import open_weights
from minivit.weights.swin import _layout, _renamer
from minivit.weights.tensor import Tensor

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
# The file of weights, the fixture, and what the file does not tell.
MODELS = {
    "timm": ("swin_timm.safetensors", "swin_timm", {}),
    "Microsoft": ("swin_original.safetensors", "swin_timm", {}),
    "timm, padded": ("swin_timm_pad.safetensors", "swin_timm_pad", {"image_size": (24, 40)}),
    "Hugging Face": ("swin_hf", "swin_hf", {}),
    "Hugging Face, padded": ("swin_hf_pad", "swin_hf_pad", {}),
}


def model_and_fixture(name, dtype):
    file, fixture, options = MODELS[name]
    return load_pretrained(FIXTURES / file, dtype=dtype, **options), np.load(FIXTURES / f"{fixture}.npz")


def close(got, expected, bound, what):
    """|a − b| ≤ bound · max(1, max|b|)."""
    np.testing.assert_allclose(
        got, expected, rtol=0, atol=bound * max(1, np.abs(expected).max()), err_msg=what, strict=False
    )


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-8), (np.float32, 1e-4)])
@pytest.mark.parametrize("name", MODELS)
def test_parity(name, dtype, bound):
    model, fixture = model_and_fixture(name, dtype)
    assert (type(model), model.dtype) == (Swin, dtype)
    logits, cache = model.forward(fixture["images"])
    close(logits, fixture["logits"], bound, "logits")
    loss, loss_cache = ops.cross_entropy_forward(logits, fixture["labels"])
    close(loss, fixture["loss"], bound, "loss")
    grads, dimages = model.backward(ops.cross_entropy_backward(1.0, loss_cache), cache)
    assert dimages.dtype == dtype
    close(dimages, fixture["grad_images"], bound, "images")
    # The gradients lie where the weights do; the fixture's own names for Microsoft's, which are timm's.
    source = "timm" if name == "Microsoft" else name.split(",")[0]
    prefix = "swin." if source == "Hugging Face" else ""
    theirs = {key.removeprefix("grad."): fixture[key] for key in fixture if key.startswith("grad.")}
    layout = _layout(model.config, _renamer(source, prefix))
    assert {piece.name for pieces in layout.values() for piece in pieces} == theirs.keys()
    tensors = {key: Tensor(grad.shape, "float64", partial(theirs.get, key)) for key, grad in theirs.items()}
    expected = fill(layout, {key: grad.shape for key, grad in grads.items()}, tensors, np.float64)
    for key, grad in grads.items():
        assert grad.dtype == dtype
        close(grad, expected[key], bound, key)


@pytest.mark.parametrize("name", MODELS)
def test_what_every_block_hands_on(name):
    """Held in float32."""
    model, fixture = model_and_fixture(name, np.float64)
    encoder, config = model.layers.parts[0], model.config
    names = ["patch_embed"]
    for s, depth in enumerate(config.depths):
        names += ([f"merge{s}"] if s else []) + [f"stage{s}.block{j}" for j in range(depth)]
    ends = {feature: 3 + i for i, feature in enumerate(names)}  # patchify, projection and norm make patch_embed
    assert len(encoder.parts) == 2 + len(names)
    assert {f"feature.{feature}" for feature in [*names, "norm"]} == {key for key in fixture if "feature" in key}
    for feature, end in ends.items():
        expected = fixture[f"feature.{feature}"]
        got = model.run(Chain(*encoder.parts[:end]), fixture["images"])
        close(got, expected.reshape(got.shape), 1e-6, feature)
    got = model.run(Chain(encoder, features(config).parts[0]), fixture["images"])
    close(got, fixture["feature.norm"].reshape(got.shape), 1e-6, "norm")


def test_the_two_paddings_are_two():
    """The same weights, padded the other way, give other logits."""
    theirs = np.load(FIXTURES / "swin_hf_pad.npz")
    other = load_pretrained(FIXTURES / "swin_hf_pad", dtype=np.float64, padding="timm")
    assert 1e-3 < np.abs(other(theirs["images"]) - theirs["logits"]).max() < 1


def test_an_odd_map_is_merged_as_published():
    fixture = np.load(FIXTURES / "swin_hf_merging.npz")
    above = Stage(grid=(15, 15), width=8, heads=2, depth=2, window=(4, 4), shift=(2, 2))
    layers = merging(SwinConfig(), "merge", above)

    def ours(name):
        return fixture[name].T if fixture[name].ndim == 2 else fixture[name]

    p = {f"merge.{name}": ours(name) for name in fixture if "." in name}
    np.testing.assert_allclose(layers(ops, p, fixture["before"]), fixture["after"], atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_whose_a_file_is(name):
    opened = open_weights(FIXTURES / MODELS[name][0])
    assert (opened.model, opened.source) == ("Swin", name.split(",")[0])
