"""Every gradient of whole small Sparse R-CNNs against central differences, with the boxes held that give none."""

import numpy as np
import pytest

from minivit.proof import SPARSE_RCNNS, check_sparse_rcnn, small_sparse_rcnn
from minivit.proof.sparse_rcnns import TARGETS, HeldBoxes


@pytest.mark.parametrize("name", SPARSE_RCNNS)
def test_every_gradient(name):
    report = check_sparse_rcnn(name)
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize("name", SPARSE_RCNNS)
def test_no_gradient_is_all_zero(name):
    """Nothing would be proved of a parameter that nothing depends on."""
    model, images, mask = small_sparse_rcnn(name)
    _, grads = model.loss_and_grads(images, TARGETS, mask)
    assert list(grads) == list(model.params)
    for parameter, grad in grads.items():
        assert grad.shape == model.params[parameter].shape and np.abs(grad).max() > 1e-5, parameter


def test_held_boxes_change_nothing_where_they_stand():
    model, images, mask = small_sparse_rcnn("Sparse R-CNN")
    x, named = model.looked_at(images, mask)
    held = HeldBoxes()
    (logits, boxes), _ = model.layers.forward(held, model.arrays(model.layers) | named, x)
    (expected_logits, expected_boxes), _ = model.forward(images, mask)
    np.testing.assert_array_equal(logits, expected_logits)
    np.testing.assert_array_equal(boxes, expected_boxes)
    assert len(held.boxes) == 2 and held.round == 2


def test_the_options_take_all_their_values():
    configs = SPARSE_RCNNS.values()
    assert {config.pyramid for config in configs} == {"levels", "sum"}
    assert {config.class_layers for config in configs} >= {0, 1}
    assert {config.backbone is None for config in configs} == {True, False}
    assert {bool(config.dropout) for config in configs} == {True, False}
