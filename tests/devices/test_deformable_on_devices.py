"""Deformable DETR on the devices: sampling, attention and LayerNorm have their kernels, all else is NumPy's; objects
are matched on the host. The numbers are NumPy's."""

from dataclasses import replace

import numpy as np
import pytest
from kernel_support import ON_DEVICES

from minivit.family import DeformableDETR
from minivit.proof import DETECTORS, small_detector
from minivit.proof.detectors import TARGETS

NAMES = [name for name, (kind, _, _) in DETECTORS.items() if kind is DeformableDETR]


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
    small, maps, mask = small_detector(name)
    params = {key: array.astype(dtype) for key, array in small.numpy_arrays().items()}
    config = replace(small.config, dropout=0.0, attention_dropout=0.0)
    cpu, there = DeformableDETR(config, params=params), DeformableDETR(config, params=params, device=device)
    mask = mask if masked else None
    for got, expected in zip(there(maps, mask), cpu(maps, mask), strict=True):
        assert_near(there, got, expected, bound)
    loss, terms, grads, dmaps = cpu.losses_and_all_grads(maps, TARGETS, mask)
    loss_there, terms_there, grads_there, dmaps_there = there.losses_and_all_grads(maps, TARGETS, mask)
    assert loss_there == pytest.approx(loss, rel=bound)
    assert terms_there == pytest.approx(terms, rel=bound, abs=bound)
    for key, grad in grads.items():
        assert_near(there, grads_there[key], grad, bound, key)
    for got, expected in zip(dmaps_there, dmaps, strict=True):
        assert_near(there, got, expected, bound, "maps")
    for got, expected in zip(there.sampling(maps, mask), cpu.sampling(maps, mask), strict=True):
        for key, array in expected.items():
            np.testing.assert_allclose(got[key], array, atol=bound)


def test_the_kernel_samples(monkeypatch):
    """And NumPy does not."""
    monkeypatch.setattr("minivit.ops.deformable_attention_forward", None)
    small, maps, mask = small_detector("Deformable DETR, two stages")
    there = DeformableDETR(small.config, params=small.numpy_arrays(), device="emulator")
    assert np.isfinite(there.loss_and_grads(maps, TARGETS, mask)[0])
