"""What load_pretrained finds out, what one can ask of it, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
from google_files import google_arrays
from onnx_files import dinov2_onnx

from minivit import ViT, ViTConfig, export_timm, load_pretrained
from minivit.data.preprocess import resized_size
from minivit.ops import resize_positions_forward
from minivit.weights import onnx, read_weights, safetensors
from minivit.weights.safetensors import write_safetensors

SMALL = dict(image_size=16, patch_size=4, classes=5, width=12, depth=2, heads=2, mlp_ratio=2)
MODEL = ViT(ViTConfig(**SMALL), seed=3)


@pytest.fixture
def path(tmp_path):
    """timm's names, without the configuration that our own export adds."""
    export_timm(MODEL, tmp_path / "exported.safetensors")
    arrays = {name: tensor.read() for name, tensor in read_weights(tmp_path / "exported.safetensors").items()}
    write_safetensors(tmp_path / "model.safetensors", arrays)
    (tmp_path / "exported.safetensors").unlink()
    return tmp_path / "model.safetensors"


def rewrite(path, **changes):
    """The same file with tensors replaced or, where the new value is None, taken away."""
    arrays = {name: tensor.read() for name, tensor in read_weights(path).items()} | changes
    write_safetensors(path, {name: array for name, array in arrays.items() if array is not None})


def test_the_model_computes_what_it_computed(path):
    images = np.random.default_rng(0).standard_normal((2, 16, 16, 3))
    np.testing.assert_array_equal(load_pretrained(path, heads=2)(images), MODEL(images))


def test_heads_that_nothing_tells_are_asked_for(path):
    with pytest.raises(ValueError, match=r"model\.safetensors: nothing tells .* 2 blocks of width 12: give heads="):
        load_pretrained(path)


@pytest.mark.parametrize(("width", "depth", "heads"), [(192, 12, 3), (384, 12, 6)])
def test_heads_of_published_sizes(tmp_path, width, depth, heads):
    config = ViTConfig(image_size=8, patch_size=4, width=width, depth=depth, heads=heads, classes=2, mlp_ratio=0.1)
    export_timm(ViT(config), tmp_path / "a.safetensors")
    arrays = {name: tensor.read() for name, tensor in read_weights(tmp_path / "a.safetensors").items()}
    write_safetensors(tmp_path / "b.safetensors", arrays)
    assert load_pretrained(tmp_path / "b.safetensors").config.heads == heads
    assert load_pretrained(tmp_path / "b.safetensors", heads=heads).config.heads == heads
    with pytest.warns(UserWarning, match=f"heads=1 is taken, but published .* 12 blocks of width {width} have {heads}"):
        assert load_pretrained(tmp_path / "b.safetensors", heads=1).config.heads == 1
    with pytest.raises(ValueError, match=rf"a\.safetensors: heads is 1, but the file tells {heads}: leave it out"):
        load_pretrained(tmp_path / "a.safetensors", heads=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks.1.norm2.bias": None}, "lacks 1 tensors: blocks.1.norm2.bias"),
        ({"patch_embed.proj.weight": None}, "lacks patch_embed.proj.weight"),
        ({"pos_embed": None}, "lacks pos_embed"),
        ({"norm_pre.weight": np.zeros(12)}, "has 1 tensors that the model does not know: norm_pre.weight"),
        ({"head.bias": np.zeros(6, np.float32)}, r"head.bias has shape \(6,\), expected \(5,\)"),
        ({"head.weight": np.zeros((5, 13))}, r"head.weight has shape \(5, 13\), expected \(5, 12\)"),
        ({"blocks.0.attn.qkv.weight": np.zeros((35, 12))}, r"qkv.weight has shape \(35, 12\), expected \(36, 12\)"),
        ({"blocks.0.mlp.fc1.weight": np.zeros(24)}, r"fc1.weight has shape \(24,\), expected 2 axes"),
        ({"norm.bias": np.zeros(12, np.int32)}, "norm.bias holds int32, expected one of float16"),
        ({"pos_embed": np.zeros((1, 8, 12))}, r"its 8 positions are no square grid: give image_size=\(height, width\)"),
    ],
    ids=str,
)
def test_a_tensor_that_does_not_fit_is_named(path, changes, message):
    rewrite(path, **changes)
    with pytest.raises(ValueError, match=message) as refusal:
        load_pretrained(path, heads=2)
    assert str(path) in str(refusal.value)


def test_names_of_nobody(tmp_path):
    write_safetensors(tmp_path / "resnet.safetensors", {"layer1.0.conv1.weight": np.zeros(3)})
    with pytest.raises(ValueError, match=r"names are those of no known model .* it has layer1\.0\.conv1\.weight"):
        load_pretrained(tmp_path / "resnet.safetensors")


def test_another_number_of_classes_starts_from_a_head_of_zeros(path):
    model = load_pretrained(path, heads=2, classes=7)
    assert model.params["head.weight"].shape == (12, 7)
    assert not model.params["head.weight"].any() and not model.params["head.bias"].any()
    np.testing.assert_array_equal(model.params["norm.weight"], MODEL.params["norm.weight"])
    same = load_pretrained(path, heads=2, classes=5)
    np.testing.assert_array_equal(same.params["head.weight"], MODEL.params["head.weight"])


