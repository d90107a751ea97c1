"""The cross-entropy kernel against NumPy in float64, a row at a time, and by finite differences."""

import numpy as np
import pytest
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_PTX,
    assert_close_to_reference,
    compile_together,
    nans,
    run_by_name,
)

from minivit import ops
from minivit.devices.launches import cross_entropy
from minivit.gradcheck import gradcheck

compile_together(cross_entropy(1, 1, dtype) for dtype in (np.float32, np.float64))


def normal(*shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def loss_and_gradient(logits, labels, smoothing, via="source"):
    """Both outputs of the kernel; labels: classes (rows,) or probabilities (rows, classes), as in minivit.ops."""
    losses, dlogits = nans(len(logits), logits.dtype), nans(logits.shape, logits.dtype)
    values = cross_entropy_values(losses, dlogits, logits, labels, smoothing)
    run_by_name([cross_entropy(*logits.shape, logits.dtype, targets=labels.ndim == 2)], values, via)
    return losses, dlogits


def cross_entropy_values(losses, dlogits, logits, labels, smoothing):
    arrays = {"losses": losses, "dlogits": dlogits, "logits": logits, "labels": None, "targets": None}
    arrays["labels" if labels.ndim == 1 else "targets"] = labels
    return {**arrays, "rows": len(logits), "classes": logits.shape[1], "smoothing": smoothing}


def reference(logits, labels, smoothing):
    """NumPy's losses and gradients, a row at a time: its mean over one row is that row's loss."""
    losses, dlogits = np.empty(len(logits), logits.dtype), np.empty_like(logits)
    for row in range(len(logits)):
        one = slice(row, row + 1)
        losses[row], cache = ops.cross_entropy_forward(logits[one], labels[one], smoothing)
        dlogits[one] = ops.cross_entropy_backward(1.0, cache)
    return losses, dlogits


def targets_for(rows, classes, dtype, given):
    """Labels, or rows of probabilities, of which every third does not sum to 1."""
    rng = np.random.default_rng(rows)
    if given == "labels":
        return rng.integers(0, classes, rows).astype(np.int32)
    p = rng.dirichlet(np.ones(classes), rows)
    p[::3] *= 1.5
    return p.astype(dtype)


def check_cross_entropy(logits, labels, smoothing, via="source"):
    double = logits.astype(np.float64)
    exact = reference(double, labels if labels.ndim == 1 else labels.astype(np.float64), smoothing)
    rounded = reference(logits, labels, smoothing)
    # No term −y log p of a loss is negative: together they are as large as it. An error of the exponent counts p-fold.
    exponent = 1 + double.max(axis=1, keepdims=True) - double + np.log(logits.shape[1])
    magnitudes = exact[0] + 1, ops.softmax_forward(double)[0] * exponent + 1
    for got, *references, magnitude in zip(
        loss_and_gradient(logits, labels, smoothing, via), exact, rounded, magnitudes, strict=True
    ):
        assert_close_to_reference(got, *references, magnitude)


@SOURCE_AND_PTX
@pytest.mark.parametrize("smoothing", [0, 0.1])
@pytest.mark.parametrize("given", ["labels", "probabilities"])
@FLOAT_AND_DOUBLE
def test_cross_entropy(dtype, given, smoothing, via):
    for classes in (1, 2, 10, 33, 1000):
        for rows in (1, 17, 33) if classes < 1000 else (3,):
            logits = 3 * normal(rows, classes, dtype=dtype)
            check_cross_entropy(logits, targets_for(rows, classes, dtype, given), smoothing, via)


@pytest.mark.parametrize("given", ["labels", "probabilities"])
@FLOAT_AND_DOUBLE
def test_huge_logits_stay_finite(dtype, given):
    logits = (1e4 * np.sign(normal(17, 10))).astype(dtype)
    check_cross_entropy(logits, targets_for(17, 10, dtype, given), 0.1)


@FLOAT_AND_DOUBLE
def test_one_class_costs_nothing(dtype):
    losses, dlogits = loss_and_gradient(normal(3, 1, dtype=dtype), np.zeros(3, np.int32), 0.1)
    np.testing.assert_array_equal(losses, 0)
    np.testing.assert_array_equal(dlogits, 0)


@pytest.mark.parametrize("label", [-1, 10, 2**31 - 1])
def test_a_label_that_is_no_class_spoils_its_row(label):
    labels = np.array([3, label, 9], np.int32)
    losses, dlogits = loss_and_gradient(normal(3, 10), labels, 0.0)
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False])
    np.testing.assert_array_equal(np.isnan(dlogits), np.repeat([[False], [True], [False]], 10, axis=1))


@pytest.mark.parametrize("given", ["labels", "probabilities"])
def test_cross_entropy_gradients_by_finite_differences(given):
    labels = targets_for(4, 5, np.float64, given)

    def forward(logits):
        return loss_and_gradient(logits, labels, 0.1)

    def backward(dlosses, dlogits):
        return dlosses[:, None] * dlogits

    report = gradcheck(forward, backward, {"logits": normal(4, 5)})
    assert report.ok, f"\n{report}"
