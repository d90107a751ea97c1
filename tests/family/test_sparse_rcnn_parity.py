"""Sparse R-CNN gives the numbers of a PyTorch reference in detectron2's names: from its pyramid to every gradient.

The fixture is a small model in float64; two rounds, four levels, and the second image smaller than the batch.
"""

import numpy as np
import pytest
from parity_support import BOUNDS, FIXTURES, assert_close

from minivit import ops
from minivit.family.fpn import pyramid
from minivit.family.matching import match, matching_costs
from minivit.family.sparse_rcnn import dynamic_interaction, sparse_rcnn
from minivit.layers import Chain
from minivit.weights import sparse_rcnn as files
from minivit.weights.layout import unfill

TYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
ROUNDS = 2
LEVELS = 2, 3, 4, 5


@pytest.fixture(scope="module")
def fixture():
    grads = np.load(FIXTURES / "sparse_rcnn_grads.npz")
    return dict(np.load(FIXTURES / "sparse_rcnn.npz")) | {name: grads[name] for name in grads}


def load(dtype=np.float64):
    """The file tells neither heads nor which box looks at which level."""
    return files.load(FIXTURES / "sparse_rcnn", heads=4, canonical_size=32.0, dtype=dtype)


def extent(fixture):
    """(w, h, w, h) of each image: (2, 4)."""
    return fixture["sizes"][:, [1, 0, 1, 0]].astype(float)


def centres(corners):
    return np.concatenate(((corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]), axis=-1)


def batch(fixture):
    """Images, mask and targets, boxes relative to each image's own size."""
    images = fixture["pixel_values"].transpose(0, 2, 3, 1)
    mask = np.zeros(images.shape[:3], bool)
    for there, (height, width) in zip(mask, fixture["sizes"], strict=True):
        there[:height, :width] = True
    assert not mask.all()
    targets = [
        {"labels": fixture[f"labels.{b}"], "boxes": centres(fixture[f"boxes.{b}"] / extent(fixture)[b])}
        for b in range(2)
    ]
    return images, mask, targets


@TYPES
def test_answers_of_every_round(fixture, dtype):
    model, bound = load(dtype), BOUNDS[dtype]
    images, mask, _ = batch(fixture)
    (logits, boxes), _ = model.forward(images, mask)
    assert logits.dtype == boxes.dtype == dtype
    for r in range(ROUNDS):
        assert_close(logits[r], fixture[f"logits.{r}"], bound, f"logits.{r}")
        pixels = ops.corners_forward(boxes[r].astype(np.float64))[0] * extent(fixture)[:, None]
        assert_close(pixels, fixture[f"pred_boxes.{r}"], bound, f"pred_boxes.{r}")
    last = model(images, mask)
    np.testing.assert_array_equal(last[0], logits[-1])
    np.testing.assert_array_equal(last[1], boxes[-1])


@TYPES
def test_the_loss_its_terms_and_every_gradient(fixture, dtype):
    model, bound = load(dtype), BOUNDS[dtype]
    images, mask, targets = batch(fixture)
    loss, terms, grads, dimages = model.losses_and_all_grads(images, targets, mask)
    assert loss == pytest.approx(float(fixture["loss"]), rel=bound)
    assert terms.keys() == {f"loss_{name}{after}" for name in ("ce", "bbox", "giou") for after in ("", "_0")}
    for name, term in terms.items():
        assert term == pytest.approx(float(fixture[name]), rel=bound, abs=bound), name
    layout = files._layout(model.config)
    theirs = unfill({name: layout[name] for name in model.params}, grads)
    assert {f"grad.{name}" for name in theirs} == {key for key in fixture if key.startswith("grad.")} - {
        "grad.pixel_values"
    }
    for name, grad in theirs.items():
        assert grad.dtype == dtype
        assert_close(grad, fixture[f"grad.{name}"], bound, name)
    there = np.broadcast_to(mask[..., None], images.shape)  # where it is padded, a tie of the max pool decides
    expected = fixture["grad.pixel_values"].transpose(0, 2, 3, 1)
    assert_close(dimages[there], expected[there], bound, "images")


def test_costs_and_pairs_of_every_round(fixture):
    model = load()
    images, mask, targets = batch(fixture)
    (logits, boxes), _ = model.forward(images, mask)
    said = logits, boxes, [t["labels"] for t in targets], [t["boxes"] for t in targets], model.config.criterion
    costs, pairs = matching_costs(*said), match(*said)
    for r, b in np.ndindex(ROUNDS, 2):
        expected = fixture[f"cost.{r}.{b}"]
        assert_close(costs[r][b][:, : expected.shape[1]], expected, 1e-8, f"cost.{r}.{b}")
        query, target = pairs[r][b]
        np.testing.assert_array_equal(query, fixture[f"match.{r}.{b}.query"])
        np.testing.assert_array_equal(target, fixture[f"match.{r}.{b}.target"])


class Seen:
    """minivit.ops, and what went through some of them."""

    def __init__(self, *names):
        self.seen = {name: [] for name in names}

    def __getattr__(self, name):
        def forward(*args, **options):
            y, cache = getattr(ops, name)(*args, **options)
            self.seen[name.removesuffix("_forward")].append((args, y))
            return y, cache

        return forward if name.removesuffix("_forward") in self.seen else getattr(ops, name)