def test_no_classes_no_head(path):
    images = np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype(np.float32)
    model = load_pretrained(path, heads=2, classes=0)
    assert "head.weight" not in model.params
    np.testing.assert_array_equal(model(images), MODEL.features(images))
    rewrite(path, **{"head.weight": None, "head.bias": None})
    assert load_pretrained(path, heads=2).config.classes == 0
    assert load_pretrained(path, heads=2, classes=3).params["head.weight"].shape == (12, 3)


def test_the_layer_before_the_head_can_be_dropped(tmp_path):
    model = ViT(ViTConfig(**SMALL, representation_size=12, gelu="tanh"))
    np.savez(tmp_path / "model.npz", **google_arrays(model))
    kept = load_pretrained(tmp_path / "model.npz", classes=3)
    np.testing.assert_array_equal(kept.params["pre_logits.fc.weight"], model.params["pre_logits.fc.weight"])
    dropped = load_pretrained(tmp_path / "model.npz", representation_size=None)
    assert dropped.config.representation_size is None
    assert not dropped.params["head.weight"].any()  # it was made for what is gone
    with pytest.raises(ValueError, match="representation_size is 9, expected 12, or None"):
        load_pretrained(tmp_path / "model.npz", representation_size=9)


@pytest.mark.parametrize("rule", ["bicubic_antialias", "bilinear"])
def test_another_resolution_resizes_the_positions_by_the_sources_rule(path, rule):
    changes = {} if rule == "bicubic_antialias" else {"position_resize": rule}
    model = load_pretrained(path, heads=2, image_size=(24, 12), **changes)
    assert model.config.image_size == (24, 12)
    expected, _ = resize_positions_forward(MODEL.params["pos_embed"], (4, 4), (6, 3), 1, rule)
    np.testing.assert_array_equal(model.params["pos_embed"], expected)


def test_the_sources_conventions_can_be_overruled(path):
    config = load_pretrained(path, heads=2, norm_eps=1e-3, gelu="tanh", image_mean=0.1, dropout=0.2).config
    assert (config.norm_eps, config.gelu, config.image_mean, config.dropout) == (1e-3, "tanh", 0.1, 0.2)
    with pytest.raises(TypeError, match=r"^colour is no option of load_pretrained, nor of ViTConfig"):
        load_pretrained(path, heads=2, colour="red")
    with pytest.raises(TypeError, match=r"^img_size is no option .*: did you mean image_size\?$"):
        load_pretrained(path, heads=2, img_size=24)


def test_float64(path):
    model = load_pretrained(path, heads=2, dtype=np.float64)
    assert model.dtype == np.float64
    with pytest.raises(ValueError, match="dtype is float16, expected float32 or float64"):
        load_pretrained(path, heads=2, dtype=np.float16)


def test_timms_config_beside_the_file(path):
    told = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": "bilinear", "crop_pct": 1.0}
    path.with_name("config.json").write_text(json.dumps({"architecture": "a", "pretrained_cfg": told}))
    config = load_pretrained(path, heads=2).config
    assert config.image_mean == (0.485, 0.456, 0.406) and config.image_std == (0.229, 0.224, 0.225)
    assert (config.resize_filter, config.crop) == ("bilinear", 1.0)


@pytest.fixture
def hugging_face(tmp_path, request):
    folder = tmp_path / "hf"
    shutil.copytree(request.path.parents[1] / "fixtures" / "weights" / "hf_vit_tanh", folder)
    return folder


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_a_folder_and_its_file_are_the_same(hugging_face):
    config = load_pretrained(hugging_face).config
    assert config == load_pretrained(hugging_face / "model.safetensors").config
    assert (config.heads, config.norm_eps, config.gelu, config.resize_filter) == (3, 1e-3, "tanh", "bilinear")


def test_without_its_config_a_file_has_the_defaults_of_its_source(hugging_face):
    (hugging_face / "config.json").unlink()
    with pytest.raises(ValueError, match="give heads="):
        load_pretrained(hugging_face)
    config = load_pretrained(hugging_face, heads=3).config
    assert (config.norm_eps, config.gelu) == (1e-12, "erf")


def test_the_preprocessors_config_tells_size_crop_and_normalisation(hugging_face):
    told = {
        "size": {"shortest_edge": 64}, "crop_size": {"height": 48, "width": 48}, "resample": 3,
        "image_mean": [0.1, 0.2], "image_std": [0.3, 0.4],
    }  # fmt: skip
    (hugging_face / "preprocessor_config.json").write_text(json.dumps(told))
    config = load_pretrained(hugging_face).config
    assert (config.image_size, config.crop, config.resize_filter) == ((48, 48), 0.75, "bicubic")
    assert (config.image_mean, config.image_std) == ((0.1, 0.2), (0.3, 0.4))
    assert load_pretrained(hugging_face, image_size=24).config.image_size == (24, 24)
    (hugging_face / "preprocessor_config.json").write_text(json.dumps(told | {"do_normalize": False}))
    config = load_pretrained(hugging_face).config
    assert (config.image_mean, config.image_std) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 32}, "config.json has hidden_size 32, the tensors have 24"),
        ({"hidden_act": "relu"}, "config.json has hidden_act 'relu', expected one of gelu"),
        ({"num_attention_heads": 5}, "width 24 is not a multiple of heads 5"),
        ({"num_attention_heads": "many"}, "heads is 'many'"),
        ({"layer_norm_eps": -1}, "norm_eps is -1, expected a positive number"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(hugging_face, changes, message):
    edit(hugging_face, **changes)
    with pytest.raises((TypeError, ValueError), match=message):
        load_pretrained(hugging_face)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, '{"hidden_size": 1' + "0" * 5000 + "}"])
