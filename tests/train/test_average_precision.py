"""Average precision: COCO's own tools, on boxes that nobody would draw; and by hand, where it can be."""

import contextlib
import io

import numpy as np
import pytest

from minivit.train.average_precision import _place_in_group, average_precision


def boxes(rng, n, side=250):
    corner, size = rng.uniform(0, side, (n, 2)), rng.uniform(1, side / 2, (n, 2))
    return np.round(4 * np.concatenate((corner, corner + size), axis=1)) / 4


def random_case(rng, images, classes, extra):
    """Objects, boxes near them, some of another class, `extra` anywhere; the last class has no object."""
    truth, found = [], []
    for _ in range(images):
        count = rng.integers(0, 6)
        its_boxes, its_labels = boxes(rng, count), rng.integers(0, classes - 1, count)
        truth.append({"labels": its_labels, "boxes": its_boxes})
        near = np.repeat(its_boxes, 3, axis=0)
        near = np.round(4 * (near + rng.normal(0, 6, near.shape))) / 4
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        other = boxes(rng, rng.integers(0, 5) + extra)
        labels = np.concatenate((np.repeat(its_labels, 3), rng.integers(0, classes, len(other))))
        labels[rng.random(len(labels)) < 0.1] = 1
        scores = np.round(rng.random(len(labels)), 1 if extra else 6)  # many alike
        order = rng.permutation(len(labels))
        all_boxes = np.concatenate((near, other))
        found.append({"scores": scores[order], "labels": labels[order], "boxes": all_boxes[order]})
    return found, truth


def coco(found, truth, classes):
    """The precision of pycocotools, laid out as ours: sizes, thresholds, classes, recalls."""
    tools = "pycocotools, which has no wheel for this platform, is not there: pip install 'minivit[test]'"
    pytest.importorskip("pycocotools", reason=tools)
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entries(images):
        for i, one in enumerate(images):
            for j, (label, (x0, y0, x1, y1)) in enumerate(zip(one["labels"], one["boxes"], strict=True)):
                size = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
                score = {"score": float(one["scores"][j])} if "scores" in one else {}
                yield {"image_id": i + 1, "category_id": int(label) + 1, "iscrowd": 0} | size | score

    objects = COCO()
    objects.dataset = {
        "images": [{"id": i + 1} for i in range(len(truth))],
        "annotations": [{"id": i + 1} | entry for i, entry in enumerate(entries(truth))],
        "categories": [{"id": k + 1} for k in range(classes)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        objects.createIndex()
        judge = COCOeval(objects, objects.loadRes(list(entries(found))), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    precision = judge.eval["precision"][..., -1].transpose(3, 0, 2, 1)  # of the most detections
    return np.where(precision == -1, np.nan, precision), judge.stats


@pytest.mark.parametrize("extra", [0, 300], ids=["few boxes", "more than count, and scores alike"])
def test_coco_s_own_tools_give_the_same(extra):
    for seed in range(6):
        found, truth = random_case(np.random.default_rng(seed), images=12, classes=4, extra=extra)
        ours = average_precision(found, truth, 4)
        theirs, stats = coco(found, truth, 4)
        assert np.array_equal(ours.precision, theirs, equal_nan=True)
        assert 0.005 < np.nanmean(theirs) < 0.9 and np.isnan(theirs).any()
        summary = [ours.ap, ours.ap50, ours.ap75, *(ours.mean(size) for size in ("small", "medium", "large"))]
        assert np.allclose(summary, np.where(stats[:6] == -1, np.nan, stats[:6]), rtol=0, atol=1e-12, equal_nan=True)


def test_by_hand():
    """Two objects; a hit, a miss, a hit: precision 1 up to recall .5, then 2/3."""
    truth = [{"labels": np.array([0, 0]), "boxes": np.array([[0.0, 0, 10, 10], [20.0, 20, 30, 30]])}]
    found = [
        {
            "scores": np.array([0.5, 0.9, 0.7]),
            "labels": np.array([0, 0, 0]),
            "boxes": np.array([[20.0, 20, 30, 28], [0.0, 0, 10, 10], [0.0, 0, 10, 9]]),  # the last: taken already
        }
    ]
    result = average_precision(found, truth, 2)
    assert result.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert result.curve()[[0, 50, 51]] == pytest.approx([1, 1, 2 / 3])
    assert result.mean(iou=0.9) == pytest.approx(51 / 101)  # the second overlaps by .8
    assert np.isnan(result.by_class[1]) and result.by_class[0] == result.ap50


def test_the_limits_of_small_and_large_are_the_caller_s():
    truth = [{"labels": np.array([0, 0]), "boxes": np.array([[0.0, 0, 10, 10], [20.0, 20, 40, 40]])}]
    found = [{"scores": np.array([0.9]), "labels": np.array([0]), "boxes": np.array([[0.0, 0, 10, 10]])}]
    result = average_precision(found, truth, 1, limits=(150.0, 300.0))
    assert result.mean("small") == pytest.approx(1) and np.isnan(result.mean("medium")) and result.mean("large") == 0
    assert np.isnan(average_precision(found, truth, 1).mean("large"))


def test_the_place_in_a_group_is_how_many_of_it_stand_before():
    """Of so many that a sort that is not stable would mix them."""
    groups, seen, places = np.random.default_rng(0).integers(0, 7, 3000), dict.fromkeys(range(7), 0), []
    for group in groups.tolist():
        places.append(seen[group])
        seen[group] += 1
    assert _place_in_group(groups).tolist() == places


def test_of_two_objects_that_overlap_alike_the_later_is_taken():
    """COCO's rule, which shows where the first is wanted by another detection."""
    objects = np.array([[0.0, 0, 10, 10], [0.0, 10, 10, 20]])
    between, on_first = [0.0, 0, 10, 20], [0.0, 0, 10, 10]
    truth = [{"labels": np.array([0, 0]), "boxes": objects}]
    found = [{"scores": np.array([0.9, 0.8]), "labels": np.array([0, 0]), "boxes": np.array([between, on_first])}]
    assert average_precision(found, truth, 1).ap50 == pytest.approx(1)


def test_nothing_found_and_nothing_there():
    empty = {"scores": np.zeros(0), "labels": np.zeros(0, int), "boxes": np.zeros((0, 4))}
    there = {"labels": np.array([1]), "boxes": np.array([[0.0, 0, 4, 4]])}
    found = {"scores": np.array([0.5]), "labels": np.array([1]), "boxes": np.array([[0.0, 0, 4, 4]])}
    assert average_precision([empty], [there], 2).ap == 0
    assert np.isnan(average_precision([found], [empty], 2).ap)
    assert average_precision([found, found], [empty, there], 2).ap == pytest.approx(0.5)  # one of the two is none


@pytest.mark.parametrize(
    ("found", "truth", "told"),
    [
        ([], [{"labels": np.zeros(0, int), "boxes": np.zeros((0, 4))}], "of 0 images and objects of 1"),
        (
            [{"scores": np.ones(2), "labels": np.zeros(1, int), "boxes": np.ones((1, 4))}],
            [{"labels": np.zeros(0, int), "boxes": np.zeros((0, 4))}],
            r"detections of image 0: scores has shape \(2,\), expected \(1,\)",
        ),
        (
            [{"scores": np.ones(1), "labels": np.array([2]), "boxes": np.ones((1, 4))}],
            [{"labels": np.zeros(0, int), "boxes": np.zeros((0, 4))}],
            "detections of image 0: labels are",
        ),
    ],
)
def test_what_does_not_go_together_is_told(found, truth, told):
    with pytest.raises(ValueError, match=told):
        average_precision(found, truth, 2)
