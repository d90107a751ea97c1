"""Small Sparse R-CNNs, and every gradient of their losses against differences. Together they take every option.

RoIAlign gives boxes no gradient, and no round gives any to the boxes of the one before: so these boxes are held where
they are while the differences are taken (HeldBoxes).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import ops
from ..family.resnet import ResNetConfig
from ..family.sparse_rcnn import SparseRCNN, SparseRCNNConfig
from ..gradcheck import Report, compare_scaled, compare_zero, numerical_gradient
from .operations import noise
from .proof import order_one_parameters

STEP = 1e-5  # small enough to cross no ReLU's kink here, large enough for small gradients to keep their digits
IMAGE = 8, 12  # (height, width); of the first image a third is padding
RESNET = ResNetConfig(stem_width=3, stem_kernel=3, depths=(1, 1), widths=(4, 4), inner=(3, 3))


def _small(**options: object) -> SparseRCNNConfig:
    """Two rounds of three queries for two classes, with a LayerNorm that bends little."""
    sizes = dict(classes=2, channels=1, queries=3, width=4, heads=2, mlp_width=5, depth=2, dynamic_width=3, pool_size=2)
    more = dict(class_layers=1, box_layers=1, canonical_size=12.0, norm_eps=0.1)
    return SparseRCNNConfig(**sizes | more | options)


SPARSE_RCNNS = {
    "Sparse R-CNN": _small(backbone=RESNET, stages=(1, 2), box_layers=2),
    "Sparse R-CNN, one map, dropout": _small(
        backbone=None, map_widths=(2, 3, 4), stages=(1, 2, 3), strides=(4, 8, 16), pyramid="sum", dropout=0.2,
        class_layers=0, samples=1,
    ),
    "Sparse R-CNN, other weights": _small(
        backbone=None, map_widths=(3, 2), stages=(2, 3), strides=(4, 8), depth=1, heads=1,
        cost_weights=(1, 2, 3), loss_weights=(0.5, 3, 1),
    ),
}  # fmt: skip
# An image of two objects, and one of four: more than there are queries.
TARGETS = [
    {"labels": np.array([1, 0]), "boxes": np.array([[0.3, 0.4, 0.2, 0.5], [0.7, 0.6, 0.3, 0.2]])},
    {
        "labels": np.array([0, 1, 1, 0]),
        "boxes": np.array([[0.2, 0.2, 0.1, 0.3], [0.5, 0.8, 0.4, 0.2], [0.8, 0.3, 0.2, 0.4], [0.5, 0.5, 0.9, 0.8]]),
    },
]
KEYS = "self_attn.qkv.bias"  # a third of it is the keys', of which softmax sees nothing


class HeldBoxes:
    """minivit.ops, whose RoIAlign looks into the boxes that it was given the first time, and which moves them from
    there, too, but for the first round's, whose boxes are learned."""

    def __init__(self) -> None:
        self.boxes: list[np.ndarray] = []  # of each round
        self.round = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)

    def roi_align_forward(self, maps: np.ndarray, boxes: np.ndarray, *args: Any, **options: Any) -> tuple:
        if self.round == len(self.boxes):
            self.boxes.append(boxes.copy())
        return ops.roi_align_forward(maps, self.boxes[self.round], *args, **options)

    def box_deltas_forward(self, deltas: np.ndarray, boxes: np.ndarray) -> tuple:
        held = self.boxes[self.round] if self.round else boxes
        self.round += 1
        return ops.box_deltas_forward(deltas, held)


def small_sparse_rcnn(name: str, seed: int = 0) -> tuple[SparseRCNN, Any, np.ndarray]:
    """With parameters of order one, and boxes of all sizes; images, or maps, and the mask. What is padded holds
    numbers, too: zeros would be a max pool's tie."""
    config, rng = SPARSE_RCNNS[name], np.random.default_rng(seed)
    params = order_one_parameters(config, seed, SparseRCNN)
    start = [[0.5, 0.5, 0.9, 0.8], [0.3, 0.6, 0.2, 0.5], [0.8, 0.3, 0.5, 0.3]]
    params["init_proposal_boxes.weight"] = np.array(start) + 0.01 * rng.standard_normal((3, 4))
    model = SparseRCNN(config, params=params)
    mask = np.ones((2, *IMAGE), bool)
    mask[0, :, IMAGE[1] * 2 // 3 :] = False
    if config.backbone is not None:
        return model, rng.standard_normal((2, *IMAGE, config.channels)), mask
    sizes = ([-(-side // stride) for side in IMAGE] for stride in config.strides)
    return model, [rng.standard_normal((2, *hw, C)) for hw, C in zip(sizes, config.map_widths, strict=True)], mask


def check_sparse_rcnn(name: str, seed: int = 0) -> Report:
    """The loss's gradient for every parameter and for what is looked at. A ReLU has a kink, which no step must cross:
    they are small, and each error is relative to the largest gradient of its tensor."""
    model, images, mask = small_sparse_rcnn(name, seed)
    _, _, grads, dimages = model.losses_and_all_grads(images, TARGETS, mask, rng=noise())
    x, named = model.looked_at(images, mask)
    held, p = HeldBoxes(), model.arrays(model.layers) | named

    def loss() -> float:
        held.round = 0
        out, _ = model.layers.forward(held, p, x, noise())
        return model.loss_of(out, TARGETS, model.divisor(TARGETS))[0]

    loss()  # now the boxes are held
    seen = {f"map {i}": array for i, array in enumerate(x)} if isinstance(x, list) else {"images": x}
    analytic = grads | dict(zip(seen, dimages if isinstance(x, list) else [dimages], strict=True))
    return Report(tuple(_checks(analytic, model.params | seen, loss)))


def check_sparse_rcnns(seed: int = 0) -> Iterator[tuple[str, Report]]:
    """All of SPARSE_RCNNS, one by one."""
    for name in SPARSE_RCNNS:
        yield name, check_sparse_rcnn(name, seed)


def _checks(analytic: dict[str, np.ndarray], places: dict[str, np.ndarray], loss: Any) -> Iterator[Any]:
    for name, place in places.items():
        gradient, numeric = analytic[name], numerical_gradient(loss, place, STEP)
        if name.endswith(KEYS):
            (q, k, v), (nq, nk, nv) = gradient.reshape(3, -1), numeric.reshape(3, -1)
            yield compare_scaled(f"{name} (q, v)", np.stack((q, v)), np.stack((nq, nv)))
            yield compare_zero(f"{name} (k: zero)", k, nk, 1e-6)
        else:
            yield compare_scaled(name, gradient, numeric)