def test_a_damaged_config_is_refused(hugging_face, text):
    (hugging_face / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        load_pretrained(hugging_face)


def test_dinov2s_classifier_can_be_left_out_or_replaced(request):
    folder = request.path.parents[1] / "fixtures" / "weights" / "hf_dinov2_classifier"
    assert load_pretrained(folder).params["head.weight"].shape == (48, 5)
    model = load_pretrained(folder, classes=0)
    image = np.random.default_rng(0).standard_normal((1, 24, 24, 2)).astype(np.float32)
    features, tokens = model(image), model.tokens(image)
    np.testing.assert_allclose(features[:, :24], tokens[:, 0], atol=1e-6)
    np.testing.assert_allclose(features[:, 24:], tokens[:, 1:].mean(axis=1), atol=1e-5)
    assert not load_pretrained(folder, classes=3).params["head.weight"].any()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ({"shortest_edge": 64}, (False, 0.75)),
        ({"height": 64, "width": 64}, (True, 0.75)),
        (64, (True, 0.75)),
        (None, (True, 1.0)),
    ],
)
def test_the_preprocessor_tells_how_a_picture_becomes_a_square(hugging_face, size, expected):
    told = {"crop_size": 48, "resample": 2, "image_mean": [0, 0]} | ({"size": size} if size else {})
    (hugging_face / "preprocessor_config.json").write_text(json.dumps(told))
    config = load_pretrained(hugging_face, image_size=24).config
    assert (config.squeeze, config.crop) == expected


def test_the_size_before_the_crop_is_the_preprocessors_own(hugging_face):
    for resized in (56, 59, 118, 187):  # of which some come out one pixel less by floor(cut / (cut / resized))
        told = {"size": {"height": resized, "width": resized}, "crop_size": 48, "image_mean": [0, 0]}
        (hugging_face / "preprocessor_config.json").write_text(json.dumps(told))
        config = load_pretrained(hugging_face).config
        assert resized_size((100, 90), config.image_size, config.crop, config.squeeze) == (resized, resized)


def test_who_squeezes(path, request, tmp_path):
    fixtures = request.path.parents[1] / "fixtures"
    rules = {}
    for name in ("hf_deit_distilled", "hf_dinov2", "hf_vit_features", "torchvision_representation.safetensors"):
        config = load_pretrained(fixtures / "weights" / name, heads=3).config
        rules[name.partition(".")[0]] = config.squeeze, config.crop, config.resize_filter
    assert rules == {
        "hf_deit_distilled": (True, 0.875, "bicubic"),
        "hf_dinov2": (False, 0.875, "bicubic"),
        "hf_vit_features": (True, 1.0, "bilinear"),
        "torchvision_representation": (False, 0.875, "bilinear"),
    }
    assert load_pretrained(path, heads=2).config.squeeze is False
    told = {"pretrained_cfg": {"crop_mode": "squash", "crop_pct": 0.95}}
    path.with_name("config.json").write_text(json.dumps(told))
    config = load_pretrained(path, heads=2).config
    assert (config.squeeze, config.crop) == (True, 0.95)


def test_files_that_are_not_read(tmp_path):
    for name, message in (("model.bin", "pickle, which could run code"), ("model.txt", "ends in '.txt', expected one")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ValueError, match=message):
            load_pretrained(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="holds no file of weights"):
        load_pretrained(tmp_path)
    for suffix in ("npz", "safetensors", "onnx"):
        with pytest.raises(FileNotFoundError, match="missing"):
            load_pretrained(tmp_path / f"missing.{suffix}")
        (tmp_path / f"a.{suffix}").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"holds 3 files of weights, choose one: a\.npz"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_the_header_is_read_once(path, tmp_path, request, monkeypatch, suffix):
    calls = []
    if suffix == "onnx":
        folder = request.path.parents[1] / "fixtures" / "weights" / "hf_dinov2"
        arrays = {name: tensor.read() for name, tensor in read_weights(folder / "model.safetensors").items()}
        path, reader, function = tmp_path / "x.onnx", onnx, "_read_graph"
        path.write_bytes(dinov2_onnx(arrays, (24, 24)))
    else:
        reader, function = safetensors, "_read_header"
    once = getattr(reader, function)
    monkeypatch.setattr(reader, function, lambda *args: calls.append(1) or once(*args))
    load_pretrained(path, heads=3 if suffix == "onnx" else 2)
    assert len(calls) == 1
