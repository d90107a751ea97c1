"""What is to be found in a batch: checked at the door, packed into one array, unpacked."""

import numpy as np
import pytest

from minivit.model.targets import check_targets, pack_targets, unpack_targets

BOX = [0.5, 0.5, 0.2, 0.3]
GOOD = {"labels": np.array([1, 2]), "boxes": np.array([BOX, [0.1, 0.2, 0.1, 0.1]])}
NONE = {"labels": [], "boxes": []}


def test_lists_and_numbers_of_any_kind_become_arrays():
    targets = check_targets([{"labels": [1], "boxes": [BOX]}, NONE, GOOD], 3, 10)
    assert [len(target["labels"]) for target in targets] == [1, 0, 2]
    for target in targets:
        assert target["labels"].dtype == np.int64 and target["boxes"].dtype == np.float64
        assert target["boxes"].shape == (len(target["labels"]), 4)


def test_packed_targets_come_back_and_are_as_good():
    targets = [NONE, GOOD, {"labels": np.array([0]), "boxes": np.array([BOX])}]
    packed = pack_targets(targets)
    assert packed.shape == (3, 2, 5) and packed.dtype == np.float64
    for got, given in zip(unpack_targets(packed), check_targets(targets, 3, 10), strict=True):
        np.testing.assert_array_equal(got["labels"], given["labels"])
        np.testing.assert_array_equal(got["boxes"], given["boxes"])
    assert [len(target["labels"]) for target in check_targets(packed[1:], 2, 10)] == [2, 1]
    assert pack_targets([NONE]).shape == (1, 1, 5)
    with pytest.raises(ValueError, match=r"packed targets have shape \(3, 10\), expected \(n, T, 5\)"):
        check_targets(packed.reshape(3, 10), 3, 10)


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        (GOOD, TypeError, "targets are a dict, expected a list of dicts with 'labels' and 'boxes'"),
        ([GOOD], ValueError, "1 targets for 2 images, expected as many of each"),
        ([GOOD, 3], TypeError, "target 1 is a int, expected a dict of 'labels' and 'boxes'"),
        ([GOOD, {"labels": []}], TypeError, "target 1 is a dict of 'labels', expected a dict of"),
        ([GOOD, GOOD | {"boxes": [BOX]}], ValueError, r"labels of shape \(2,\) and boxes of shape \(1, 4\), expected"),
        (
            [GOOD, GOOD | {"labels": [1.0, 2.0]}],
            TypeError,
            "target 1 has labels of float64, expected integers",
        ),
        ([GOOD, GOOD | {"labels": [1, 10]}], ValueError, "target 1 has labels from 1 to 10, expected 0 … 9"),
        ([GOOD, GOOD | {"boxes": [BOX, [3, 9, 20, 30]]}], ValueError, r"from 0.2 to 30, expected \(cx, cy, w, h\) in"),
        ([GOOD, GOOD | {"boxes": [BOX, [np.nan] * 4]}], ValueError, "target 1 has boxes with numbers from nan to nan"),
        ([GOOD, GOOD | {"boxes": [BOX, [0.5, 0.5, 0.0, 0.1]]}], ValueError, "expected an area in each"),
    ],
)
def test_what_is_none_is_told_with_its_image(targets, error, message):
    with pytest.raises(error, match=message):
        check_targets(targets, 2, 10)
