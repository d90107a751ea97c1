"""The operations of convolutional models, for proof.py, with every option: a part of OPS."""

from collections.abc import Callable, Mapping

import numpy as np

from .. import ops

PICTURE = {"x": (2, 5, 4, 3)}  # (B, height, width, C)
BATCHNORM = PICTURE | {"gamma": (3,), "beta": (3,)}
RUNNING = np.array([0.3, -0.5, 0.1]), np.array([0.5, 1.5, 0.8])  # mean and variance of each channel


def _gradients(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, ...]:
    """Without the buffers' new values, which stand behind them."""
    return ops.batchnorm_backward(dy, cache)[:3]


def _running(x: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(statistic.astype(x.dtype) for statistic in RUNNING)


CONVOLUTIONS: dict[str, tuple[Callable, Callable, Mapping[str, tuple[int, ...]]]] = {
    "batchnorm": (lambda x, *args: ops.batchnorm_forward(x, *args, *_running(x)), _gradients, BATCHNORM),
    "batchnorm, training": (
        lambda x, *args: ops.batchnorm_forward(x, *args, *_running(x), training=True),
        _gradients,
        BATCHNORM,
    ),
    "batchnorm, training, eps 0.5": (
        lambda x, *args: ops.batchnorm_forward(x, *args, *_running(x), training=True, eps=0.5),
        _gradients,
        {"x": (7, 3), "gamma": (3,), "beta": (3,)},
    ),
}
