"""Detection's operations: what each means, as a loop, and another implementation's numbers (PyTorch, in float64)."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from minivit import ops
from minivit.ops.sine_positions import frequencies

FIXTURE = dict(np.load(Path(__file__).parents[1] / "fixtures" / "family" / "detection_ops.npz"))
RNG = np.random.default_rng(0)


def of(name):
    """An operation's arrays by their names, channels last."""
    arrays = {key.removeprefix(f"{name}."): x for key, x in FIXTURE.items() if key.startswith(f"{name}.")}
    pictures = ("frozen_batchnorm", "sine")
    return {
        key: x.transpose(0, 2, 3, 1) if x.ndim == 4 and name.startswith(pictures) else x for key, x in arrays.items()
    }


def assert_same(got, expected):
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max(initial=0)))


def boxes(count):
    """Corners, of which some meet."""
    first = RNG.uniform(0, 10, (count, 2))
    return np.concatenate((first, first + RNG.uniform(1, 6, (count, 2))), axis=1)


def areas(a, b):
    """Of two boxes, the area in common, that of both together, and that of the box around them: cell by cell of a grid
    that is as fine as all their edges."""
    xs, ys = (sorted({a[axis], a[axis + 2], b[axis], b[axis + 2]}) for axis in (0, 1))
    common = union = 0.0
    for x0, x1 in itertools.pairwise(xs):
        for y0, y1 in itertools.pairwise(ys):
            inside = [c[0] <= x0 and x1 <= c[2] and c[1] <= y0 and y1 <= c[3] for c in (a, b)]
            common += all(inside) * (x1 - x0) * (y1 - y0)
            union += any(inside) * (x1 - x0) * (y1 - y0)
    return common, union, (xs[-1] - xs[0]) * (ys[-1] - ys[0])


def test_iou_and_giou_are_areas_of_a_grid():
    some, others = boxes(40), boxes(40)
    iou, giou = (forward(some, others)[0] for forward in (ops.iou_forward, ops.giou_forward))
    assert (iou > 0).sum() > 5 and (iou == 0).sum() > 5
    for i, (a, b) in enumerate(zip(some, others, strict=True)):
        common, union, hull = areas(a, b)
        assert iou[i] == pytest.approx(common / union, abs=1e-12)
        assert giou[i] == pytest.approx(common / union - (hull - union) / hull, abs=1e-12)


def test_boxes_that_agree_have_an_iou_of_1_and_far_ones_a_giou_near_minus_1():
    some = boxes(5)
    for forward in (ops.iou_forward, ops.giou_forward):
        assert_same(forward(some, some)[0], np.ones(5))
    far = ops.giou_forward(some, some + 1e6)[0]
    assert (far < -0.999).all() and (far > -1).all()


def test_every_pair_by_broadcasting():
    some, others = boxes(3), boxes(4)
    pairs = ops.giou_forward(some[:, None], others)[0]
    assert_same(pairs, np.array([[ops.giou_forward(a, b)[0] for b in others] for a in some]))


@pytest.mark.parametrize("name", ["iou", "giou"])
def test_iou_parity(name):
    x = of(name)
    a, b = np.repeat(x["a"][:, None], len(x["b"]), axis=1), np.repeat(x["b"][None], len(x["a"]), axis=0)
    y, cache = getattr(ops, f"{name}_forward")(a, b)
    da, db = getattr(ops, f"{name}_backward")(x["dout"], cache)
    assert_same(y, x["out"])
    assert_same(da.sum(axis=1), x["da"])
    assert_same(db.sum(axis=0), x["db"])


def test_giou_of_centres_parity():
    x = of("giou_cxcywh_paired")
    (a, a_cache), (b, b_cache) = ops.corners_forward(x["a"]), ops.corners_forward(x["b"])
    y, cache = ops.giou_forward(a, b)
    da, db = ops.giou_backward(x["dout"], cache)
    assert_same(y, x["out"])
    assert_same(ops.corners_backward(da, a_cache), x["da"])
    assert_same(ops.corners_backward(db, b_cache), x["db"])


