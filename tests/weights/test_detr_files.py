"""Files of DETRs: what names, shapes and the JSON beside them tell, the way back, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minivit import export, load_pretrained
from minivit.family import DETR, DETRConfig, ResNetConfig
from minivit.weights import detr, read_weights
from minivit.weights.safetensors import write_safetensors

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
AUTHORS, HUGGING_FACE, GRID = FIXTURES / "detr_original.safetensors", FIXTURES / "detr_hf", FIXTURES / "detr_hf_grid"
OWN = {AUTHORS: "authors", HUGGING_FACE: "Hugging Face, its own ResNet", GRID: "Hugging Face"}
COCO = dict(
    short_side=800, long_side=1333, image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225)
)  # fmt: skip
RESNET = ResNetConfig(stem_width=8, depths=(1,) * 4, widths=(8, 8, 12, 16), inner=(2, 2, 3, 4))
CONFIG = DETRConfig(
    classes=5, backbone=RESNET, queries=6, width=16, heads=4, mlp_width=24, encoder_depth=2, decoder_depth=2, **COCO
)


def tensors_of(path):
    return read_weights(path / "model.safetensors" if path.is_dir() else path)


def load(path, **options):
    return detr.load(path, **({"heads": 4} if path == AUTHORS else {}) | options)


def rewrite(path, source, change):
    """A file's tensors, changed, in another file."""
    tensors = {name: tensor.read() for name, tensor in tensors_of(source).items()}
    change(tensors)
    write_safetensors(path, tensors)
    return path


def beside(tmp_path, preprocessor=None, **changes):
    """A copy of Hugging Face's fixture with another config.json."""
    folder = shutil.copytree(HUGGING_FACE, tmp_path / "detr")
    config = json.loads((HUGGING_FACE / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    if preprocessor:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


def test_the_file_tells_the_configuration():
    assert load(AUTHORS).config == CONFIG
    assert load(HUGGING_FACE).config == replace(CONFIG, attention_dropout=0.0)
    grid = load(GRID).config
    assert (grid.backbone, grid.map_widths, grid.heads, grid.queries) == (None, (10,), 2, 7)
    assert (grid.encoder_depth, grid.decoder_depth, grid.classes) == (1, 3, 4)


def test_the_names_tell_whose_it_is():
    for path, source in OWN.items():
        assert detr.recognise(tensors_of(path)) == source


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("source", detr.SOURCES)
@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_what_is_exported_is_read_again_to_the_same_bits(path, source, dtype, tmp_path):
    """Parameters and frozen norms; and the tensors have the names and shapes of the source's own file."""
    model, file = load(path, dtype=dtype), tmp_path / "m.safetensors"
    export(model, file, source)
    again = load_pretrained(file, dtype=dtype)
    assert type(again) is DETR and again.config == model.config and again.dtype == dtype
    assert list(again.numpy_arrays()) == list(model.numpy_arrays())
    for name, array in model.numpy_arrays().items():
        assert again.numpy_arrays()[name].tobytes() == array.tobytes(), name
    if OWN[path] == source:
        shapes = [{name: tensor.shape for name, tensor in tensors_of(some).items()} for some in (path, file)]
        assert shapes[0] == shapes[1]


def test_published_names_have_timms_resnet(tmp_path):
    """Whose names are torchvision's, behind Hugging Face's own."""
    export(load(HUGGING_FACE), tmp_path / "m.safetensors", "Hugging Face")
    names = set(tensors_of(tmp_path / "m.safetensors"))
    before = "model.backbone.conv_encoder.model."
    expected = ("conv1.weight", "bn1.running_var", "layer1.0.conv3.weight", "layer2.0.downsample.1.bias")
    assert {before + name for name in expected} < names
    assert not any("embedder" in name for name in names)


def test_the_json_beside_it_tells_more(tmp_path):
    pixels = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    pixels["size"] = {"shortest_edge": 400, "longest_edge": 900}
    told = dict(bbox_cost=3, giou_loss_coefficient=4, eos_coefficient=0.2, attention_dropout=0.3, dilation=True)
    config = load(beside(tmp_path, pixels, **told)).config
    assert (config.cost_weights, config.loss_weights, config.no_object) == ((1, 3, 2), (1, 5, 4), 0.2)
    assert (config.attention_dropout, config.dilation) == (0.3, True) and config.backbone.dilate_last
    assert (config.short_side, config.long_side, config.image_mean) == (400, 900, (0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(position_embedding_type="learned"), "config.json has position_embedding_type 'learned', expected 'sine'"),
        (dict(activation_function="gelu"), "config.json has activation_function 'gelu', expected 'relu'"),
        (dict(encoder_attention_heads=3), "width 16 is not a multiple of 3 heads"),
    ],
)
def test_what_is_not_computed_here_is_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(beside(tmp_path, **changes))


def test_heads_must_be_given_where_nothing_tells_them():
    with pytest.raises(ValueError, match="nothing tells the number of heads of a DETR 16 wide: give heads="):
        detr.load(AUTHORS)


def test_another_number_of_classes_starts_with_a_head_of_zeros():
    stored, fresh = load(HUGGING_FACE), load(HUGGING_FACE, classes=9)
    images = np.random.default_rng(0).standard_normal((1, 64, 64, 3))
    (logits, boxes), (_, same_boxes) = fresh(images), stored(images)
    assert logits.shape == (1, 6, 10) and not logits.any()
    np.testing.assert_array_equal(boxes, same_boxes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("transformer.decoder.norm.weight"), "it lacks 1 tensors: transformer.decoder.norm.weight"),
        (lambda t: t.update({"other": np.zeros(3)}), "it has 1 tensors that the model does not know: other"),
        (
            lambda t: t.update({"query_embed.weight": np.zeros((6, 12))}),
            "nothing tells|has shape|not a multiple",
        ),
        (
            lambda t: t.update({"bbox_embed.layers.2.bias": np.zeros(5)}),
            r"bbox_embed.layers.2.bias has shape \(5,\), expected \(4,\)",
        ),
    ],
)
def test_a_damaged_file_is_told(change, message, tmp_path):
    with pytest.raises(ValueError, match=message) as refusal:
        load_pretrained(rewrite(tmp_path / "m.safetensors", AUTHORS, change), heads=4)
    assert "m.safetensors" in str(refusal.value)


def test_a_counter_of_batches_is_passed_over(tmp_path):
    file = rewrite(
        tmp_path / "m.safetensors",
        AUTHORS,
        lambda t: t.update({"backbone.0.body.bn1.num_batches_tracked": np.zeros(1)}),
    )
    assert load_pretrained(file, heads=4).config == CONFIG


def test_convolutions_for_digits_have_no_published_names(tmp_path):
    model = DETR.from_name("DETR-digits")
    for source in detr.SOURCES:
        with pytest.raises(ValueError, match=f"the backbone is 'tiny', which {source} has no names for"):
            export(model, tmp_path / "m.safetensors", source)
