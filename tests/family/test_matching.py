"""Matching: the assignment is the cheapest, ties included; the costs are those of the definition."""

import builtins
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from minivit import ops
from minivit.__main__ import main
from minivit.family.criterion import Criterion
from minivit.family.matching import assign, match, matching_costs, solver

FIXTURE = dict(np.load(Path(__file__).parents[1] / "fixtures" / "family" / "detection_ops.npz"))
SOFTMAX, FOCAL = Criterion("softmax"), Criterion("focal", cost=(2, 5, 2))


def cheapest(cost):
    """By trying all."""
    rows, columns = cost.shape
    if rows < columns:
        return cheapest(cost.T)
    return min(sum(cost[list(chosen), range(columns)]) for chosen in itertools.permutations(range(rows), columns))


def assert_one_to_one(cost, rows, columns):
    count = min(cost.shape)
    assert len(rows) == len(columns) == len({*rows}) == len({*columns}) == count
    assert list(rows) == sorted(rows)


@pytest.mark.parametrize("tied", [False, True])
def test_the_assignment_is_the_cheapest_of_500(tied):
    """Tied: costs of 0, 1 and 2, so that many are the cheapest. Whoever finds another one finds the same total."""
    rng = np.random.default_rng(int(tied))
    for _ in range(500):
        shape = rng.integers(1, 7), rng.integers(1, 5)
        cost = rng.integers(0, 3, shape).astype(float) if tied else rng.standard_normal(shape)
        rows, columns = assign(cost)
        assert_one_to_one(cost, rows, columns)
        assert cost[rows, columns].sum() == pytest.approx(cheapest(cost), abs=1e-12)


def test_large_ones_cost_as_much_as_the_witness_says():
    rng = np.random.default_rng(2)
    for queries, objects in ((100, 7), (300, 60), (60, 60), (10, 25)):
        cost = rng.standard_normal((queries, objects)) + 3 * rng.standard_normal((queries, 1))
        rows, columns = assign(cost)
        assert_one_to_one(cost, rows, columns)
        assert cost[rows, columns].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum(), abs=1e-9)


def test_the_fixtures_assignments_have_their_totals():
    count = sum(key.endswith(".cost") for key in FIXTURE if key.startswith("assignment."))
    assert count > 3
    for i in range(count):
        case = {key.split(".")[-1]: x for key, x in FIXTURE.items() if key.startswith(f"assignment.{i}.")}
        rows, columns = assign(case["cost"])
        assert case["cost"][rows, columns].sum() == pytest.approx(float(case["total"]), abs=1e-9)
        if case["unique"]:
            np.testing.assert_array_equal(rows, case["row"])
            np.testing.assert_array_equal(columns, case["column"])


def said(seed, layers=2, images=3, queries=5, classes=4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((layers, images, queries, classes)), rng.uniform(0.2, 0.8, (layers, images, queries, 4))


LABELS = [np.array([1, 0]), np.array([], int), np.array([2, 2, 1, 0, 1, 2, 0])]
BOXES = [np.random.default_rng(9).uniform(0.2, 0.8, (len(labels), 4)) for labels in LABELS]


@pytest.mark.parametrize(
    "criterion",
    [SOFTMAX, FOCAL, replace(FOCAL, corners=True, alpha=0.4, gamma=1.5), replace(SOFTMAX, cost=(3, 0.5, 1))],
)
def test_a_cost_is_the_sum_of_three(criterion):
    """Query by query and object by object."""
    logits, boxes = said(0)
    costs = matching_costs(logits, boxes, LABELS, BOXES, criterion)
    of_class, of_l1, of_giou = criterion.cost
    for layer, image, query in np.ndindex(logits.shape[:3]):
        z, b = logits[layer, image, query], boxes[layer, image, query]
        for t, (label, target) in enumerate(zip(LABELS[image], BOXES[image], strict=True)):
            corners, its = (ops.corners_forward(x)[0] for x in (b, target))
            l1 = abs(corners - its).sum() if criterion.corners else abs(b - target).sum()
            p = np.exp(z[label]) / np.exp(z).sum() if criterion.classify == "softmax" else 1 / (1 + np.exp(-z[label]))
            found = criterion.alpha * (1 - p) ** criterion.gamma * -np.log(p + 1e-8)
            not_found = (1 - criterion.alpha) * p**criterion.gamma * -np.log(1 - p + 1e-8)
            by_class = -p if criterion.classify == "softmax" else found - not_found
            expected = of_class * by_class + of_l1 * l1 - of_giou * ops.giou_forward(corners, its)[0]
            assert costs[layer, image, query, t] == pytest.approx(expected, abs=1e-12)


def test_each_layer_and_image_is_matched_by_itself():
    """An image without objects has no pairs; one with more of them than queries has one for each query."""
    logits, boxes = said(1)
    pairs = match(logits, boxes, LABELS, BOXES, SOFTMAX)
    costs = matching_costs(logits, boxes, LABELS, BOXES, SOFTMAX)
    for layer, image in np.ndindex(2, 3):
        query, found = pairs[layer][image]
        cost = costs[layer, image, :, : len(LABELS[image])]
        assert_one_to_one(cost, query, found)
        assert len(query) == min(5, len(LABELS[image]))
        assert cost[query, found].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum(), abs=1e-12)
    assert any(not np.array_equal(a, b) for a, b in zip(pairs[0][2], pairs[1][2], strict=True))


def test_no_object_at_all_is_no_pair():
    logits, boxes = said(2)
    for of_layer in match(logits, boxes, [np.array([], int)] * 3, [np.zeros((0, 4))] * 3, FOCAL):
        assert all(len(query) == len(found) == 0 for query, found in of_layer)


def test_what_is_not_finite_is_told():
    logits, boxes = said(3)
    logits[1, 2, 0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="logits or boxes hold NaN or infinity: nothing can be matched"):
        match(logits, boxes, LABELS, BOXES, SOFTMAX)


def test_without_scipy_the_extra_is_named(monkeypatch, tmp_path, capsys):
    def refuse(name, *rest):
        if name.startswith("scipy"):
            raise ImportError(f"no {name}")
        return real(name, *rest)

    real = builtins.__import__
    solver.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"matched by SciPy \(no scipy.optimize\): pip install 'minivit\[detect\]'"):
        assign(np.zeros((2, 2)))
    train = ["train", "--architecture", "detr", "--epochs", "1", "--workers", "1", "--out", str(tmp_path / "run")]
    assert main(train) == 2
    told = "minivit: objects are matched by SciPy (no scipy.optimize): pip install 'minivit[detect]'\n"
    assert capsys.readouterr() == ("", told)
    assert not list(tmp_path.iterdir())