def test_where_two_edges_lie_on_each_other_each_has_half_of_the_slope():
    box = np.array([0.0, 0.0, 2.0, 1.0])
    for name in ("iou", "giou"):
        _, cache = getattr(ops, f"{name}_forward")(box, box.copy())
        da, db = getattr(ops, f"{name}_backward")(np.ones(()), cache)
        assert_same(da, db)  # neither is the winner


@pytest.mark.parametrize(("name", "operation"), [("cxcywh_to_xyxy", "corners"), ("xyxy_to_cxcywh", "centres")])
def test_boxes_parity(name, operation):
    x = of(name)
    y, cache = getattr(ops, f"{operation}_forward")(x["boxes"])
    assert_same(y, x["out"])
    assert_same(getattr(ops, f"{operation}_backward")(x["dout"], cache), x["dboxes"])


def test_corners_and_back():
    assert_same(ops.corners_forward(np.array([[5.0, 3.0, 4.0, 2.0]]))[0], np.array([[3.0, 2.0, 7.0, 4.0]]))
    some = boxes(6)
    assert_same(ops.corners_forward(ops.centres_forward(some)[0])[0], some)


def test_focal_loss_parity():
    x = of("sigmoid_focal")
    options = (float(x[name]) for name in ("boxes", "alpha", "gamma"))
    loss, cache = ops.focal_loss_forward(x["logits"], x["targets"], *options)
    assert_same(loss, x["out"])
    assert_same(ops.focal_loss_backward(float(x["dout"]), cache), x["dlogits"])


def test_the_focal_loss_is_the_papers_number_by_number():
    logits, targets = RNG.standard_normal((4, 3)) * 3, RNG.integers(0, 2, (4, 3)).astype(float)
    total = 0.0
    for z, t in zip(logits.ravel(), targets.ravel(), strict=True):
        p = 1 / (1 + math.exp(-z))
        p_t, alpha_t = (p, 0.3) if t else (1 - p, 0.7)
        total += alpha_t * (1 - p_t) ** 2.5 * -math.log(p_t)
    assert ops.focal_loss_forward(logits, targets, 6.0, 0.3, 2.5)[0] == pytest.approx(total / 6, rel=1e-12)


def test_logits_of_any_size_have_a_loss_and_a_gradient():
    logits = np.array([1e4, -1e4, 1e4, -1e4])
    loss, cache = ops.focal_loss_forward(logits, np.array([1.0, 0.0, 0.0, 1.0]))
    assert loss == pytest.approx(1e4 * (0.75 + 0.25))
    assert np.isfinite(ops.focal_loss_backward(1.0, cache)).all()
    assert_same(ops.sigmoid_forward(logits)[0], np.array([1.0, 0.0, 1.0, 0.0]))


def test_weighted_cross_entropy_parity():
    x = of("weighted_cross_entropy")
    loss, cache = ops.weighted_cross_entropy_forward(x["logits"], x["labels"], x["weight"])
    assert_same(loss, x["out"])
    assert_same(ops.weighted_cross_entropy_backward(float(x["dout"]), cache), x["dlogits"])


def test_parts_of_a_batch_add_up_when_they_know_the_weights_of_the_whole():
    x = of("weighted_cross_entropy")
    whole = x["weight"][x["labels"]].sum()
    parts = [
        ops.weighted_cross_entropy_forward(logits, labels, x["weight"], whole)
        for logits, labels in zip(x["logits"], x["labels"], strict=True)
    ]
    assert_same(sum(loss for loss, _ in parts), x["out"])
    assert_same(np.stack([ops.weighted_cross_entropy_backward(1.0, c) for _, c in parts]), x["dlogits"] / x["dout"])


@pytest.mark.parametrize(("name", "shift"), [("sine_detr", 0.0), ("sine_deformable", -0.5)])
def test_sine_positions_parity(name, shift):
    x = of(name)
    got = ops.sine_positions(x["mask"], int(x["width"]), shift)
    assert_same(got, x["out"].reshape(got.shape))


