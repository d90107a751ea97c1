"""Canvases of digits: those of another implementation to the bit, and what a set promises."""

from pathlib import Path

import numpy as np
import pytest

from minivit.data import Canvases, load_canvas
from minivit.data.canvas import OVERLAP, PARTS

PUBLISHED = Path(__file__).parents[1] / "fixtures" / "family" / "digits_canvas.npz"


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_canvases_of_another_implementation_to_the_bit(part):
    with np.load(PUBLISHED) as file:
        expected = {name: file[f"{part}.{name}"] for name in ("images", "count", "labels", "boxes", "start")}
    images, targets = load_canvas(part, len(expected["images"]), start=int(expected["start"]))
    assert images.dtype == np.uint8 and np.array_equal(images[..., 0], expected["images"])
    assert [len(target["labels"]) for target in targets] == expected["count"].tolist()
    for name in ("labels", "boxes"):
        assert np.array_equal(np.concatenate([target[name] for target in targets]), expected[name])


def test_a_canvas_follows_from_seed_and_index_alone():
    images, targets = load_canvas("train", 4, seed=5, start=10)
    again, its = Canvases("train", seed=5)[np.array([12, 11])]
    assert np.array_equal(again, images[[2, 1]])
    assert np.array_equal(its[0]["boxes"], targets[2]["boxes"])
    assert not np.array_equal(load_canvas("train", 1, seed=6, start=10)[0], images[:1])


def test_the_digits_of_a_part_are_on_no_canvas_of_its_counterpart():
    digits = {name: set(part.digits) for name, part in PARTS.items()}
    assert not digits["train"] & digits["test"] and not digits["tune"] & digits["validation"]
    assert digits["tune"] | digits["validation"] == digits["train"]
    assert len(digits["train"] | digits["test"]) == 10_000


def test_what_is_on_a_canvas():
    images, targets = load_canvas("test", 200)
    assert images.shape == (200, 64, 64, 1)
    counts = np.array([len(target["labels"]) for target in targets])
    assert set(counts) == {1, 2, 3, 4, 5} and 2.7 < counts.mean() < 3.1
    for image, target in zip(images, targets, strict=True):
        corners = 64 * (target["boxes"] @ [[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]])
        assert np.array_equal(corners, np.round(corners)) and corners.min() >= 0 and corners.max() <= 64
        for i, (x0, y0, x1, y1) in enumerate(corners.astype(int)):
            assert image[y0:y1, x0:x1].max() > 120  # there is ink in the box
            for a0, b0, a1, b1 in corners[:i]:
                common = max(0, min(x1, a1) - max(x0, a0)) * max(0, min(y1, b1) - max(y0, b0))
                assert common <= OVERLAP * min((x1 - x0) * (y1 - y0), (a1 - a0) * (b1 - b0))
        assert 16 <= max(corners[0, 2:] - corners[0, :2]) <= 28


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (dict(part="dev"), "part is 'dev', expected one of 'train', 'test'"),
        (dict(count=0), "expected at least one"),
        (dict(start=-1), "each 0 or more"),
        (dict(seed=-1), "seed is -1, expected at least 0"),
    ],
)
def test_what_makes_no_set_is_told(wrong, told):
    with pytest.raises(ValueError, match=told):
        load_canvas(**wrong)
