"""Files of ResNets and BiTs: what names, shapes and the JSON beside them tell, the way back, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minivit import export
from minivit.family import BiT, BiTConfig, ResNet, ResNetConfig, loader
from minivit.proof import FAMILY, order_one_parameters
from minivit.weights import bit, read_weights, resnet
from minivit.weights.bit import load as load_bit
from minivit.weights.resnet import load as load_resnet
from minivit.weights.safetensors import write_safetensors

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
TORCHVISION, BASIC = FIXTURES / "resnet_torchvision.safetensors", FIXTURES / "resnet_torchvision_basic.safetensors"
TIMM, GOOGLE = FIXTURES / "bit_timm.safetensors", FIXTURES / "bit_google_weights.npz"
IMAGENET = dict(image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225))
RESNETS = [TORCHVISION, BASIC, FIXTURES / "resnet_hf", FIXTURES / "resnet_torchvision_train.safetensors"]
BITS = [TIMM, GOOGLE, FIXTURES / "bit_hf"]

OWN = {  # which source wrote which file
    (TORCHVISION.name, "torchvision"), (TORCHVISION.name, "timm"), ("resnet_hf", "Hugging Face"),
    ("bit_hf", "Hugging Face"), (TIMM.name, "timm"), (GOOGLE.name, "Google"),
}  # fmt: skip


def load(path, **options):
    """BiT's fixtures have 8 groups, which only Hugging Face's file says."""
    return load_resnet(path, **options) if path in RESNETS else load_bit(path, **{"groups": 8} | options)


def rewrite(path, source, change):
    """A file's tensors, changed, in another file."""
    tensors = {name: tensor.read() for name, tensor in read_weights(source).items() if tensor.dtype != "int64"}
    change(tensors)
    write_safetensors(path, tensors)
    return path


