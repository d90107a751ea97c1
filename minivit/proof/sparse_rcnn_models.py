"""Small Sparse R-CNNs, for detectors.py: together they take every value of every option."""

from typing import Any

import numpy as np

from ..family.resnet import ResNetConfig
from ..family.sparse_rcnn import SparseRCNN, SparseRCNNConfig

Pair = tuple[int, int]

BOXES = "init_proposal_boxes.weight"
START = [[0.5, 0.5, 0.9, 0.8], [0.3, 0.6, 0.2, 0.5], [0.8, 0.3, 0.5, 0.3]]
RESNET = ResNetConfig(stem_width=3, stem_kernel=3, depths=(1, 1), widths=(6, 6), inner=(3, 3))


def _small(**options: object) -> SparseRCNNConfig:
    """Two rounds of three queries for two classes, with a LayerNorm that bends little."""
    sizes = dict(classes=2, channels=1, queries=3, width=4, heads=2, mlp_width=5, depth=2, dynamic_width=3, pool_size=2)
    more = dict(class_layers=1, box_layers=1, canonical_size=12.0, norm_eps=0.1)
    return SparseRCNNConfig(**sizes | more | options)


# As DETECTORS: the class, the configuration, and what is looked at.
SPARSE_RCNNS: dict[str, tuple[type[SparseRCNN], Any, tuple[Pair, ...]]] = {
    "Sparse R-CNN": (SparseRCNN, _small(backbone=RESNET, stages=(1, 2), box_layers=2), ((8, 12),)),
    "Sparse R-CNN, one map, dropout": (
        SparseRCNN,
        _small(
            backbone=None, map_widths=(2, 3, 4), stages=(1, 2, 3), strides=(4, 8, 16), pyramid="sum", dropout=0.2,
            class_layers=0, samples=1,
        ),
        ((2, 3), (1, 2), (1, 1)),
    ),
    "Sparse R-CNN, other weights": (
        SparseRCNN,
        _small(
            backbone=None, map_widths=(3, 2), stages=(2, 3), strides=(4, 8), depth=1, heads=1,
            cost_weights=(1, 2, 3), loss_weights=(4, 3, 1),
        ),
        ((2, 3), (1, 2)),
    ),
}  # fmt: skip


def with_boxes(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Parameters of any detector; those that are boxes are given a size, a large one and small ones."""
    return params | {BOXES: START + 0.01 * params[BOXES]} if BOXES in params else params
