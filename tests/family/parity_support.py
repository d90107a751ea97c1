"""Another implementation's numbers, held against ours: a fixture's logits, loss, features, and every gradient."""

from pathlib import Path

import numpy as np

from minivit import ops
from minivit.weights.layout import unfill

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
BOUNDS = {np.float64: 1e-8, np.float32: 1e-4}


def file_of(name):
    """A fixture's weights: a file, or a folder that has a config.json beside it."""
    folder = FIXTURES / name
    return folder if folder.is_dir() else FIXTURES / f"{name}.safetensors"


def assert_close(got, expected, bound, what):
    """max|a − b| ≤ bound · max(1, max|b|), and the same shape."""
    assert got.shape == expected.shape, what
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound * max(1, np.abs(expected).max()), err_msg=what)


def assert_parity(model, fixture, layout, training=False):
    """Logits, loss, and the gradients of all that the file names, in its own layouts; of the images, too. Returns ours.

    layout: where each parameter lies in the file.
    """
    bound = BOUNDS[model.dtype.type]
    logits, cache = model.forward(fixture["images"], training=training)
    assert_close(logits, fixture["logits"], bound, "logits")
    loss, loss_cache = ops.cross_entropy_forward(logits, fixture["labels"])
    assert_close(np.asarray(loss), fixture["loss"], bound, "loss")
    grads, dimages = model.backward(ops.cross_entropy_backward(1.0, loss_cache), cache)
    assert_close(dimages, fixture["grad_images"], bound, "images")
    theirs = unfill({ours: layout[ours] for ours in model.params}, grads)
    assert {f"grad.{name}" for name in theirs} == {key for key in fixture if key.startswith("grad.")}
    for name, grad in theirs.items():
        assert grad.dtype == model.dtype
        assert_close(grad, fixture[f"grad.{name}"], bound, name)
    return grads
