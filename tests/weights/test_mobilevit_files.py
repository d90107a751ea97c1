"""Files of MobileViTs: what names and shapes tell, what stands beside them, what is written back, what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minivit import export, family
from minivit.family import MobileViT, MobileViTConfig
from minivit.weights import read_weights
from minivit.weights.mobilevit import load as load_mobilevit
from minivit.weights.mobilevit import recognise
from minivit.weights.safetensors import write_safetensors

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
TIMM, HF = FIXTURES / "mobilevit_timm.safetensors", FIXTURES / "mobilevit_hf"
SOURCES = {TIMM: "timm", HF: "Hugging Face"}
SIZES = {TIMM: {"image_size": 32}, HF: {}}


def weights_in(path):
    return path / "model.safetensors" if path.is_dir() else path


def read_all(path):
    return {name: tensor.read() for name, tensor in read_weights(weights_in(path)).items()}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (TIMM, dict(image_size=32, channels=2, classes=5, stem_width=8, widths=(8, 16, 16), units=(1, 2, 1),
                    strides=(1, 2, 2), expansions=(2, 2, 2), token_widths=(0, 0, 16), depths=(0, 0, 2), last_width=24,
                    heads=4, mlp_ratio=2, bgr=False, image_mean=0, image_std=1)),
        (HF, dict(image_size=48, channels=1, stem_width=4, widths=(4, 8, 8, 8, 12), units=(1, 3, 1, 1, 1),
                  token_widths=(0, 0, 8, 8, 12), depths=(0, 0, 2, 4, 3), last_width=16, mlp_ratio=1.5, bgr=True,
                  image_mean=0, image_std=1)),
    ],
    ids=["timm", "huggingface"],
)  # fmt: skip
def test_the_file_tells_the_configuration(path, expected):
    config = load_mobilevit(path, **SIZES[path]).config
    assert config == MobileViTConfig(**config.to_dict() | expected)
    assert family.loader("MobileViT") is load_mobilevit


@pytest.mark.parametrize("path", SOURCES, ids=SOURCES.get)
def test_what_is_exported_is_read_again_to_the_same_bits(path, tmp_path):
    """Running statistics, too; in the names of which it was read all but the counters are as they were."""
    model = load_mobilevit(path, **SIZES[path])
    theirs = {name: array for name, array in read_all(path).items() if not name.endswith("num_batches_tracked")}
    for source in SOURCES.values():
        export(model, tmp_path / "m.safetensors", source)
        again = load_mobilevit(tmp_path / "m.safetensors")
        assert again.config == model.config
        for name, array in (model.params | model.buffers).items():
            np.testing.assert_array_equal((again.params | again.buffers)[name], array, strict=True)
        written = read_all(tmp_path / "m.safetensors")
        assert recognise(written) == source
        if source == SOURCES[path]:
            assert written.keys() == theirs.keys()
            for name, array in theirs.items():
                np.testing.assert_array_equal(written[name], array, strict=True)


def test_a_files_names_tell_whose_it_is():
    assert {path: recognise(read_weights(weights_in(path))) for path in SOURCES} == SOURCES
    assert not recognise(read_weights(FIXTURES / "pvt2_timm.safetensors"))


def test_another_number_of_classes_starts_with_a_head_of_zeros():
    stored, fresh, headless = (load_mobilevit(TIMM, image_size=32, **k) for k in ({}, {"classes": 7}, {"classes": 0}))
    assert fresh.params["head.fc.weight"].shape == (24, 7) and not fresh.params["head.fc.weight"].any()
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 2))
    np.testing.assert_array_equal(fresh.features(images), stored.features(images))
    np.testing.assert_array_equal(headless(images), stored.features(images))


def test_any_image_size_can_be_had():
    model = load_mobilevit(TIMM, image_size=(30, 46))
    assert [stage.map for stage in model.config.stages] == [(15, 23), (8, 12), (4, 6)]
    assert model(np.zeros((1, 30, 46, 2), np.float32)).shape == (1, 5)


def test_what_stands_beside_it_tells_more(tmp_path):
    shutil.copytree(HF, tmp_path / "m")
    told = {"do_flip_channel_order": False, "size": {"shortest_edge": 54}, "crop_size": {"height": 48, "width": 48}}
    (tmp_path / "m" / "preprocessor_config.json").write_text(json.dumps(told))
    config = load_mobilevit(tmp_path / "m").config
    assert (config.bgr, config.crop, config.squeeze) == (False, 48 / 54, False)


@pytest.mark.parametrize(("name", "value"), [("hidden_act", "relu"), ("output_stride", 16)])
def test_a_config_json_that_asks_for_something_else_is_refused(tmp_path, name, value):
    shutil.copytree(HF, tmp_path / "m")
    config = json.loads((HF / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {name: value}))
    with pytest.raises(ValueError, match=f"config.json has {name} {value!r}, expected"):
        load_mobilevit(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("stem.bn.running_var"), "it lacks 1 tensors: stem.bn.running_var"),
        (lambda t: t.update(mean=np.zeros(3, np.float32)), "it has 1 tensors that the model does not know: mean"),
        (
            lambda t: t.update({"stem.bn.bias": np.zeros(9, np.float32)}),
            r"stem.bn.bias has shape \(9,\), expected \(8,\)",
        ),
        (lambda t: t.pop("stem.conv.weight"), "its names are those of no known model"),
        (
            lambda t: t.update({"stages.0.0.conv1_1x1.conv.weight": np.zeros((17, 8, 1, 1), np.float32)}),
            "no ratio makes 8 channels to 17, rounded to a multiple of 8",
        ),
    ],
    ids=["missing", "unknown", "shape", "no stem", "expansion"],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, change, message):
    tensors, path = read_all(TIMM), tmp_path / "m.safetensors"
    change(tensors)
    write_safetensors(path, tensors)
    with pytest.raises(ValueError, match=message) as refusal:
        load_mobilevit(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        (TIMM, dict(heads=3), ValueError, "stage 2 has tokens 16 wide, which is not a multiple of 3 heads"),
        (TIMM, dict(colour="red"), TypeError, "colour"),
        (TIMM, dict(dtype=np.float16), ValueError, "dtype is float16, expected float32 or float64"),
        (FIXTURES / "none.safetensors", {}, FileNotFoundError, "does not exist"),
        (
            FIXTURES / "pvt2_timm.safetensors",
            {},
            ValueError,
            r"its names are those of a PVT \(timm\), expected a MobileViT",
        ),
    ],
    ids=["heads", "option", "dtype", "no file", "a PVT"],
)
def test_what_does_not_fit_is_refused(path, options, error, message):
    with pytest.raises(error, match=message):
        load_mobilevit(path, **options)


def test_what_cannot_be_exported_is_refused(tmp_path):
    sizes = dict(image_size=8, classes=2, widths=(8,), strides=(1,), expansions=(1,), token_widths=(8,), depths=(1,))
    model = MobileViT(MobileViTConfig(**sizes, units=(2,), last_width=4))
    export(model, tmp_path / "m.safetensors", "timm")
    with pytest.raises(ValueError, match="Hugging Face has no names for the 2 units of stage 0 before its tokens"):
        export(model, tmp_path / "m.safetensors", "Hugging Face")
    with pytest.raises(ValueError, match="source is 'apple', expected one of 'timm', 'Hugging Face'"):
        export(model, tmp_path / "m.safetensors", "apple")
