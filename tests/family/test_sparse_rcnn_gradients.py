"""What test_detector_gradients.py needs to be so for Sparse R-CNN: boxes are held that give no gradient."""

import numpy as np

from minivit.family.sparse_rcnn import SparseRCNNConfig
from minivit.proof import small_detector
from minivit.proof.held import Held
from minivit.proof.sparse_rcnn_models import SPARSE_RCNNS


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
