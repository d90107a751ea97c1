"""Files of Deformable DETRs: what names, shapes and the JSON beside them tell, the way back, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minivit import export, load_pretrained
from minivit.family import DeformableDETR, DeformableDETRConfig, ResNetConfig
from minivit.weights import deformable_detr as files
from minivit.weights import read_weights
from minivit.weights.safetensors import write_safetensors

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
HUGGING_FACE = {kind: FIXTURES / f"deformable_hf{kind}" for kind in ("", "_single", "_refine", "_two_stage")}
AUTHORS = {kind: FIXTURES / f"deformable_original{kind}.safetensors" for kind in ("", "_two_stage")}
UNTOLD = {AUTHORS[""]: {"heads": 4}, AUTHORS["_two_stage"]: {"heads": 2, "queries": 8}}
PATHS = [*HUGGING_FACE.values(), *AUTHORS.values()]
RESNET = ResNetConfig(stem_width=8, depths=(1,) * 4, widths=(8, 8, 12, 12), inner=(2, 2, 3, 3))
CONFIG = DeformableDETRConfig(
    classes=5, backbone=RESNET, queries=6, width=32, heads=4, mlp_width=24, encoder_depth=1, decoder_depth=2, points=2,
    short_side=800, long_side=1333, image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225),
)  # fmt: skip


def tensors_of(path):
    return read_weights(path / "model.safetensors" if path.is_dir() else path)


def load(path, **options):
    return files.load(path, **UNTOLD.get(path, {}) | options)


def rewrite(path, source, change):
    """A file's tensors, changed, in another file."""
    tensors = {name: tensor.read() for name, tensor in tensors_of(source).items()}
    change(tensors)
    write_safetensors(path, tensors)
    return path


def assert_same(a, b):
    assert list(a.numpy_arrays()) == list(b.numpy_arrays())
    for name, array in a.numpy_arrays().items():
        assert b.numpy_arrays()[name].tobytes() == array.tobytes(), name


def test_the_file_tells_the_configuration():
    assert load(AUTHORS[""]).config == CONFIG
    theirs = dict(attention_dropout=0.0, cost_weights=(1, 5, 2), loss_weights=(1, 5, 2), proposal_loss="Hugging Face")
    assert load(HUGGING_FACE[""]).config == replace(CONFIG, **theirs)
    single, refined, two = (load(HUGGING_FACE[kind]).config for kind in ("_single", "_refine", "_two_stage"))
    assert (single.levels, single.stages, single.map_widths, single.points, single.refine) == (1, (4,), (6,), 2, False)
    assert (refined.levels, refined.stages, refined.map_widths) == (3, (2, 3, 4), (5, 6, 7))
    assert (refined.refine, refined.two_stage, two.refine, two.two_stage) == (True, False, True, True)
    assert (two.queries, two.heads, two.points, two.extra_levels) == (8, 2, 2, 0)
    assert load(AUTHORS["_two_stage"]).config.two_stage


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("source", files.SOURCES)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_is_exported_is_read_again_to_the_same_bits(path, source, dtype, tmp_path):
    model, file = load(path, dtype=dtype), tmp_path / "m.safetensors"
    export(model, file, source)
    again = load_pretrained(file, dtype=dtype)
    assert type(again) is DeformableDETR and again.config == model.config and again.dtype == dtype
    assert_same(model, again)
    if path.is_dir() and source == "Hugging Face, its own ResNet":
        shapes = [{name: tensor.shape for name, tensor in tensors_of(some).items()} for some in (path, file)]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize("kind", HUGGING_FACE)
def test_the_authors_have_a_head_as_often_as_it_is_used(kind, tmp_path):
    """As their state_dict does: of all layers, and again where the decoder itself uses it."""
    model = load(HUGGING_FACE[kind])
    export(model, tmp_path / "m.safetensors", "authors")
    tensors = {name: tensor.read() for name, tensor in tensors_of(tmp_path / "m.safetensors").items()}
    count = 3 if kind == "_two_stage" else 2
    for part, inside in (("class_embed.{}.bias", count == 3), ("bbox_embed.{}.layers.2.bias", model.config.refine)):
        for i in range(count):
            ours = model.params[part.format(i if model.config.refine else 0)]
            places = [before + part.format(i) for before in ("", *["transformer.decoder."] * inside)]
            for place in places:
                assert place in tensors
                np.testing.assert_array_equal(tensors.pop(place), ours)
    assert not any(name.endswith(("class_embed.0.bias", "layers.2.bias")) for name in tensors)


