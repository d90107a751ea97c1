"""What a Sparse R-CNN is, what one asks of it, and what it refuses."""

import dataclasses
import json

import numpy as np
import pytest
from parity_support import FIXTURES

import minivit
from minivit import SparseRCNN, SparseRCNNConfig, ops
from minivit.family.iterated import BOXES, Iterated
from minivit.family.sparse_rcnn import heads
from minivit.layers import Chain, Op, Together
from minivit.layers.parts import dense
from minivit.weights.safetensors import read_safetensors

RNG = np.random.default_rng(0)
SMALL = dict(
    classes=3, channels=2, backbone="tiny", stages=(1, 2, 3), queries=4, width=8, heads=2, mlp_width=12, depth=2,
    dynamic_width=3, pool_size=3, box_layers=1, canonical_size=32.0,
)  # fmt: skip
TARGETS = [
    {"labels": np.array([2, 0]), "boxes": np.array([[0.3, 0.4, 0.2, 0.5], [0.7, 0.6, 0.3, 0.2]])},
    {"labels": np.zeros(0, int), "boxes": np.zeros((0, 4))},
    {"labels": np.arange(6) % 3, "boxes": np.linspace(0.2, 0.7, 24).reshape(6, 4)},
]


def small(seed=0, dtype=np.float64, **options):
    return SparseRCNN(SparseRCNNConfig(**SMALL | options), seed, dtype)


def images(count=3, size=(40, 48)):
    return np.random.default_rng(1).standard_normal((count, *size, 2))


@pytest.mark.parametrize(
    ("name", "count", "of_the_resnet"),
    [
        ("Sparse-R-CNN-R50", 106_237_768, 23_454_912),
        ("Sparse-R-CNN-R50-300", 106_289_768, 23_454_912),
        ("Sparse-R-CNN-R101", 125_177_672, 42_394_816),
        ("Sparse-R-CNN-R101-300", 125_229_672, 42_394_816),
        ("Sparse-R-CNN-digits", 917_282, None),
    ],
)
def test_the_published_models_have_as_many_parameters(name, count, of_the_resnet):
    config = SparseRCNNConfig.from_name(name)
    assert minivit.count_parameters(config) == count
    shapes = {p.name: p.shape for p in SparseRCNN.describe(config).parameters if not p.buffer}

    def counted(start):
        return sum(int(np.prod(shape)) for name, shape in shapes.items() if name.startswith(start))

    if of_the_resnet:
        assert counted("backbone.") == of_the_resnet
        assert counted("fpn_") == 3_344_384
        assert counted("head_series.3.") == 13_235_412
        assert counted("head_series.3.inst_interact.dynamic_layer.") == 8_421_376
        assert counted("head_series.3.inst_interact.out_layer.") == 3_211_520


def test_it_starts_with_boxes_over_all_of_the_image_and_classes_that_are_rare():
    model = small()
    np.testing.assert_array_equal(model.params["init_proposal_boxes.weight"], [[0.5, 0.5, 1, 1]] * 4)
    np.testing.assert_allclose(model.params["head_series.1.class_logits.bias"], -np.log(99))
    assert 0.5 < model.params["init_proposal_features.weight"].std() < 1.5
    rounds = model.rounds(images())
    assert rounds.shape == (3, 3, 4, 4)
    np.testing.assert_array_equal(rounds[0], np.broadcast_to([0.5, 0.5, 1, 1], (3, 4, 4)))
    np.testing.assert_array_equal(rounds[-1], model(images())[1])


def test_a_box_is_relative_to_its_own_image():
    """The mask tells how large it is, and where the first boxes lie."""
    model, mask = small(depth=1), np.ones((3, 40, 48), bool)
    mask[1, 24:], mask[1, :, 32:] = False, False
    head = {name: np.zeros_like(x) for name, x in model.params.items() if "bboxes_delta" in name}
    model.params |= head  # boxes that do not move
    named = model.looked_at(images(), mask)[1]
    np.testing.assert_array_equal(named["image_sizes"], [[40, 48], [24, 32], [40, 48]])
    np.testing.assert_allclose(model(images(), mask)[1], np.broadcast_to([0.5, 0.5, 1, 1], (3, 4, 4)))
    seen = []

    class Seen:
        def __getattr__(self, name):
            return getattr(ops, name)

        def roi_align_forward(self, maps, boxes, *options, **more):
            seen.append(boxes)
            return ops.roi_align_forward(maps, boxes, *options, **more)

    model.layers(Seen(), model.arrays(model.layers) | named, images())
    np.testing.assert_allclose(seen[0][:, 0], [[0, 0, 48, 40], [0, 0, 32, 24], [0, 0, 48, 40]])


