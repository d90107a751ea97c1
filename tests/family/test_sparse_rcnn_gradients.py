"""Every gradient of whole small Sparse R-CNNs against central differences, with the boxes held that give none."""

import numpy as np
import pytest

from minivit.family.sparse_rcnn import SparseRCNNConfig
from minivit.proof import check_detector, small_detector
from minivit.proof.detectors import TARGETS
from minivit.proof.held import Held
from minivit.proof.sparse_rcnn_models import SPARSE_RCNNS


@pytest.mark.parametrize("name", SPARSE_RCNNS)
def test_every_gradient(name):
    report = check_detector(name)
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize("name", SPARSE_RCNNS)
def test_no_gradient_is_all_zero(name):
    """Nothing would be proved of a parameter that nothing depends on."""
    model, images, mask = small_detector(name)
    _, grads = model.loss_and_grads(images, TARGETS, mask)
    assert list(grads) == list(model.params)
    for parameter, grad in grads.items():
        assert grad.shape == model.params[parameter].shape and np.abs(grad).max() > 1e-4, parameter


def test_held_boxes_change_nothing_where_they_stand():
    model, images, mask = small_detector("Sparse R-CNN")
    expected, _ = model.forward(images, mask)
    model.device = held = Held(model.device)
    for _ in range(2):
        said, _ = model.forward(images, mask)
        for got, right in zip(said, expected, strict=True):
            np.testing.assert_array_equal(got, right)
        held.replay()


def test_the_options_take_all_their_values():
    configs = [config for _, config, _ in SPARSE_RCNNS.values()]
    assert all(isinstance(config, SparseRCNNConfig) for config in configs)
    assert {config.pyramid for config in configs} == {"levels", "sum"}
    assert {config.class_layers for config in configs} >= {0, 1}
    assert {config.backbone is None for config in configs} == {True, False}
    assert {bool(config.dropout) for config in configs} == {True, False}