def test_copies_may_be_there_or_not(tmp_path):
    """Hugging Face's published files have a head in several places, too."""
    stored = load(HUGGING_FACE["_refine"])

    def copy(tensors):
        for name in [name for name in tensors if name.startswith("model.decoder.bbox_embed.")]:
            tensors[name.removeprefix("model.decoder.")] = tensors[name]

    folder = shutil.copytree(HUGGING_FACE["_refine"], tmp_path / "copied")
    rewrite(folder / "model.safetensors", HUGGING_FACE["_refine"], copy)
    assert_same(load(folder), stored)


@pytest.mark.parametrize("kind", ["_refine", "_two_stage"])
def test_heads_may_be_tied_to_the_first(kind, tmp_path):
    """Hugging Face 5.24 has one head of classes for all layers, and stores it once; where only some lack, all is not
    well."""
    first = "model.decoder.class_embed.0." if kind == "_two_stage" else "class_embed.0."
    folder = shutil.copytree(HUGGING_FACE[kind], tmp_path / "tied")

    def without(which):
        def change(tensors):
            lost = [name for name in tensors if "class_embed." in name and which(name)]
            assert lost
            for name in lost:
                del tensors[name]

        return rewrite(folder / "model.safetensors", HUGGING_FACE[kind], change)

    without(lambda name: not name.startswith(first))
    tied, stored = load(folder).params, load(HUGGING_FACE[kind]).params
    for name, x in tied.items():
        like = f"class_embed.0.{name.split('.')[2]}" if name.startswith("class_embed.") else name
        np.testing.assert_array_equal(x, stored[like])
    without(lambda name: name.endswith("class_embed.1.bias"))
    with pytest.raises(ValueError, match=r"it lacks 1 tensors: .*class_embed\.1\.bias"):
        load(folder)


def test_an_authors_file_of_refined_boxes_says_so(tmp_path):
    stored = load(HUGGING_FACE["_refine"])
    export(stored, tmp_path / "m.safetensors", "authors")
    arrays = {name: tensor.read() for name, tensor in tensors_of(tmp_path / "m.safetensors").items()}
    write_safetensors(tmp_path / "theirs.safetensors", arrays)  # without our configuration
    again = load_pretrained(tmp_path / "theirs.safetensors", heads=4)
    assert again.config.refine and not again.config.two_stage
    assert_same(again, stored)


def test_the_json_beside_it_tells_more(tmp_path):
    folder = shutil.copytree(HUGGING_FACE[""], tmp_path / "deformable")
    config = json.loads((folder / "config.json").read_text())
    changes = dict(bbox_cost=3, giou_loss_coefficient=4, attention_dropout=0.3, dropout=0.2)
    (folder / "config.json").write_text(json.dumps(config | changes))
    config = load(folder).config
    assert (config.cost_weights, config.loss_weights) == ((1, 3, 2), (1, 5, 4))
    assert (config.attention_dropout, config.dropout) == (0.3, 0.2)


def test_another_number_of_classes_starts_as_training_does():
    stored, fresh = load(HUGGING_FACE["_two_stage"]), load(HUGGING_FACE["_two_stage"], classes=9)
    for name, x in fresh.params.items():
        if name.startswith("class_embed."):
            assert x.shape[-1] == 9 and (x == (files.RARE if x.ndim == 1 else 0)).all()
        else:
            np.testing.assert_array_equal(x, stored.params[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("transformer.level_embed"), "it lacks 1 tensors: transformer.level_embed"),
        (lambda t: t.update({"other": np.zeros(3)}), "it has 1 tensors that the model does not know: other"),
        (lambda t: t.pop("class_embed.0.bias"), "it lacks class_embed.0.bias"),
        (lambda t: [t.pop(name) for name in [*t] if name.startswith("input_proj.0")], "it lacks input_proj.0.0.weight"),
        (
            lambda t: t.update({"bbox_embed.0.layers.2.bias": np.zeros(5)}),
            r"bbox_embed.0.layers.2.bias has shape \(5,\), expected \(4,\)",
        ),
        (
            lambda t: t.update({files.OFFSETS: np.zeros(63)}),
            "63 offsets do not fit 4 heads and 4 maps: give heads=",
        ),
    ],
)
def test_a_damaged_file_is_told(change, message, tmp_path):
    with pytest.raises(ValueError, match=message) as refusal:
        load_pretrained(rewrite(tmp_path / "m.safetensors", AUTHORS[""], change), heads=4)
    assert "m.safetensors" in str(refusal.value)


def test_heads_must_be_given_where_nothing_tells_them():
    with pytest.raises(ValueError, match="nothing tells the number of heads of a model 32 wide: give heads="):
        files.load(AUTHORS[""])


def test_convolutions_for_digits_have_no_published_names(tmp_path):
    model = DeformableDETR.from_name("Deformable-DETR-digits")
    for source in files.SOURCES:
        with pytest.raises(ValueError, match=f"the backbone is 'tiny', which {source} has no names for"):
            export(model, tmp_path / "m.safetensors", source)
