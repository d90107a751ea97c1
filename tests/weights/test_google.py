"""Google's files in all their dialects come back as the model that they were written from, bit by bit."""

import numpy as np
import pytest
from google_files import google_arrays, stacked

from minivit import ViT, ViTConfig, load_pretrained
from minivit.proof import order_one_parameters

SMALL = dict(
    image_size=16, patch_size=4, classes=5, width=12, depth=3, heads=2, mlp_ratio=1.5, gelu="tanh",
    resize_filter="bilinear", squeeze=True, crop=1.0, position_resize="bilinear_align_corners",
)  # fmt: skip


def make(**options):
    model = ViT(ViTConfig(**SMALL | options))
    model.params = {k: array.astype(np.float32) for k, array in order_one_parameters(model.config).items()}
    return model


def check(tmp_path, arrays, model, **changes):
    np.savez(tmp_path / "model.npz", **arrays)
    loaded = load_pretrained(tmp_path / "model.npz", **changes)
    assert loaded.config == model.config
    assert list(loaded.params) == list(model.params)
    for name, array in model.params.items():
        np.testing.assert_array_equal(loaded.params[name], array, err_msg=name)
    return loaded


@pytest.mark.parametrize("big_vision", [False, True])
@pytest.mark.parametrize("prefix", ["", "opt/target/", "params/", "params/img/"])
@pytest.mark.parametrize("stack", [False, True])
def test_names_prefixes_and_stacked_blocks(tmp_path, big_vision, prefix, stack):
    model = make(**{"squeeze": False, "crop": 0.875} if big_vision else {})
    arrays = google_arrays(model, prefix, big_vision)
    arrays = stacked(arrays, 3) if stack else arrays
    if prefix:  # what else a training run saves
        arrays |= {"opt/state/step": np.array(7), "params/t": np.zeros(1), "other/embedding/bias": np.zeros(3)}
        arrays = {name: array for name, array in arrays.items() if prefix != "params/" or name != "params/t"}
    check(tmp_path, arrays, model)


@pytest.mark.parametrize(
    "options",
    [
        dict(pool="norm_gap"),
        dict(pool="norm_gap", position="sincos2d", image_size=16),
        dict(representation_size=7),
        dict(classes=0),
        dict(channels=1, patch_size=(8, 4), image_size=(32, 16), width=15, heads=5, depth=1, mlp_ratio=2),
        dict(stem=(), stem_width=8, patch_size=2, image_size=32),
        dict(stem=(1, 2), stem_width=4, patch_size=1, image_size=32),
        dict(stem=(1, 1, 2), stem_width=4, patch_size=1, image_size=32, channels=2),
    ],
    ids=str,
)
@pytest.mark.parametrize("old_stem", [False, True])
def test_kinds_of_models(tmp_path, options, old_stem):
    model = make(**options)
    changes = {"image_size": model.config.image_size} if model.config.position == "sincos2d" else {}
    check(tmp_path, google_arrays(model, old_stem=old_stem), model, **changes)


def test_big_vision_adds_positions_before_the_class_token_which_then_has_none(tmp_path):
    model = make(squeeze=False, crop=0.875)
    model.params["pos_embed"][:, 0] = 0
    arrays = google_arrays(model, big_vision=True)
    arrays["pos_embedding"] = arrays["pos_embedding"][:, 1:]
    check(tmp_path, arrays, model)


def test_attention_pooling_is_refused_by_name(tmp_path):
    arrays = google_arrays(make(pool="norm_gap")) | {"MAPHead_0/probe": np.zeros((1, 1, 12), np.float32)}
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(ValueError, match=r"model\.npz: it has 1 tensors that the model does not know: MAPHead_0/probe"):
        load_pretrained(tmp_path / "model.npz")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_becomes_float32(tmp_path, dtype):
    model = make()
    arrays = google_arrays(model)
    if dtype == "float16":
        arrays = {name: array.astype(np.float16) for name, array in arrays.items()}
        expected = arrays["head/kernel"].astype(np.float32)
    else:  # NumPy has no bfloat16, and writes JAX's as two bytes: the upper half of a float32
        expected = (arrays["head/kernel"].view(np.uint32) >> 16 << 16).view(np.float32)
        arrays = {name: (array.view(np.uint32) >> 16).astype(np.uint16).view("V2") for name, array in arrays.items()}
    np.savez(tmp_path / "model.npz", **arrays)
    loaded = load_pretrained(tmp_path / "model.npz")
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded.params["head.weight"], expected)


def test_heads_that_contradict_the_file_are_refused(tmp_path):
    np.savez(tmp_path / "model.npz", **google_arrays(make()))
    assert load_pretrained(tmp_path / "model.npz", heads=2).config.heads == 2
    with pytest.raises(ValueError, match=r"model\.npz: heads is 3, but the file tells 2: leave it out"):
        load_pretrained(tmp_path / "model.npz", heads=3)