def test_the_pyramid_and_what_is_seen_on_the_way(fixture):
    model = load()
    images, mask, _ = batch(fixture)
    x, named = model.looked_at(images, mask)
    seen = Seen("roi_align", "box_deltas", "flatten_levels")
    model.layers.forward(seen, model.arrays(model.layers) | named, x)
    ((maps,), _), *none = seen.seen["flatten_levels"]
    assert not none
    for level, got in zip(LEVELS, maps, strict=True):
        assert_close(got.transpose(0, 3, 1, 2), fixture[f"p{level}"], 1e-8, f"p{level}")
    stages = model.run(model.layers.parts[0], x)
    for level, got in zip(LEVELS, stages, strict=True):
        assert_close(got.transpose(0, 3, 1, 2), fixture[f"res{level}"], 1e-8, f"res{level}")
    np.testing.assert_allclose(seen.seen["roi_align"][0][0][1], fixture["boxes0"])
    levels = set()
    for r in range(ROUNDS):
        (_, boxes, *_), roi = seen.seen["roi_align"][r]
        level = ops.box_levels(boxes, (4, 8, 16, 32), 32.0, 4)
        np.testing.assert_array_equal(level, fixture[f"level.{r}"])
        levels |= set(level.flat)
        theirs = fixture[f"roi.{r}"]  # (B·N, D, S, S)
        assert_close(roi.swapaxes(2, 3).reshape(theirs.shape), theirs, 1e-8, f"roi.{r}")
        (deltas, before), _ = seen.seen["box_deltas"][r]
        assert_close(deltas, fixture[f"deltas.{r}"], 1e-8, f"deltas.{r}")
        np.testing.assert_array_equal(before, boxes)
    assert len(levels) > 1


@TYPES
def test_dynamic_interaction_is_the_published_one(dtype):
    """DynamicConv by itself: the answer, and every gradient."""
    published, bound = np.load(FIXTURES / "region_ops.npz"), BOUNDS[dtype]
    told = {key.removeprefix("dynamic_interaction."): published[key] for key in published if key.startswith("dynamic")}
    config = type("", (), dict(width=8, dynamic_width=3, pool_size=3, norm_eps=1e-5))
    layer = dynamic_interaction(config, "dyn")

    def theirs(name):
        return name.removeprefix("dyn.").replace(".", "__")

    p = {}
    for parameter in layer.parameters:
        array = told[theirs(parameter.name)].astype(dtype)
        p[parameter.name] = array.T if array.ndim == 2 else array
        assert p[parameter.name].shape == parameter.shape
    x, roi = told["proposals"][None].astype(dtype), told["roi"][None].astype(dtype)
    y, cache = layer.forward(ops, p | {"roi": roi}, x)
    assert_close(y[0], told["out"], bound, "out")
    dx, grads = layer.backward(ops, told["dout"][None].astype(dtype), cache)
    assert_close(dx[0], told["dproposals"], bound, "dproposals")
    assert_close(grads.pop("roi")[0], told["droi"], bound, "droi")
    assert grads.keys() == p.keys()
    for name, grad in grads.items():
        assert_close(grad.T if grad.ndim == 2 else grad, told[f"d{theirs(name)}"], bound, name)


def test_the_pyramid_is_a_loop_over_levels():
    """Odd sides: a map of 5 x 7 stands under one of 3 x 4."""
    rng = np.random.default_rng(0)
    sizes, widths, D = ((5, 7), (3, 4), (2, 2)), (2, 3, 4), 3
    maps = [rng.standard_normal((2, *size, C)) for size, C in zip(sizes, widths, strict=True)]
    layers = pyramid("levels", widths, D, (4, 8, 16)), pyramid("sum", widths, D, (4, 8, 16))
    p = {q.name: rng.standard_normal(q.shape) for q in layers[0].parameters}
    inner = [x @ p[f"fpn_lateral{k}.weight"] + p[f"fpn_lateral{k}.bias"] for k, x in zip((2, 3, 4), maps, strict=True)]
    for level in (1, 0):
        for i, j in np.ndindex(sizes[level]):
            inner[level][:, i, j] += inner[level + 1][:, i // 2, j // 2]
    (summed,) = layers[1](ops, p, maps)
    np.testing.assert_allclose(summed, inner[0], atol=1e-12)
    for k, got, x in zip((2, 3, 4), layers[0](ops, p, maps), inner, strict=True):
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        expected = np.zeros_like(got) + p[f"fpn_output{k}.bias"]
        for i, j, u, v in np.ndindex(*x.shape[1:3], 3, 3):
            expected[:, i, j] += padded[:, i + u, j + v] @ p[f"fpn_output{k}.weight"][u, v]
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_the_description_is_a_chain_that_begins_with_the_backbone():
    layers = sparse_rcnn(load().config)
    assert isinstance(layers, Chain) and len(layers.parts) == 3
    assert {p.name.split(".")[0] for p in layers.parts[0].parameters} == {"backbone"}
