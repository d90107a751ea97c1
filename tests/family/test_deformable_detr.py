"""Deformable DETR as a detector: what it is configured with, padding, shards, starts, what it looks at."""

import math

import numpy as np
import pytest

import minivit
from minivit import DeformableDETR, DeformableDETRConfig
from minivit.family.deformable_sizes import SIZES

COUNTS = {
    "Deformable-DETR-R50-single": 34_066_593,
    "Deformable-DETR-R50-single-DC5": 34_066_593,
    "Deformable-DETR-R50": 40_069_665,
    "Deformable-DETR-R50-refined": 40_849_660,
    "Deformable-DETR-R50-two-stage": 41_181_529,
    "Deformable-DETR-digits": 213_564,
}
KINDS = {
    "plain": dict(encoder_depth=1),
    "no encoder": dict(encoder_depth=0, refine=True),
    "further maps": dict(encoder_depth=1, extra_levels=1),
    "two stages": dict(encoder_depth=1, refine=True, two_stage=True),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def small(kind="plain", **options):
    sizes = dict(classes=3, channels=1, backbone="tiny", stages=(1, 2), queries=5, width=16, heads=4, mlp_width=12)
    plain = dict(decoder_depth=2, points=2, norm_groups=4, extra_levels=0, dropout=0.0, attention_dropout=0.0)
    return DeformableDETRConfig(**sizes | plain | KINDS[kind] | options)


def images_and_targets(sizes=((32, 32),) * 4):
    """Images of these sizes, as one padded batch with its mask; one without an object, one with more than queries."""
    rng = np.random.default_rng(0)
    mask = np.zeros((len(sizes), *np.max(sizes, axis=0)), bool)
    for there, (height, width) in zip(mask, sizes, strict=True):
        there[:height, :width] = True
    counts = (2, 0, 7, 1, 3)[: len(sizes)]
    targets = [
        {"labels": rng.integers(0, 3, n), "boxes": rng.uniform((0.3, 0.3, 0.1, 0.1), (0.7, 0.7, 0.5, 0.5), (n, 4))}
        for n in counts
    ]
    return rng.standard_normal((*mask.shape, 1)) * mask[..., None], mask, targets


@pytest.mark.parametrize("name", SIZES)
def test_the_published_counts(name):
    assert minivit.count_parameters(DeformableDETRConfig.from_name(name)) == COUNTS[name]


@each_kind
def test_shapes(kind):
    model = DeformableDETR(small(kind))
    images, _, targets = images_and_targets()
    (logits, boxes, *proposals), _ = model.forward(images)
    assert logits.shape == (2, 4, 5, 3) and boxes.shape == (2, 4, 5, 4)
    assert [x.shape for x in proposals] == ([(4, 80, 3), (4, 80, 4)] if kind == "two stages" else [])
    loss, grads = model.loss_and_grads(images, targets)
    assert math.isfinite(loss) and grads.keys() == model.params.keys()
    assert all(grads[name].shape == x.shape for name, x in model.params.items())


@each_kind
def test_padding_is_as_if_it_were_not_there(kind):
    """An image says the same, whatever it is padded to. (Not with a backbone: its GroupNorm sees the zeros.)"""
    config = small(kind, backbone=None, stages=(3, 4), map_widths=(3, 2), extra_levels=0)
    model = DeformableDETR(config, dtype=np.float64, seed=1)
    rng = np.random.default_rng(1)
    alone = [rng.standard_normal((1, 8, 8, 3)), rng.standard_normal((1, 4, 4, 2))]
    maps = [np.pad(x, [(0, 0), (0, x.shape[1]), (0, x.shape[2]), (0, 0)]) for x in alone]
    mask = np.zeros((1, 16, 16), bool)
    mask[:, :8, :8] = True
    x, named = model.looked_at(maps, mask)
    _, named_alone = model.looked_at(alone, None)
    assert named["valid_ratios"].tolist() == [[[0.5, 0.5]] * 2]
    # GroupNorm is over the whole map, padding and all: past it, so that what follows can be compared.
    tokens = rng.standard_normal((1, 8 * 8 + 4 * 4, config.width))
    padded = np.full((1, 16 * 16 + 8 * 8, config.width), 7.0)  # whatever stands there
    padded[named["mask"]] = tokens[0]
    after = model.layers.parts[1].value.parts[2:]  # the encoder
    ops, p = model.device.ops, model.arrays(model.layers)
    memory, its = padded, tokens
    for layer in after:
        memory, its = layer(ops, p | named, memory), layer(ops, p | named_alone, its)
    np.testing.assert_allclose(memory[named["mask"]], its[0], atol=1e-12)
    decode = model.layers.parts[1].body
    said = decode(ops, p | named | {"memory": memory}, x)
    for got, expected in zip(said[:2], decode(ops, p | named_alone | {"memory": its}, alone), strict=False):
        np.testing.assert_allclose(got, expected, atol=1e-12)


@each_kind
def test_shards_of_a_batch_add_up(kind):
    """One shard or uneven ones, each told the divisor of all."""
    model = DeformableDETR(small(kind), dtype=np.float64)
    images, mask, targets = images_and_targets(((32, 32), (24, 32), (32, 16), (32, 32), (20, 24)))
    loss, grads = model.loss_and_grads(images, targets, mask)
    by, parts = model.divisor(targets), (slice(0, 1), slice(1, 2), slice(2, 5))
    shards = [model.loss_and_grads(images[part], targets[part], mask[part], by) for part in parts]
    assert sum(part for part, _ in shards) == pytest.approx(loss, rel=1e-12)
    for name, grad in grads.items():
        total = sum(part[name] for _, part in shards)
        assert abs(total - grad).max() <= 1e-12 * max(1, abs(grad).max()), name


@each_kind
def test_a_canvas_without_objects_trains(kind):
    model = DeformableDETR(small(kind))
    images, _, _ = images_and_targets()
    nothing = [{"labels": [], "boxes": []}] * 4
    loss, grads = model.loss_and_grads(images, nothing)
    assert loss > 0 and all(np.isfinite(grad).all() for grad in grads.values())


@each_kind
def test_a_few_steps_learn(kind):
    model = DeformableDETR(small(kind), seed=3)
    images, _, targets = images_and_targets()
    images = images.astype(np.float32)
    before = model.loss(images, targets)
    for _ in range(30):
        _, grads = model.loss_and_grads(images, targets)
        for name, grad in grads.items():
            model.params[name] -= 0.01 * grad / max(1e-3, np.sqrt((grad * grad).mean()))
    assert model.loss(images, targets) < 0.8 * before


def test_it_starts_by_looking_around():
    """No offset follows from what a query is: head h looks along θ = 2πh/H, point p at p + 1 cells, on a square."""
    config = small("plain")
    model = DeformableDETR(config, dtype=np.float64)
    bias = model.params["transformer.decoder.layers.0.cross_attn.sampling_offsets.bias"]
    ways = bias.reshape(config.heads, config.levels, config.points, 2)
    for level in range(config.levels):
        np.testing.assert_allclose(ways[:, level, 0], [(1, 0), (0, 1), (-1, 0), (0, -1)], atol=1e-15)
        np.testing.assert_allclose(ways[:, level, 1], 2 * ways[:, level, 0])
    weights = [name for name in model.params if name.endswith(("sampling_offsets.weight", "attention_weights.weight"))]
    assert len(weights) == 2 * 3 and not any(model.params[name].any() for name in weights)
    images, _, _ = images_and_targets()
    sampled = model.sampling(images)
    assert len(sampled) == config.decoder_depth
    for layer in sampled:
        assert layer["locations"].shape == (4, 5, 4, 2, 2, 2)
        np.testing.assert_allclose(layer["weights"], 1 / 4)


@pytest.mark.parametrize(("kind", "sizes"), [("plain", [-2]), ("no encoder", [-2, 0]), ("two stages", [0, 0, 0])])
def test_how_boxes_start(kind, sizes):
    params = DeformableDETR(small(kind)).params
    for i, size in enumerate(sizes):
        np.testing.assert_array_equal(params[f"bbox_embed.{i}.layers.2.bias"], (0, 0, size, size))
        assert not params[f"bbox_embed.{i}.layers.2.weight"].any()
        np.testing.assert_allclose(params[f"class_embed.{i}.bias"], -math.log(99))
    assert f"bbox_embed.{len(sizes)}.layers.2.bias" not in params


@each_kind
def test_what_its_heads_see_and_how_queries_look_at_each_other(kind):
    model = DeformableDETR(small(kind), dtype=np.float64)
    images, mask, _ = images_and_targets(((32, 32), (16, 24)))
    features, last = model.features(images, mask), 1 if model.config.refine else 0
    assert features.shape == (2, 5, 16)
    weight, bias = (model.params[f"class_embed.{last}.{part}"] for part in ("weight", "bias"))
    np.testing.assert_allclose(features @ weight + bias, model(images, mask)[0], rtol=1e-12)
    maps = model.attention(images, mask)
    assert maps.keys() == {"queries"} and maps["queries"].shape == (2, 2, 4, 5, 5)
    np.testing.assert_allclose(maps["queries"].sum(axis=-1), 1)


def test_a_refined_box_is_told_from_the_one_before():
    """Heads that say "no move" leave every box where the first was."""
    model = DeformableDETR(small("no encoder"), dtype=np.float64)
    images, _, _ = images_and_targets()
    (_, boxes), _ = model.forward(images)
    np.testing.assert_allclose(boxes[1], boxes[0], rtol=1e-12)
    assert np.ptp(boxes[0][..., :2]) > 0.1
    np.testing.assert_allclose(boxes[0][..., 2:], 1 / (1 + math.exp(2)))


def test_what_it_detects_lies_in_the_picture():
    model = DeformableDETR(small("two stages"))
    pictures = [np.random.default_rng(i).integers(0, 256, (24 + 8 * i, 32, 1), dtype=np.uint8) for i in range(3)]
    for picture, found in zip(pictures, model.detect(pictures), strict=True):
        assert len(found["scores"]) == 15 and (np.diff(found["scores"]) <= 0).all()
        middles = (found["boxes"][:, :2] + found["boxes"][:, 2:]) / 2
        assert (middles > 0).all() and (middles < picture.shape[1::-1]).all()


def test_save_and_load(tmp_path):
    model = DeformableDETR(small("two stages"))
    model.save(tmp_path / "m.npz")
    again = minivit.load(tmp_path / "m.npz")
    assert isinstance(again, DeformableDETR) and again.config == model.config
    images, mask, _ = images_and_targets(((32, 32), (16, 24)))
    for a, b in zip(model(images, mask), again(images, mask), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(two_stage=True), "two_stage is True and refine False"),
        (dict(width=20, norm_groups=8, heads=4), "width 20 is not a multiple of 4 and of 8 groups"),
        (dict(points=0), "points is 0, expected at least 1"),
        (dict(extra_levels=-1), "extra_levels is -1, expected at least 0"),
        (dict(proposal_loss="mine"), "proposal_loss is 'mine', expected one of 'original', 'Hugging Face'"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        small("plain", **options)


def test_padding_is_right_of_the_image_and_below():
    model = DeformableDETR(small())
    images, mask, _ = images_and_targets()
    mask[1, :, 0] = False
    with pytest.raises(ValueError, match="mask is False in an image's upper left corner: expected padding right of"):
        model(images, mask)


def test_a_picture_of_few_places_has_as_many_proposals():
    model = DeformableDETR(small("two stages", queries=30))
    images, _, targets = images_and_targets(((16, 16),))
    assert model(images)[1].shape == (1, 16 + 4, 4)
    assert math.isfinite(model.loss_and_grads(images, targets)[0])
