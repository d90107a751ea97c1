"""Files of PVTs: what names and shapes tell, what stands beside them, what is written back, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minivit import export, family
from minivit.family import PVT, PVTConfig
from minivit.weights import read_weights
from minivit.weights.layout import unfill
from minivit.weights.pvt import load as load_pvt
from minivit.weights.pvt import recognise
from minivit.weights.pvt_names import Names, layout
from minivit.weights.safetensors import write_safetensors

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
ORIGINAL, TIMM = FIXTURES / "pvt_original.safetensors", FIXTURES / "pvt2_timm.safetensors"
HF1, HF2, LINEAR = FIXTURES / "pvt_hf", FIXTURES / "pvt2_hf", FIXTURES / "pvt2_linear_timm.safetensors"
HEADS = {ORIGINAL: (1, 2, 4, 3), TIMM: (1, 2, 4, 3), LINEAR: (2, 3), HF1: (1, 2, 4, 3), HF2: (1, 2, 3)}
SOURCES = {ORIGINAL: "authors", TIMM: "timm", LINEAR: "timm", HF1: "Hugging Face", HF2: "Hugging Face"}


def load(path, **options):
    size = {TIMM: {"image_size": (40, 24)}, LINEAR: {"image_size": 32}}.get(path, {})
    return load_pvt(path, **{"heads": HEADS[path]} | size | options)


def weights_in(path):
    return path / "model.safetensors" if path.is_dir() else path


def rewrite(source, path, change):
    """The file's tensors, changed, in another file."""
    tensors = {name: tensor.read() for name, tensor in read_weights(weights_in(source)).items()}
    change(tensors)
    write_safetensors(path, tensors)
    return path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (ORIGINAL, dict(version=1, image_size=32, patch_sizes=(4, 2, 2, 2), reductions=(4, 2, 1, 1), norm_eps=1e-6,
                        embed_eps=1e-5, crop=0.875, widths=(8, 12, 12, 18), mlp_ratios=(2, 2, 2, 2))),
        (HF1, dict(version=1, image_size=32, patch_sizes=(4, 2, 2, 2), embed_eps=1e-6, depths=(2, 1, 1, 1),
                   squeeze=True, mlp_ratios=(4, 4, 2, 2), channels=2)),
        (TIMM, dict(version=2, strides=(4, 2, 2, 2), patch_sizes=(7, 3, 3, 3), embed_eps=1e-5, linear=False,
                    channels=2)),
        (LINEAR, dict(linear=True, reductions=(1, 1), depths=(1, 1), mlp_ratios=(4, 2))),
        (HF2, dict(version=2, image_size=28, strides=(4, 2, 2), depths=(1, 2, 1), embed_eps=1e-6, norm_eps=1e-6)),
    ],
    ids=["authors", "huggingface", "timm", "timm, linear", "huggingface, version 2"],
)  # fmt: skip
def test_the_file_tells_the_configuration(path, expected):
    config = load(path).config
    assert config == PVTConfig(**config.to_dict() | expected)
    assert family.loader("PVT") is load_pvt


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_what_is_exported_is_read_again_to_the_same_bits(path, tmp_path):
    """In every source's names that there are, under the names of which it was read, and with nothing told beside it."""
    model = load(path)
    theirs = {name: tensor.read() for name, tensor in read_weights(weights_in(path)).items()}
    sources = ("authors", "Hugging Face") + (("timm",) if model.config.version == 2 else ())
    assert SOURCES[path] in sources
    for source in sources:
        export(model, tmp_path / "pvt.safetensors", source)
        again = load_pvt(tmp_path / "pvt.safetensors")
        assert again.config == model.config
        for name, array in model.params.items():
            np.testing.assert_array_equal(again.params[name], array, strict=True)
        written = {name: tensor.read() for name, tensor in read_weights(tmp_path / "pvt.safetensors").items()}
        assert recognise(written) == source
        if source == SOURCES[path]:
            assert written.keys() == theirs.keys()
            for name, array in theirs.items():
                np.testing.assert_array_equal(written[name], array, strict=True)


def test_a_files_names_tell_whose_it_is():
    assert {path: recognise(read_weights(weights_in(path))) for path in SOURCES} == SOURCES
    assert not recognise(read_weights(FIXTURES / "swin_timm.safetensors"))
    assert not recognise(read_weights(FIXTURES / "mobilevit_timm.safetensors"))


def test_a_backbone_has_no_prefix_and_no_head(tmp_path):
    model = load(HF1)

    def strip(tensors):
        for name in list(tensors):
            array = tensors.pop(name)
            if not name.startswith("classifier"):
                tensors[name.removeprefix("pvt.")] = array

    images = np.random.default_rng(0).standard_normal((2, *model.config.image_shape))
    shutil.copy(HF1 / "config.json", tmp_path)
    rewrite(HF1, tmp_path / "model.safetensors", strip)
    np.testing.assert_array_equal(load_pvt(tmp_path)(images), model.features(images))


