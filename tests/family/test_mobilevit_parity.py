"""MobileViT gives the logits, loss, features and gradients of timm and of Hugging Face, from their files.

The fixtures are in float64, timm 1.0.31's and transformers 5.24's; one is timm's in training, with the running
statistics afterwards. In Hugging Face's, patches of 2 x 2 do not divide a map of 3 x 3, which is resized.
"""

import numpy as np
import pytest
from parity_support import BOUNDS, FIXTURES, assert_close, assert_parity, file_of

from minivit import ops
from minivit.family import MobileViT
from minivit.model.attention_maps import noting
from minivit.weights import read_weights
from minivit.weights.mobilevit import load as load_mobilevit
from minivit.weights.mobilevit_names import layout, whose

TIMM, TRAINING, HF = "mobilevit_timm", "mobilevit_timm_train", "mobilevit_hf"
SIZES = {TIMM: {"image_size": 32}, TRAINING: {"image_size": 16}, HF: {}}


def moves_of(name, config):
    path = file_of(name)
    return layout(config, whose(read_weights(path / "model.safetensors" if path.is_dir() else path)))


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", SIZES)
def test_parity(name, dtype):
    fixture = np.load(FIXTURES / f"{name}.npz")
    model = load_mobilevit(file_of(name), dtype=dtype, **SIZES[name])
    assert (type(model), model.dtype) == (MobileViT, dtype)
    moves = moves_of(name, model.config)
    grads = assert_parity(model, fixture, moves, training=name == TRAINING)
    after = {f"after.{piece.name}": grads[ours] for ours in model.buffers if ours in grads for piece in moves[ours]}
    assert after.keys() == {key for key in fixture if key.startswith("after.") and not key.endswith("tracked")}
    assert (len(after) > 0) == (name == TRAINING)
    for key, statistic in after.items():
        assert_close(statistic, fixture[key], BOUNDS[dtype], key)


@pytest.mark.parametrize("name", SIZES)
def test_every_stage_and_its_tokens_give_their_features(name):
    fixture = np.load(FIXTURES / f"{name}.npz")
    model = load_mobilevit(file_of(name), dtype=np.float64, **SIZES[name])
    tokens, maps, training = [], {}, name == TRAINING

    def run(layers, x):
        def note(sequences, **_):
            tokens.append(sequences)

        noise = np.random.default_rng(0) if training else None  # there is no dropout: BatchNorm takes the batch's
        return layers.forward(noting(ops, fold_forward=note), model.arrays(layers), x, noise)[0]

    encoder, features = model.layers.parts[:2]
    stem, *parts = encoder.parts
    x = maps["stem"] = run(stem, fixture["images"].astype(np.float64))
    for s, stage in enumerate(model.config.stages):
        for j in range(stage.units + (stage.d > 0)):
            x = run(parts.pop(0), x)
            maps[f"stage{s}.{j}"] = maps[f"layer{s}"] = x
            if j == stage.units:
                maps[f"stage{s}.{j}.tokens"] = maps[f"layer{s}.tokens"] = tokens[-1]
    maps["final_conv"] = maps["conv_1x1_exp"] = run(features.parts[0], x)
    keys = [key for key in fixture.files if key.startswith("feature.")]
    assert len(keys) >= 6
    for key in keys:
        assert_close(maps[key.removeprefix("feature.")], fixture[key], 1e-6, key)
