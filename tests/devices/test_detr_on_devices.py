"""DETR on the devices: attention without a mask and LayerNorm have their kernels, all else is NumPy's; objects are
matched on the host. The numbers are NumPy's."""

from dataclasses import replace

import numpy as np
import pytest
from kernel_support import ON_DEVICES

from minivit.family import DETR
from minivit.model.targets import pack_targets
from minivit.proof import DETECTORS, small_detector
from minivit.proof.detectors import TARGETS

NAMES = [name for name, (kind, _, _) in DETECTORS.items() if kind is DETR]


def on(device, model):
    """The same numbers there."""
    return type(model)(model.config, params=model.numpy_arrays(), device=device)


def assert_near(there, got, expected, bound, what=""):
    got = there.device.to_numpy(got)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound * max(1, np.abs(expected).max()), err_msg=what)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", NAMES)
@ON_DEVICES
def test_what_it_says_its_loss_and_every_gradient_are_numpys(device, name, masked, dtype, bound, request):
    if device == "cuda":
        request.getfixturevalue("fake_cuda")
    small, images, mask = small_detector(name)
    params = {key: array.astype(dtype) for key, array in small.numpy_arrays().items()}
    cpu = DETR(replace(small.config, dropout=0.0, attention_dropout=0.0), params=params)
    there, mask = on(device, cpu), mask if masked else None
    for got, expected in zip(there(images, mask), cpu(images, mask), strict=True):
        assert_near(there, got, expected, bound)
    loss, terms, grads, dimages = cpu.losses_and_all_grads(images, TARGETS, mask)
    loss_there, terms_there, grads_there, dimages_there = there.losses_and_all_grads(images, TARGETS, mask)
    assert loss_there == pytest.approx(loss, rel=bound)
    assert terms_there == pytest.approx(terms, rel=bound, abs=bound)
    for key, grad in grads.items():
        assert_near(there, grads_there[key], grad, bound, key)
    pair = (dimages_there, dimages) if isinstance(dimages, list) else ([dimages_there], [dimages])
    for got, expected in zip(*pair, strict=True):
        assert_near(there, got, expected, bound, "images")
    for key, weights in cpu.attention(images, mask).items():
        np.testing.assert_allclose(there.attention(images, mask)[key], weights, atol=bound)
    assert_near(there, there.features(images, mask), cpu.features(images, mask), bound)


@pytest.mark.parametrize("device", ["emulator", "cuda"])
def test_pictures_are_answered_in_numpys_arrays_and_packed_targets_may_lie_there(device, request):
    if device == "cuda":
        request.getfixturevalue("fake_cuda")
    small, images, _ = small_detector("DETR")
    there = on(device, small)
    packed = there.device.asarray(pack_targets(TARGETS))
    assert there.divisor(packed) == small.divisor(TARGETS)
    assert there.loss_and_grads(images, packed)[0] == pytest.approx(small.loss(images, TARGETS), rel=1e-12)
    pictures = [np.random.default_rng(0).random(size) for size in ((16, 24, 1), (8, 16, 1))]
    for got, expected in zip(there.detect(pictures), small.detect(pictures), strict=True):
        assert got.keys() == expected.keys()
        for key, array in expected.items():
            assert isinstance(got[key], np.ndarray)
            np.testing.assert_allclose(got[key], array, atol=1e-10)
