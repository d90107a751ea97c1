"""The distillation losses and their gradients are those of DeiT's code (run once with PyTorch, in float64)."""

from pathlib import Path

import numpy as np
import pytest

from minivit import ops
from minivit.gradcheck import gradcheck

FIXTURE = dict(np.load(Path(__file__).parents[1] / "fixtures" / "parity" / "distillation.npz"))
LOGITS, DIST_LOGITS, LABELS, TEACHER = (FIXTURE[name] for name in ("logits", "dist_logits", "labels", "teacher_logits"))


def soft(*arguments, temperature=3.0):
    return ops.soft_distillation_forward(*arguments, LABELS, TEACHER, 0.3, temperature, 0.1)


def hard(*arguments):
    return ops.hard_distillation_forward(*arguments, LABELS, TEACHER, 0.3, 0.1)


@pytest.mark.parametrize("name", ["hard", "soft", "soft_1"])
def test_equals_pytorch(name):
    alpha, temperature, smoothing = map(float, FIXTURE[f"{name}.options"])
    arguments = LOGITS, DIST_LOGITS, LABELS, TEACHER, alpha
    if name == "hard":
        loss, cache = ops.hard_distillation_forward(*arguments, smoothing)
        gradients = ops.hard_distillation_backward(1.0, cache)
    else:
        loss, cache = ops.soft_distillation_forward(*arguments, temperature, smoothing)
        gradients = ops.soft_distillation_backward(1.0, cache)
    np.testing.assert_allclose(loss, FIXTURE[f"{name}.loss"], rtol=1e-12)
    for gradient, which in zip(gradients, ("dlogits", "ddist_logits"), strict=True):
        np.testing.assert_allclose(gradient, FIXTURE[f"{name}.{which}"], atol=1e-12)


@pytest.mark.parametrize(
    ("forward", "backward"), [(hard, ops.hard_distillation_backward), (soft, ops.soft_distillation_backward)]
)
def test_gradients(forward, backward):
    report = gradcheck(forward, backward, {"logits": LOGITS, "dist_logits": DIST_LOGITS})
    assert report.ok, f"\n{report}"


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it():
    loss, cache = ops.soft_distillation_forward(LOGITS, TEACHER, LABELS, TEACHER, 1.0, 2.0)
    assert loss == pytest.approx(0, abs=1e-15)
    assert all(np.abs(gradient).max() < 1e-15 for gradient in ops.soft_distillation_backward(1.0, cache))


def test_at_a_high_temperature_soft_distillation_compares_the_logits_themselves():
    """Hinton et al., section 2.1: there the gradient is that of ½ (z − t)², of centred logits, over K, and B·K here."""
    _, cache = soft(LOGITS, DIST_LOGITS, temperature=1e4)
    _, gradient = ops.soft_distillation_backward(1.0, cache)
    centred = [x - x.mean(axis=1, keepdims=True) for x in (DIST_LOGITS, TEACHER)]
    B, K = LOGITS.shape
    np.testing.assert_allclose(gradient, 0.3 * (centred[0] - centred[1]) / K / (B * K), atol=1e-5)


def test_huge_logits_stay_finite():
    loss, cache = ops.soft_distillation_forward(LOGITS * 1e4, DIST_LOGITS * 1e4, LABELS, TEACHER * 1e4)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in ops.soft_distillation_backward(1.0, cache))