def test_another_number_of_classes_starts_with_a_head_of_zeros():
    stored, fresh, headless = (load(ORIGINAL, **options) for options in ({}, {"classes": 7}, {"classes": 0}))
    assert fresh.params["head.weight"].shape == (18, 7) and list(fresh.params) == list(stored.params)
    assert not any(fresh.params[f"head.{part}"].any() for part in ("weight", "bias"))
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3))
    np.testing.assert_array_equal(fresh.features(images), stored.features(images))
    np.testing.assert_array_equal(headless(images), stored.features(images))


def test_hugging_face_takes_positions_of_another_map_of_as_many_tokens_as_they_are(tmp_path):
    """Its model reshapes the table, and takes no other number of tokens; the authors' resizes it."""
    sizes = dict(image_size=(16, 4), version=1, widths=(4, 4), depths=(1, 1), heads=(1, 2), strides=(2, 2))
    sizes |= dict(patch_sizes=(2, 2), reductions=(2, 1), mlp_ratios=(1, 1), classes=2)
    model, path = PVT(PVTConfig(**sizes)), tmp_path / "pvt.safetensors"
    table = model.params["stages.0.pos_embed"]
    for source, same in (("Hugging Face", True), ("authors", False)):
        export(model, path, source)
        turned = load_pvt(path, image_size=8)
        assert [stage.grid for stage in turned.config.stages] == [(4, 4), (2, 2)]
        assert np.array_equal(turned.params["stages.0.pos_embed"], table) == same
    assert load_pvt(path, image_size=16).params["stages.1.pos_embed"].shape == (1, 17, 4)


def test_version_2_takes_any_size_and_224_by_itself():
    assert load_pvt(TIMM, heads=HEADS[TIMM]).config.image_size == (224, 224)


def test_published_widths_tell_the_heads(tmp_path):
    sizes = dict(image_size=32, reductions=(2, 2, 1, 1), mlp_ratios=(1, 1, 1, 1), depths=(1, 1, 1, 1), classes=3)
    model = PVT(PVTConfig.from_name("PVTv2-B0", **sizes))
    arrays = unfill(layout(model.config, Names("timm", 2)), model.params)
    write_safetensors(tmp_path / "b0.safetensors", arrays)
    loaded = load_pvt(tmp_path / "b0.safetensors", image_size=32)
    assert loaded.config == model.config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda config: config.update(hidden_sizes=[8, 12, 16, 20]),
            r"hidden_sizes \[8, 12, 16, 20\], the tensors have",
        ),
        (lambda config: config.update(hidden_act="relu"), "hidden_act 'relu', expected one of gelu, gelu_python"),
        (lambda config: config.update(strides=[4, 2, 2, 2], patch_sizes=[2, 2, 2, 2]), "expected the strides"),
    ],
    ids=["sizes", "activation", "strides"],
)
def test_a_config_json_of_another_model_is_refused(tmp_path, change, message):
    shutil.copytree(HF1, tmp_path / "pvt")
    config = json.loads((HF1 / "config.json").read_text())
    change(config)
    (tmp_path / "pvt" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        load_pvt(tmp_path / "pvt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("norm.bias"), "it lacks 1 tensors: norm.bias"),
        (lambda t: t.update(mean=np.zeros(3, np.float32)), "it has 1 tensors that the model does not know: mean"),
        (lambda t: t.update({"norm.bias": np.zeros(17, np.float32)}), r"norm.bias has shape \(17,\), expected \(18,\)"),
        (lambda t: t.pop("pos_embed1"), "its names are those of no known model"),
        (lambda t: t.update(pos_embed1=np.zeros((1, 60, 8), np.float32)), "its 60 positions are no square grid"),
    ],
    ids=["missing", "unknown", "shape", "no positions", "positions"],
)  # fmt: skip
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, change, message):
    path = rewrite(ORIGINAL, tmp_path / "pvt.safetensors", change)
    with pytest.raises(ValueError, match=message) as refusal:
        load_pvt(path, heads=HEADS[ORIGINAL])
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        (ORIGINAL, {}, ValueError, r"nothing tells the heads of stages \(8, 12, 12, 18\) wide: give heads="),
        (ORIGINAL, dict(heads=(1, 2, 4, 4)), ValueError, "stage 3 is 18 wide, which is not a multiple of its 4 heads"),
        (ORIGINAL, dict(heads=(1, 2, 4, 3), colour="red"), TypeError, "colour"),
        (TIMM, dict(heads=(1, 2, 4, 3), dtype=np.float16), ValueError, "dtype is float16, expected float32 or float64"),
        (FIXTURES / "none.safetensors", {}, FileNotFoundError, "does not exist"),
        (FIXTURES / "swin_timm.safetensors", {}, ValueError, r"its names are those of a Swin \(timm\), expected a PVT"),
    ],
    ids=["heads", "other heads", "option", "dtype", "no file", "a Swin"],
)
def test_what_does_not_fit_is_refused(path, options, error, message):
    with pytest.raises(error, match=message):
        load_pvt(path, **options)


def test_what_cannot_be_exported_is_refused(tmp_path):
    with pytest.raises(ValueError, match="source is 'timm', expected one of 'authors', 'Hugging Face' for version 1"):
        export(load(ORIGINAL), tmp_path / "pvt.safetensors", "timm")
    with pytest.raises(ValueError, match=r"pvt\.npz is to be a \.safetensors file"):
        export(load(ORIGINAL), tmp_path / "pvt.npz", "authors")