def test_no_gradient_goes_back_through_boxes_into_the_round_before():
    """Of the second round's boxes, the first round's deltas get none; nor do the boxes that all starts from, but of the
    first round's."""
    D, N = 5, 3

    def part(i):
        boxes = Chain(dense(f"delta{i}", D, 4), Op("box_deltas", BOXES))
        return Chain(dense(f"step{i}", D, D), Op("tanh")), Together(dense(f"class{i}", D, 2), boxes)

    layer = Iterated(part(0), part(1))
    p = {q.name: RNG.standard_normal(q.shape) for q in layer.parameters}
    p[BOXES] = np.sort(RNG.uniform(size=(1, N, 4)), axis=-1)
    (logits, boxes), cache = layer.forward(ops, p, RNG.standard_normal((1, N, D)))
    nothing = [np.zeros_like(x) for x in (*logits, *boxes)]
    dlast = RNG.standard_normal(boxes[1].shape)
    _, grads = layer.backward(ops, (nothing[:2], [nothing[2], dlast]), cache)
    assert np.all(grads["delta0.weight"] == 0) and np.any(grads["step0.weight"] != 0)
    assert BOXES in grads and np.all(grads[BOXES] == 0)
    _, cache = layer.forward(ops, p, RNG.standard_normal((1, N, D)))
    _, grads = layer.backward(ops, (nothing[:2], [dlast, nothing[3]]), cache)
    assert np.all(grads["delta1.weight"] == 0) and np.all(grads["delta0.weight"] != 0)
    assert BOXES in grads and np.all(grads[BOXES] != 0)


def test_images_without_objects_and_with_more_than_queries_train():
    model = small()
    loss, grads = model.loss_and_grads(images(), TARGETS)
    assert np.isfinite(loss) and all(np.isfinite(grad).all() for grad in grads.values())
    nothing, grads = model.loss_and_grads(images(1), TARGETS[1:2])
    assert nothing > 0
    assert np.all(grads["init_proposal_boxes.weight"] == 0)
    assert np.all(grads["head_series.1.bboxes_delta.weight"] == 0)


def test_uneven_shards_add_up():
    """Their norms are each image's own; the losses are divided by the objects of the whole batch."""
    model = small()
    by = model.divisor(TARGETS)
    loss, grads = model.loss_and_grads(images(), TARGETS)
    shards = [model.loss_and_grads(images()[some], TARGETS[some], divisor=by) for some in (slice(0, 1), slice(1, 3))]
    assert sum(part for part, _ in shards) == pytest.approx(loss, rel=1e-12)
    for name, grad in grads.items():
        total = sum(part[name] for _, part in shards)
        np.testing.assert_allclose(total, grad, rtol=0, atol=1e-12 * max(1, np.abs(grad).max()), err_msg=name)


def test_given_maps_stand_for_the_images():
    """What the backbone leaves, given to a model without one: the same answers, loss and gradients."""
    model = small()
    maps = model.run(model.layers.parts[0], images())
    config = dataclasses.replace(model.config, backbone=None, map_widths=(32, 64, 64), strides=(4, 8, 16))
    params = {name: x for name, x in model.params.items() if not name.startswith("backbone.")}
    without = SparseRCNN(config, params=params)
    for got, expected in zip(without(maps), model(images()), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)
    loss, _, grads, dmaps = without.losses_and_all_grads(maps, TARGETS)
    expected, expected_grads = model.loss_and_grads(images(), TARGETS)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected_grads[name], atol=1e-11, err_msg=name)
    assert [dmap.shape for dmap in dmaps] == [x.shape for x in maps]


def test_features_are_what_the_heads_see_and_attention_is_that_of_the_queries():
    model = small()
    features, maps = model.features(images()), model.attention(images())["queries"]
    assert features.shape == (3, 4, 8) and maps.shape == (2, 3, 2, 4, 4)
    np.testing.assert_allclose(maps.sum(axis=-1), 1)
    head = heads(model.config, "head_series.1").parts[0]
    np.testing.assert_allclose(head(ops, model.params, features), model(images())[0])


def test_detect_gives_as_many_answers_as_queries_in_pixels():
    model = small(dtype=np.float32)
    pictures = [RNG.integers(0, 256, (size, 48, 2), dtype=np.uint8) for size in (40, 32)]
    for picture, found in zip(pictures, model.detect(pictures), strict=True):
        assert found["scores"].shape == found["labels"].shape == (4,) and found["boxes"].shape == (4, 4)
        assert np.all(np.diff(found["scores"]) <= 0)
        alone = model.detect([picture])[0]
        assert alone["boxes"].max() > 1
    logits, boxes = model(model.normalize(pictures[0])[None])
    p = ops.sigmoid_forward(logits[0])[0]
    best = np.unravel_index(p.argmax(), p.shape)
    found = model.detect(pictures[:1])[0]
    assert found["scores"][0] == pytest.approx(p.max()) and found["labels"][0] == best[1]
    expected = ops.corners_forward(boxes[0, best[0]])[0] * [48, 40, 48, 40]
    np.testing.assert_allclose(found["boxes"][0], expected, rtol=1e-5)