@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_sine_positions_are_the_loop_over_cells(shift):
    """An image of 2 x 3 cells in a map of 3 x 4: y first, and its sine and cosine side by side."""
    mask, width = np.zeros((1, 3, 4), bool), 8
    mask[0, :2, :3] = True
    got = ops.sine_positions(mask, width, shift).reshape(3, 4, width)
    for i in range(2):
        for j in range(3):
            for first, place, last in ((0, i + 1, 2), (width // 2, j + 1, 3)):
                for pair in range(width // 4):
                    angle = (place + shift) / (last + 1e-6) * 2 * math.pi / 10000 ** (2 * pair / (width // 2))
                    assert got[i, j, first + 2 * pair] == pytest.approx(math.sin(angle), abs=1e-12)
                    assert got[i, j, first + 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-12)
    assert_same(frequencies(4, got), np.array([1.0, 100.0]))


@pytest.mark.parametrize("size", [(19, 25), (5, 7), (2, 2), (37, 50)])
def test_a_mask_at_another_size_is_its_nearest_cells(size):
    mask = FIXTURE["mask_resize.mask"] != 0
    got, (h, w) = ops.resize_mask(mask, size), size
    np.testing.assert_array_equal(got, FIXTURE[f"mask_resize.{h}x{w}"])
    for i in range(h):
        for j in range(w):
            np.testing.assert_array_equal(got[:, i, j], mask[:, i * 37 // h, j * 50 // w])


def test_masked_attention_parity():
    x = of("masked_attention")
    out, cache = ops.attention_forward(x["q"], x["k"], x["v"], ops.key_mask(x["mask"], np.float64))
    assert_same(out, x["out"])
    for got, name in zip(ops.attention_backward(x["dout"], cache), ("dq", "dk", "dv"), strict=False):
        assert_same(got, x[name])


def test_frozen_batchnorm_parity():
    x = of("frozen_batchnorm")
    constants = (x[name] for name in ("weight", "bias", "running_mean", "running_var"))
    y, cache = ops.frozen_batchnorm_forward(x["x"], *constants, float(x["eps"]))
    assert_same(y, x["out"])
    assert_same(ops.frozen_batchnorm_backward(x["dout"], cache), x["dx"])


def test_a_frozen_batchnorm_is_a_batchnorm_in_evaluation():
    x, numbers = RNG.standard_normal((2, 3, 4, 5)), RNG.uniform(0.5, 2, (4, 5))
    assert_same(ops.frozen_batchnorm_forward(x, *numbers)[0], ops.batchnorm_forward(x, *numbers)[0])


@pytest.mark.parametrize(("stride", "padding"), [(1, 2), (2, 2), (1, 0)])
def test_a_dilated_convolution_is_the_loop_over_places(stride, padding):
    x, weight = RNG.standard_normal((2, 7, 6, 3)), RNG.standard_normal((3, 2, 3, 4))
    y, _ = ops.convolution_forward(x, weight, stride, padding, 2)
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    assert y.shape[1:3] == tuple((padded.shape[axis] - extent) // stride + 1 for axis, extent in ((1, 5), (2, 3)))
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            window = padded[:, i * stride : i * stride + 5 : 2, j * stride : j * stride + 3 : 2]
            assert_same(y[:, i, j], np.einsum("buvc,uvco->bo", window, weight))


def test_levels_follow_each_other_in_reading_order():
    fine, coarse = RNG.standard_normal((2, 2, 3, 4)), RNG.standard_normal((2, 1, 2, 4))
    tokens, cache = ops.flatten_levels_forward([fine, coarse])
    rows = [*(fine[:, i, j] for i in range(2) for j in range(3)), *(coarse[:, 0, j] for j in range(2))]
    np.testing.assert_array_equal(tokens, np.stack(rows, axis=1))
    for got, expected in zip(ops.flatten_levels_backward(tokens, cache), (fine, coarse), strict=True):
        np.testing.assert_array_equal(got, expected)
