"""DETR: its sizes, its configuration, what one asks of it, batches of all kinds. The face is every detector's."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from detr_support import DIGITS, digits

import minivit
from minivit import ops
from minivit.family import ResNetConfig, kind_of
from minivit.family.backbone import map_sizes, map_widths, strides
from minivit.family.detections import answer, pad, size_of_input
from minivit.family.detr import DETR, DETRConfig
from minivit.family.detr_sizes import SIZES
from minivit.model.parameters import declared_shapes
from minivit.proof import DETECTORS, noise, small_detector

# With the ResNet's frozen norms left out: all of it, what the original trains (neither stem nor first stage).
COUNTS = {
    "DETR-R50": (41_524_768, 41_302_368),
    "DETR-DC5-R50": (41_524_768, 41_302_368),
    "DETR-R101": (60_464_672, 60_242_272),
    "DETR-DC5-R101": (60_464_672, 60_242_272),
    "DETR-digits": (231_103, 231_103),
}
MAP = replace(DIGITS, backbone=None, map_widths=(3,), decoder_depth=2)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", SIZES)
def test_the_published_counts(name):
    config = DETRConfig.from_name(name)
    assert minivit.count_parameters(config) == COUNTS[name][0]
    frozen = "backbone.conv1.", "backbone.layer1."
    if config.backbone != "tiny":
        sizes = {p.name: int(np.prod(p.shape)) for p in DETR.describe(config).parameters if not p.buffer}
        assert sum(n for key, n in sizes.items() if not key.startswith(frozen)) == COUNTS[name][1]
        assert sum(n for key, n in sizes.items() if key.startswith("backbone.")) in (23_454_912, 42_394_816)


def test_a_dilated_resnet_has_twice_the_map_and_the_same_parameters():
    plain, dilated = (DETRConfig.from_name(f"DETR-{dc5}R50") for dc5 in ("", "DC5-"))
    assert (strides(plain), strides(dilated)) == ((32,), (16,))
    assert map_sizes(plain, np.zeros((1, 65, 64, 3))) == [(3, 2)]
    assert declared_shapes(DETR.describe(plain)) == declared_shapes(DETR.describe(dilated))
    steps = [part.options for part in _leaves(DETR.describe(dilated).parts[0]) if "layer4" in str(part.reads)]
    reach = [(options.get("dilation", 1), options["padding"]) for options in steps if options.get("padding")]
    assert reach == [(1, 1), (2, 2), (2, 2)]
    assert all(options.get("stride", 1) == 1 for options in steps)


def _leaves(layer):
    return [leaf for part in layer.parts for leaf in _leaves(part)] if layer.parts else [layer]


@pytest.mark.parametrize("name", DETECTORS)
def test_maps_have_the_sizes_that_are_foretold(name):
    model, images, mask = small_detector(name)
    images, named = model.looked_at(images, mask)
    maps = model.layers.parts[0](model.device.ops, model.arrays(model.layers) | named, images)
    assert [x.shape[1:3] for x in maps] == [tuple(size) for size in map_sizes(model.config, images)]
    assert tuple(x.shape[3] for x in maps) == map_widths(model.config)


@pytest.mark.parametrize("stages", [(1,), (2,), (3,)])
def test_the_tiny_backbone_has_the_strides_4_8_16(stages):
    model = DETR(replace(DIGITS, stages=stages))
    images = np.zeros((1, 37, 50, 1), np.float32)
    stride = {1: 4, 2: 8, 3: 16}[stages[0]]
    assert strides(model.config) == (stride,)
    (made,) = model.run_on(model.layers.parts[0], images)
    assert made.shape == (1, -(-37 // stride), -(-50 // stride), {1: 32, 2: 64, 3: 64}[stages[0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(stages=(1, 2)), r"stages is \(1, 2\), expected one: DETR looks at a single map"),
        (dict(stages=(4,)), r"stages is \(4,\), expected some of 1 … 3"),
        (dict(backbone=None), "without a backbone, expected the numbers a place of each map"),
        (dict(map_widths=(3,)), r"map_widths \(3,\) are those of maps that are given: backbone must be None"),
        (dict(dilation=True), "dilation is for a ResNet, but backbone is 'tiny'"),
        (dict(backbone="ResNet-51"), "no published size is named 'ResNet-51'"),
        (dict(heads=3), "width 64 is not a multiple of 3 heads"),
        (dict(width=6, heads=2), "width 6 is not a multiple of 4"),
        (dict(cost_weights="mine"), "cost_weights is 'mine', expected three numbers, 'original' or 'Hugging Face'"),
        (dict(loss_weights=(1, -1, 2)), "loss_weights is -1, expected 0 or more"),
        (dict(decoder_depth=0), "decoder_depth is 0, expected at least 1"),
        (dict(image_mean=(0.1, 0.2)), "image_mean has 2 numbers, expected one, or one a channel"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        replace(DIGITS, **options)


def test_a_backbone_is_a_configuration_a_name_or_what_a_file_has_of_it():
    with pytest.raises(TypeError, match="backbone is a int, expected a ResNetConfig, a ResNet's name, 'tiny' or None"):
        replace(DIGITS, backbone=3)
    config = DETRConfig(backbone=ResNetConfig.from_name("ResNet-18"), classes=3, channels=1)
    assert config.backbone.frozen_norm and (config.backbone.channels, config.backbone.classes) == (1, 0)
    assert config == DETRConfig(backbone="ResNet-18", classes=3, channels=1) == DETRConfig(**config.to_dict())
    assert kind_of(config) is DETR


@pytest.mark.parametrize("config", [DIGITS, MAP, DETECTORS["DETR"][1]])
def test_a_saved_detector_is_loaded_again(config, tmp_path):
    model = DETR(config, seed=3)
    model.save(tmp_path / "m.npz")
    for again in (minivit.load(tmp_path / "m.npz"), pickle.loads(pickle.dumps(model))):
        assert (type(again), again.config) == (DETR, config)
        for name, array in model.numpy_arrays().items():
            np.testing.assert_array_equal(again.numpy_arrays()[name], array)


def test_one_shard_and_four_uneven_ones_agree():
    """Five images with 0 to 4 objects; each shard knows what the whole batch is divided by."""
    model, images, targets = digits(5)
    loss, grads = model.loss_and_grads(images, targets)
    by = model.divisor(targets)
    assert by == (10, 10 + 0.1 * (5 * 6 - 10))
    parts = [slice(0, 1), slice(1, 2), slice(2, 4), slice(4, 5)]  # the first has no object at all
    shards = [model.loss_and_grads(images[part], targets[part], divisor=by) for part in parts]
    assert sum(shard for shard, _ in shards) == pytest.approx(loss, rel=1e-12)
    for name, grad in grads.items():
        total = sum(of_shard[name] for _, of_shard in shards)
        np.testing.assert_allclose(total, grad, atol=1e-12 * max(1, np.abs(grad).max()), err_msg=name)


def test_an_image_without_objects_and_one_with_more_of_them_than_queries():
    model, images, _ = digits(2, config=replace(DIGITS, queries=3))
    many = {"labels": np.arange(5), "boxes": RNG.uniform(0.2, 0.6, (5, 4))}
    none = {"labels": [], "boxes": []}
    assert model.divisor([none, none]) == (1, pytest.approx(0.1 * 6))
    assert model.divisor([many, none]) == (5, pytest.approx(3 + 0.1 * 3))  # all objects; matched queries
    for targets in ([many, none], [none, none]):
        loss, terms, grads, _ = model.losses_and_all_grads(images, targets)
        assert np.isfinite(loss) and all(np.isfinite(grad).all() for grad in grads.values())
        assert (terms["loss_bbox"] > 0) == (targets[0] is many)
        before = loss
        for _ in range(3):
            for name, grad in model.loss_and_grads(images, targets)[1].items():
                model.params[name] = model.params[name] - 1e-3 * grad
        assert model.loss(images, targets) < before


def test_a_map_with_padding_is_the_map_alone():
    """What is padded is no key, counts no step, and may hold anything; with whole maps there is no mask at all."""
    model = DETR(MAP, seed=1, dtype=np.float64)
    small, large = RNG.standard_normal((1, 2, 3, 3)), RNG.standard_normal((1, 4, 5, 3))
    batch, mask = RNG.standard_normal((2, 4, 5, 3)) * 9, np.zeros((2, 4, 5), bool)
    batch[0, :2, :3], mask[0, :2, :3] = small[0], True
    batch[1], mask[1] = large[0], True
    together = model([batch], mask)
    for i, alone in enumerate((small, large)):
        for got, expected in zip(together, model([alone]), strict=True):
            np.testing.assert_allclose(got[i], expected[0], atol=1e-12)
    finer = mask.repeat(32, axis=1).repeat(32, axis=2)  # the mask of the pixels, which nobody has
    for got, expected in zip(model([batch], finer), together, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert model.looked_at([large], None)[1]["key_mask"] is None


def test_images_of_other_sizes_make_one_batch():
    images = [np.ones((3, 5, 1), np.float32), 2 * np.ones((4, 2, 1), np.float32)]
    batch, mask = pad(images)
    assert batch.shape == (2, 4, 5, 1) and batch.dtype == np.float32
    for image, place, there in zip(images, batch, mask, strict=True):
        h, w, _ = image.shape
        assert (place[:h, :w] == image).all() and there[:h, :w].all()
        assert place.sum() == image.sum() and there.sum() == h * w


def test_where_the_heads_look():
    model, images, _ = digits(2)
    mask = np.ones(images.shape[:3], bool)
    mask[0, :, 24:] = False
    maps = model.attention(images, mask)
    places = (32 // 8) * (40 // 8)
    assert {name: array.shape for name, array in maps.items()} == {
        "encoder": (1, 2, 4, places, places),
        "queries": (3, 2, 4, 6, 6),
        "decoder": (3, 2, 4, 6, places),
    }
    for array in maps.values():
        np.testing.assert_allclose(array.sum(axis=-1), 1)
    padded = ~ops.resize_mask(mask, (4, 5)).reshape(2, places)
    assert padded.any() and not maps["decoder"][:, 0, :, :, padded[0]].any()
    assert (maps["decoder"][:, 1] > 0).all()


def test_dropout_is_for_training():
    model, images, targets = digits(2, config=replace(DIGITS, dropout=0.3, attention_dropout=0.2))
    still, _ = model.loss_and_grads(images, targets)
    assert still == model.loss(images, targets) == model.loss_and_grads(images, targets)[0]
    dropped = [model.loss_and_grads(images, targets, rng=noise())[0] for _ in range(2)]
    assert dropped[0] == dropped[1] != still


def test_pictures_are_answered_in_their_pixels_best_first():
    model = DETR(DIGITS, seed=2, dtype=np.float64)
    model.params["class_embed.bias"][-1] = 3  # most likely there is nothing
    pictures = [RNG.integers(0, 256, (64, 48, 1), np.uint8), RNG.random((32, 40, 1))]
    found = model.detect(pictures)
    for picture, detection in zip(pictures, found, strict=True):
        h, w, _ = picture.shape
        scores, labels, boxes = (detection[name] for name in ("scores", "labels", "boxes"))
        assert len(scores) == len(labels) == len(boxes) == 6
        assert (np.diff(scores) <= 0).all() and labels.max() < 10
        centres = ops.centres_forward(boxes)[0] / [w, h, w, h]
        assert (centres > 0).all() and (centres < 1).all()
    logits, boxes = model(model.normalize(pictures[0])[None])  # alone, and so with another mask: none
    alone = model.detect(pictures[:1])[0]
    p = ops.softmax_forward(logits[0])[0][:, :-1]
    best = np.argsort(-p.max(axis=1))
    np.testing.assert_allclose(alone["scores"], p.max(axis=1)[best])
    np.testing.assert_array_equal(alone["labels"], p.argmax(axis=1)[best])
    np.testing.assert_allclose(alone["boxes"], ops.corners_forward(boxes[0])[0][best] * [48, 64, 48, 64])
    threshold = float(np.median(alone["scores"]))
    assert len(model.detect(pictures[:1], threshold)[0]["scores"]) == (alone["scores"] > threshold).sum() == 3


def test_of_scores_by_class_one_query_may_give_several_answers():
    config = replace(DIGITS, classes=3)
    object.__setattr__(config, "CRITERION", replace(config.CRITERION, classify="focal"))
    logits, boxes = np.array([[2.0, 1.0, -3.0], [-1.0, 0.0, 3.0]]), RNG.random((2, 4))
    said = answer(logits, boxes, config)
    assert said["labels"].tolist() == [2, 0, 1, 1, 0, 2]
    np.testing.assert_array_equal(said["boxes"], boxes[[1, 0, 0, 1, 1, 0]])
    np.testing.assert_allclose(said["scores"], np.sort(1 / (1 + np.exp(-logits)), axis=None)[::-1])


@pytest.mark.parametrize(
    ("size", "short", "long", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1066)),
        ((640, 480), 800, 1333, (1066, 800)),
        ((200, 1000), 800, 1333, (267, 1335)),  # as the authors' code rounds: ⌊267 · 1000 / 200⌋
        ((64, 64), None, None, (64, 64)),
        ((30, 60), 15, None, (15, 30)),
    ],
)
def test_a_picture_is_resized_by_its_short_side_unless_the_long_one_is_too_long(size, short, long, expected):
    assert size_of_input(size, replace(DIGITS, short_side=short, long_side=long)) == expected


def test_a_resized_picture_is_answered_in_its_own_pixels():
    small, large = DETR(DIGITS, seed=2), DETR(replace(DIGITS, short_side=64), seed=2)
    picture = RNG.random((32, 48, 1))
    resized = picture.repeat(2, axis=0).repeat(2, axis=1)
    a, b = large.detect([picture])[0], small.detect([resized])[0]
    np.testing.assert_allclose(a["boxes"].mean(), b["boxes"].mean() / 2, rtol=0.05)


@pytest.mark.parametrize(
    ("images", "mask", "error", "message"),
    [
        (np.zeros((1, 32, 32, 1), np.uint8), None, TypeError, "images: uint8, expected an array of floats: use model"),
        (np.zeros((1, 32, 32, 3)), None, ValueError, r"shape \(1, 32, 32, 3\), expected \(B, height, width, 1\)"),
        (np.full((1, 32, 32, 1), np.nan), None, ValueError, "images: NaN or infinity among the numbers"),
        (np.zeros((2, 32, 32, 1)), np.ones((2, 32, 31)), ValueError, r"\(2, 32, 31\), expected \(2, 32, 32\): True is"),
        (
            np.zeros((2, 8, 8, 1)),
            np.arange(2)[:, None, None] * np.ones((2, 8, 8)),
            ValueError,
            "False for all of image 0",
        ),
    ],
)
def test_what_is_no_image_is_refused(images, mask, error, message):
    with pytest.raises(error, match=message):
        DETR(DIGITS)(images, mask)


def test_maps_in_the_images_place_are_as_many_and_as_wide_as_configured():
    model = DETR(MAP)
    with pytest.raises(ValueError, match="images are a ndarray, expected a list of 1 maps: the model has no backbone"):
        model(np.zeros((1, 4, 4, 3)))
    with pytest.raises(ValueError, match=r"map 0: shape \(1, 4, 4, 2\), expected \(B, height, width, 3\)"):
        model([np.zeros((1, 4, 4, 2))])
    with pytest.raises(ValueError, match="the model has no backbone, so it sees no pictures"):
        model.detect([np.zeros((4, 4, 1))])
    with pytest.raises(ValueError, match=r"a picture has shape \(4, 4\), expected \(height, width, 1\)"):
        DETR(DIGITS).detect([np.zeros((4, 4))])