def test_a_saved_model_is_itself(tmp_path):
    model = small(dtype=np.float32)
    model.save(tmp_path / "m.npz")
    again = minivit.load(tmp_path / "m.npz")
    assert isinstance(again, SparseRCNN) and again.config == model.config
    for got, expected in zip(again(images()), model(images()), strict=True):
        np.testing.assert_array_equal(got, expected)


# ---- files -----------------------------------------------------------------------------------------------------------

RESNET = dict(stem_width=4, depths=(1, 1, 1, 1), widths=(8, 16, 32, 64), inner=(4, 4, 8, 16))


@pytest.fixture
def with_resnet():
    """Four levels."""
    config = SparseRCNNConfig(**SMALL | dict(backbone=minivit.ResNetConfig(**RESNET), stages=(1, 2, 3, 4)))
    return SparseRCNN(config, 3, np.float32)


def test_an_exported_model_is_read_again_bit_by_bit(with_resnet, tmp_path):
    path = tmp_path / "m.safetensors"
    minivit.export(with_resnet, path)
    shapes = {name: tensor.shape for name, tensor in read_safetensors(path)[0].items()}
    assert shapes.get("head.head_series.1.self_attn.in_proj_weight") == (24, 8)
    assert shapes.get("backbone.fpn_lateral5.weight") == (8, 64, 1, 1)
    assert shapes.get("backbone.bottom_up.res2.0.shortcut.norm.running_var") == (8,)
    again = minivit.load_pretrained(path)
    assert again.config == with_resnet.config
    arrays = with_resnet.numpy_arrays()
    assert again.numpy_arrays().keys() == arrays.keys()
    for name, array in again.numpy_arrays().items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def test_other_classes_replace_the_layers_of_the_logits(with_resnet, tmp_path):
    path = tmp_path / "m.safetensors"
    minivit.export(with_resnet, path)
    model = minivit.load_pretrained(path, classes=5)
    assert model(images()[:1])[0].shape == (1, 4, 5)
    for name, array in model.params.items():
        if "class_logits" in name:
            assert array.shape[-1] == 5 and np.all(array == 0)
        else:
            np.testing.assert_array_equal(array, with_resnet.params[name])


def test_what_a_file_does_not_tell_is_asked_for():
    path = FIXTURES / "sparse_rcnn"
    with pytest.raises(ValueError, match="number of heads of a Sparse R-CNN 16 wide: give heads="):
        minivit.load_pretrained(path)
    told = json.loads((path / "config.json").read_text())
    config = minivit.load_pretrained(path, heads=told["nheads"]).config
    ours = dict(queries="num_proposals", classes="num_classes", width="hidden_dim", mlp_width="dim_feedforward")
    ours |= dict(depth="num_heads", dynamic_width="dim_dynamic", pool_size="pooler_resolution")
    ours |= dict(class_layers="num_cls", box_layers="num_reg")
    assert {name: getattr(config, name) for name in ours} == {name: told[theirs] for name, theirs in ours.items()}
    assert config.stages == (1, 2, 3, 4) and config.pyramid == "levels" and config.short_side == 800


def test_a_tiny_backbone_has_no_names_elsewhere(tmp_path):
    with pytest.raises(ValueError, match=r"the backbone is 'tiny', .*model\.save keeps it"):
        minivit.export(small(), tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(pyramid="mean"), "pyramid is 'mean', expected one of 'levels', 'sum'"),
        (dict(depth=0), "depth is 0, expected at least 1"),
        (dict(box_layers=-1), "box_layers is -1, expected at least 0"),
        (dict(canonical_size=0.0), "canonical_size is 0.0, expected a positive number"),
        (dict(strides=(4, 8, 16)), "expected one for each map without a backbone, and none with one"),
        (dict(backbone=None, map_widths=(3, 4, 5)), r"strides is \(\), expected one for each map"),
        (dict(backbone=None, map_widths=(3, 4, 5), strides=(4, 8)), r"strides is \(4, 8\), expected 3"),
        (dict(backbone=None, map_widths=(3, 4, 5), strides=(4, 8, 12)), "4, 8, 12, expected powers of two"),
        (dict(stages=(1, 3)), "strides are 4, 16, expected powers of two, each twice"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SparseRCNNConfig(**SMALL | options)
