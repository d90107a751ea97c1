"""PVT gives the logits, loss, features and gradients of its authors, of Hugging Face and of timm, from their files.

The fixtures are in float64, timm 1.0.31's and transformers 5.24's; the features in them are float32.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from parity_support import BOUNDS, FIXTURES, assert_close, assert_parity, file_of

from minivit import ops
from minivit.family import PVT
from minivit.family.pvt import block, embedding
from minivit.layers import Chain
from minivit.layers.parts import norm
from minivit.weights import read_weights
from minivit.weights.pvt import load as load_pvt
from minivit.weights.pvt_names import layout, whose

# What no file of theirs tells.
OPTIONS = {
    "pvt_hf": {},
    "pvt_hf_digits": {},
    "pvt_original": {"heads": (1, 2, 4, 3)},
    "pvt2_timm": {"heads": (1, 2, 4, 3), "image_size": (40, 24)},
    "pvt2_linear_timm": {"heads": (2, 3), "image_size": 32},
    "pvt2_hf": {},
}


def moves_of(name, config):
    path = file_of(name)
    return layout(config, whose(read_weights(path / "model.safetensors" if path.is_dir() else path)))


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", OPTIONS)
def test_parity(name, dtype):
    fixture = np.load(FIXTURES / f"{name}.npz")
    model = load_pvt(file_of(name), dtype=dtype, **OPTIONS[name])
    assert (type(model), model.dtype) == (PVT, dtype)
    assert_parity(model, fixture, moves_of(name, model.config))


@pytest.mark.parametrize("name", OPTIONS)
def test_every_stage_and_block_gives_their_features(name):
    fixture = np.load(FIXTURES / f"{name}.npz")
    model = load_pvt(file_of(name), dtype=np.float64, **OPTIONS[name])
    config, x, seen = model.config, fixture["images"].astype(np.float64), set()

    def run(layers, x, *names):
        y = layers(ops, model.arrays(layers), x)
        for key in {f"feature.{feature}" for feature in names} & set(fixture.files):
            assert_close(y, fixture[key].reshape(y.shape), 1e-6, key)  # timm's are maps
            seen.add(key)
        return y

    for s, stage in enumerate(config.stages):
        x = run(Chain(*embedding(config, s)), x, f"stage{s}.embed", *(["patch_embed"] if s == 0 else []))
        for i in range(stage.depth):
            x = run(block(config, s, i), x, f"stage{s}.block{i}")
        if config.version == 2:
            x = run(norm(f"stages.{s}.norm", stage.width, config.norm_eps), x, f"stage{s}", f"stage{s}.norm")
    if config.version == 1:
        run(norm("norm", stage.width, config.norm_eps), x, "norm")
    assert seen == {key for key in fixture.files if key.startswith("feature.")}


@pytest.mark.parametrize("dtype", BOUNDS)
def test_at_another_size_the_positions_are_resized(dtype):
    """The authors' model resizes its tables while it runs. Ours has them resized: their gradient, taken back through
    the resizing, is the original's."""
    fixture = np.load(FIXTURES / "pvt_original_resized.npz")
    model = load_pvt(file_of("pvt_original"), dtype=dtype, image_size=(40, 32), **OPTIONS["pvt_original"])
    bound = BOUNDS[dtype]
    logits, cache = model.forward(fixture["images"])
    assert_close(logits, fixture["logits"], bound, "logits")
    _, loss_cache = ops.cross_entropy_forward(logits, fixture["labels"])
    grads, dimages = model.backward(ops.cross_entropy_backward(1.0, loss_cache), cache)
    assert_close(dimages, fixture["grad_images"], bound, "images")
    old = load_pvt(file_of("pvt_original"), dtype=dtype, **OPTIONS["pvt_original"])
    for s, (before, after) in enumerate(zip(old.config.stages, model.config.stages, strict=True)):
        name = f"stages.{s}.pos_embed"
        _, cache = ops.resize_positions_forward(old.params[name], before.grid, after.grid, int(s == 3), "bilinear")
        back = ops.resize_positions_backward(grads[name], cache)
        assert_close(back, fixture[f"grad.pos_embed{s + 1}"], bound, name)
    assert_close(grads["cls_token"], fixture["grad.cls_token"], bound, "cls_token")


def test_the_options_are_what_the_fixtures_tell():
    """The heads above are the fixtures' own, not chosen so that a test passes."""
    for name in ("pvt_original", "pvt2_timm", "pvt2_linear_timm"):
        told = json.loads(str(np.load(FIXTURES / f"{name}.npz")["options"]))
        assert tuple(told.get("num_heads") or told["num_attention_heads"]) == OPTIONS[name]["heads"]
        assert Path(file_of(name)).is_file()