@pytest.mark.parametrize(
    ("path", "config"),
    [
        (
            TORCHVISION,
            ResNetConfig(
                classes=5, stem_width=8, depths=(2, 1, 1, 1), widths=(16, 32, 32, 48), inner=(4, 8, 8, 12), **IMAGENET
            ),
        ),
        (
            BASIC,
            ResNetConfig(channels=1, classes=10, stem_width=8, depths=(1, 1, 1, 1), widths=(8, 8, 12, 16), inner=None),
        ),
        (
            FIXTURES / "resnet_hf",
            ResNetConfig(channels=2, classes=5, stem_width=8, depths=(1, 2, 1), widths=(16, 32, 48), inner=(4, 8, 12)),
        ),
        (
            TIMM,
            BiTConfig(
                channels=2, classes=5, stem_width=16, depths=(2, 1, 1), widths=(32, 32, 48), inner=(8, 8, 16), groups=8
            ),
        ),
        (
            GOOGLE,
            BiTConfig(classes=5, stem_width=8, depths=(1,) * 4, widths=(32, 32, 32, 48), inner=(8, 8, 8, 16), groups=8),
        ),
        (
            FIXTURES / "bit_hf",
            BiTConfig(
                channels=1, classes=10, stem_width=16, depths=(1,) * 3, widths=(32, 32, 48), inner=(8, 8, 16), groups=8
            ),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_the_file_tells_the_configuration(path, config):
    assert load(path).config == config


@pytest.mark.parametrize("path", [*RESNETS, *BITS], ids=lambda path: path.name)
def test_the_names_tell_whose_it_is(path):
    tensors = read_weights(path / "model.safetensors" if path.is_dir() else path)
    told = [module.recognise(tensors) for module in (resnet, bit)]
    source = "Hugging Face" if path.is_dir() else {TIMM: "timm", GOOGLE: "Google"}.get(path, "torchvision")
    assert told == [source, None] if path in RESNETS else told == [None, source]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("path", "source"),
    [(path, source) for path in RESNETS for source in resnet.SOURCES]
    + [(path, source) for path in BITS for source in bit.SOURCES],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_what_is_exported_is_read_again_to_the_same_bits(path, source, dtype, tmp_path):
    """Every parameter and running statistic; and the tensors have the names of a file that the source itself wrote."""
    model = load(path, dtype=dtype, image_size=40)
    file = tmp_path / ("model.npz" if source == "Google" else "model.safetensors")
    export(model, file, source)
    told = {"image_size": 40, "groups": 8} if source == "Google" else {}
    again = loader(type(model).__name__)(file, dtype=dtype, **told)
    assert type(again) is type(model) and again.dtype == dtype
    if source != "Google":  # whose files hold nothing but tensors: pixels are then the source's own
        assert again.config == model.config
    for before, after in ((model.params, again.params), (model.buffers, again.buffers)):
        assert list(before) == list(after)
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    if (path.name, source) in OWN:
        theirs = read_weights(path / "model.safetensors" if path.is_dir() else path)
        shapes = {name: tensor.shape for name, tensor in theirs.items() if not name.endswith("num_batches_tracked")}
        assert {name: tensor.shape for name, tensor in read_weights(file).items()} == shapes


@pytest.mark.parametrize("name", ["ResNet", "ResNet, the paper's strides", "ResNet, no shortcuts, no head", "BiT"])
def test_an_exported_file_tells_what_no_tensor_does(name, tmp_path):
    kind, config = FAMILY[name]
    config = replace(config, image_mean=(0.1, 0.2), image_std=0.7, crop=0.5)
    model = kind(config, params=order_one_parameters(config, kind=kind))
    export(model, tmp_path / "model.safetensors")
    again = loader(kind.__name__)(tmp_path / "model.safetensors", dtype=np.float64)
    assert again.config == config
    images = np.random.default_rng(0).standard_normal((2, *config.image_shape))
    np.testing.assert_array_equal(again(images), model(images))


def test_timms_json_tells_more(tmp_path):
    shutil.copy(TIMM, tmp_path / "model.safetensors")
    told = {"input_size": [2, 48, 40], "mean": [0.1, 0.2], "std": [0.3, 0.4], "crop_pct": 0.8}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": told}))
    config = load_bit(tmp_path, groups=8).config
    assert (config.image_size, config.crop, config.image_mean, config.image_std) == (
        (48, 40),
        0.8,
        (0.1, 0.2),
        (0.3, 0.4),
    )


def hugging_face(tmp_path, name, **changes):
    """A copy of a fixture with another config.json, and a preprocessor_config.json."""
    shutil.copytree(FIXTURES / name, tmp_path / name)
    config = json.loads((FIXTURES / name / "config.json").read_text())
    (tmp_path / name / "config.json").write_text(json.dumps(config | changes))
    pixels = {"image_mean": [0.1, 0.2], "image_std": [0.3, 0.4], "size": {"shortest_edge": 48}, "crop_pct": 0.75}
    if name == "resnet_hf":
        (tmp_path / name / "preprocessor_config.json").write_text(json.dumps(pixels))
    return tmp_path / name


def test_hugging_faces_json_tells_more(tmp_path):
    strides = dict(downsample_in_bottleneck=True, downsample_in_first_stage=True)
    config = load_resnet(hugging_face(tmp_path, "resnet_hf", **strides)).config
    assert config.stride_first and config.halve_first and config.crop == 0.75
    assert (config.image_size, config.image_mean) == ((48, 48), (0.1, 0.2))


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("resnet_hf", dict(hidden_act="gelu"), "config.json has hidden_act 'gelu', expected 'relu'"),
        ("resnet_hf", dict(hidden_sizes=[16, 32, 64]), r"hidden_sizes \[16, 32, 64\], the tensors have \(16, 32, 48\)"),
        ("bit_hf", dict(layer_type="bottleneck"), "has layer_type 'bottleneck', expected 'preactivation'"),
        ("bit_hf", dict(global_padding="SAME"), "config.json has global_padding 'SAME', expected None"),
        ("bit_hf", dict(num_groups=3), "16 numbers a place are no multiple of the 3 groups"),
    ],
)
def test_what_hugging_face_has_and_we_have_not_is_refused(name, changes, message, tmp_path):
    folder = hugging_face(tmp_path, name, **changes)
    with pytest.raises(ValueError, match=message) as refusal:
        loader("ResNet" if name == "resnet_hf" else "BiT")(folder)
    assert str(folder) in str(refusal.value)


@pytest.mark.parametrize("path", [TORCHVISION, FIXTURES / "resnet_hf", TIMM, GOOGLE], ids=lambda path: path.name)
def test_another_number_of_classes_starts_with_a_head_of_zeros(path):
    stored, fresh, headless = (load(path, image_size=32, **options) for options in ({}, {"classes": 7}, {"classes": 0}))
    images = np.random.default_rng(0).standard_normal((2, *stored.config.image_shape))
    assert fresh(images).shape == (2, 7) and not fresh(images).any()
    np.testing.assert_array_equal(fresh.features(images), stored.features(images))
    np.testing.assert_array_equal(headless(images), stored.features(images))


def test_a_file_without_a_head_is_a_backbone(tmp_path):
    backbone = rewrite(tmp_path / "m.safetensors", TORCHVISION, lambda t: [t.pop("fc.weight"), t.pop("fc.bias")])
    assert load_resnet(backbone).config.classes == 0
    bare = tmp_path / "bare.safetensors"
    tensors = {
        name.removeprefix("bit."): t.read() for name, t in read_weights(FIXTURES / "bit_hf/model.safetensors").items()
    }
    write_safetensors(bare, {name: array for name, array in tensors.items() if not name.startswith("classifier")})
    assert load_bit(bare, groups=8).config.classes == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("layer2.0.bn2.running_var"), "it lacks 1 tensors: layer2.0.bn2.running_var"),
        (lambda t: t.update(mean=np.zeros(3, np.float32)), "it has 1 tensors that the model does not know: mean"),
        (lambda t: t.update({"bn1.bias": np.zeros(9, np.float32)}), r"bn1.bias has shape \(9,\), expected \(8,\)"),
        (
            lambda t: t.update({"conv1.weight": np.zeros((8, 3), np.float32)}),
            r"conv1.weight has shape \(8, 3\), exp",
        ),
        (lambda t: t.pop("conv1.weight"), "its names are those of no known model"),
    ],
    ids=["missing", "unknown", "shape", "axes", "another's"],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, change, message):
    path = rewrite(tmp_path / "resnet.safetensors", TORCHVISION, change)
    with pytest.raises(ValueError, match=message) as refusal:
        load_resnet(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: load_resnet(TORCHVISION, colour="red"), TypeError, "colour"),
        (
            lambda: load_resnet(TORCHVISION, dtype=np.float16),
            ValueError,
            "dtype is float16, expected float32",
        ),
        (lambda: load_resnet(TIMM), ValueError, r"its names are those of a BiT \(timm\), expected a ResNet"),
        (lambda: load_bit(TORCHVISION), ValueError, r"those of a ResNet \(torchvision\), expected a BiT"),
        (lambda: load_bit(TIMM), ValueError, "16 numbers a place are no multiple of the 32 groups of GroupNorm"),
        (lambda: load_bit(FIXTURES / "none.npz"), FileNotFoundError, "does not exist"),
        (lambda: export(load_resnet(BASIC), "m.npz"), ValueError, r"m.npz is to be a .safetensors"),
        (lambda: export(load_bit(GOOGLE, groups=8), "m.pt", "Google"), ValueError, r"m.pt is to be a .npz"),
        (
            lambda: export(load_resnet(BASIC), "m.npz", "Google"),
            ValueError,
            "source is 'Google', expected one",
        ),
        (
            lambda: export(load_bit(GOOGLE, groups=8), "m.npz", "torch"),
            ValueError,
            "source is 'torch', expected",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_model_is_loaded_by_the_familys_table():
    assert isinstance(loader("ResNet")(BASIC), ResNet) and isinstance(loader("BiT")(GOOGLE, groups=8), BiT)
