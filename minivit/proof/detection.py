"""The operations of detectors, for proof.py, with every option: a part of OPS."""

from collections.abc import Callable, Mapping

import numpy as np

from .. import ops

PICTURE = {"x": (2, 6, 5, 3)}  # (B, height, width, C)
# Corners: apart, crossing, one in the other, side by side. What is drawn moves them a little: nobody changes places.
BOXES = np.array([[0, 0, 30, 40], [100, 20, 160, 90], [0, 0, 200, 100], [30, 300, 90, 330]])
OTHERS = np.array([[60, 80, 100, 130], [130, 50, 190, 150], [50, 20, 90, 70], [120, 310, 180, 400]])
FAR = np.array([[5.0, -5.0, 5.0, -5.0], [-5.0, 5.0, 5.0, -5.0], [5.0, 5.0, -5.0, -5.0]])
LABELS, WEIGHT = np.array([[4, 0, 2], [4, 4, 1]]), np.array([1.0, 1.0, 0.5, 1.0, 0.1])
FOUND = np.array([[[0, 1], [0, 0], [1, 1]], [[0, 0], [1, 0], [0, 0]]])
STATISTICS = np.array([[1.2, 0.8, -0.5], [0.3, -0.2, 0.1], [0.3, -0.5, 0.1], [0.5, 1.5, 0.8]])  # γ, β, μ, σ²


def _pair(function: Callable) -> Callable:
    return lambda a, b: function(a + BOXES.astype(a.dtype), b + OTHERS.astype(b.dtype))


def _frozen(eps: float) -> Callable:
    return lambda x: ops.frozen_batchnorm_forward(x, *STATISTICS.astype(x.dtype), eps)


def _weighted(*divisor: float) -> Callable:
    return lambda logits: ops.weighted_cross_entropy_forward(logits, LABELS, WEIGHT.astype(logits.dtype), *divisor)


def _focal(*options: float) -> Callable:
    return lambda logits: ops.focal_loss_forward(logits, FOUND.astype(logits.dtype), *options)


# As OPS in operations.py.
DETECTION: dict[str, tuple[Callable, Callable, Mapping[str, tuple[int, ...]]]] = {
    "corners": (ops.corners_forward, ops.corners_backward, {"boxes": (2, 3, 4)}),
    "centres": (ops.centres_forward, ops.centres_backward, {"corners": (2, 3, 4)}),
    "iou": (_pair(ops.iou_forward), ops.iou_backward, {"a": (4, 4), "b": (4, 4)}),
    "giou": (_pair(ops.giou_forward), ops.giou_backward, {"a": (4, 4), "b": (4, 4)}),
    "l1_loss": (lambda x: ops.l1_loss_forward(x, FAR.astype(x.dtype)), ops.l1_loss_backward, {"x": (3, 4)}),
    "l1_loss, of a larger batch": (
        lambda x: ops.l1_loss_forward(x, FAR.astype(x.dtype), 7.0),
        ops.l1_loss_backward,
        {"x": (3, 4)},
    ),
    "focal_loss": (_focal(), ops.focal_loss_backward, {"logits": (2, 3, 2)}),
    "focal_loss, of a larger batch": (_focal(5.0, 0.4, 1.5), ops.focal_loss_backward, {"logits": (2, 3, 2)}),
    "weighted_cross_entropy": (_weighted(), ops.weighted_cross_entropy_backward, {"logits": (2, 3, 5)}),
    "weighted_cross_entropy, of a larger batch": (
        _weighted(6.5),
        ops.weighted_cross_entropy_backward,
        {"logits": (2, 3, 5)},
    ),
    "frozen_batchnorm": (_frozen(1e-5), ops.frozen_batchnorm_backward, PICTURE),
    "frozen_batchnorm, eps 0.5": (_frozen(0.5), ops.frozen_batchnorm_backward, {"x": (4, 3)}),
    "add_bias": (ops.add_bias_forward, ops.add_bias_backward, PICTURE | {"bias": (3,)}),
    "sigmoid": (ops.sigmoid_forward, ops.sigmoid_backward, PICTURE),
    "flatten_levels": (
        lambda *maps: ops.flatten_levels_forward(list(maps)),
        lambda dy, cache: tuple(ops.flatten_levels_backward(dy, cache)),
        {"fine": (2, 3, 4, 2), "coarse": (2, 2, 1, 2)},
    ),
    "stack": (
        lambda *xs: ops.stack_forward(list(xs)),
        lambda dy, cache: tuple(ops.stack_backward(dy, cache)),
        {"first": (2, 3), "second": (2, 3)},
    ),
    "convolution, dilation 2": (
        lambda x, w: ops.convolution_forward(x, w, 1, 2, 2),
        ops.convolution_backward,
        PICTURE | {"weight": (3, 3, 3, 2)},
    ),
    "convolution, dilation 2, stride 2": (
        lambda x, w: ops.convolution_forward(x, w, 2, ((1, 0), (2, 1)), 2),
        ops.convolution_backward,
        PICTURE | {"weight": (2, 3, 3, 2)},
    ),
    "convolution, dilation 3, a margin wider than the kernel": (
        lambda x, w: ops.convolution_forward(x, w, 1, 4, 3),
        ops.convolution_backward,
        PICTURE | {"weight": (2, 2, 3, 2)},
    ),
}
