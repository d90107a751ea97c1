"""Masked autoencoders and BERT on the devices: fused attention, LayerNorm and GELU are kernels; the numbers NumPy's."""

import numpy as np
import pytest
from kernel_support import ON_DEVICES

from minivit.family import BERT, MAE
from minivit.proof import BERTS, MAES, small_bert, small_mae
from minivit.proof.masked_models import IDS, MASK, SEGMENTS


@pytest.fixture
def ready(device, request):
    if device == "cuda":
        request.getfixturevalue("fake_cuda")


def on_both(kind, config, arrays, dtype, device):
    params = {name: x.astype(dtype) for name, x in arrays.items()}
    return kind(config, params=params), kind(config, params=params, device=device)


def compare(there, grads_there, grads, dtype, bound):
    assert list(grads_there) == list(grads)
    for name, grad in grads.items():
        got = there.device.to_numpy(grads_there[name])
        assert got.dtype == dtype
        np.testing.assert_allclose(got, grad, atol=bound * max(1, np.abs(grad).max()), err_msg=name)


@ON_DEVICES
@pytest.mark.usefixtures("ready")
def test_a_masked_autoencoder(device, dtype, bound):
    config = MAES["MAE, normalised pixels"]
    cpu, there = on_both(MAE, config, small_mae(config).numpy_arrays(), dtype, device)
    rng = np.random.default_rng(0)
    images, noise = rng.standard_normal((2, *config.image_shape)), rng.random((2, config.patches))
    (loss, grads), (loss_there, grads_there) = (one.loss_and_grads(images, noise=noise) for one in (cpu, there))
    assert loss_there == pytest.approx(loss, rel=bound)
    compare(there, grads_there, grads, dtype, bound)
    for one, other in zip(cpu.image_grads(images, noise=noise), there.image_grads(images, noise=noise), strict=True):
        np.testing.assert_allclose(there.device.to_numpy(other), one, atol=bound)
    mask = there.device.to_numpy(there(images, noise=noise)[1])
    np.testing.assert_array_equal(mask, cpu(images, noise=noise)[1])
    np.testing.assert_allclose(there.attention(images), cpu.attention(images), atol=bound)
    raw = rng.random((2, *config.image_shape))
    for one, other in zip(cpu.fill_in(raw, noise=noise), there.fill_in(raw, noise=noise), strict=True):
        np.testing.assert_allclose(other, one, atol=bound)
    assert there.vit(3)(images).shape == (2, 3)
    if device == "emulator":  # the stand-in for a GPU has no generator
        there.loss(images, np.random.default_rng(0))


@ON_DEVICES
@pytest.mark.parametrize("mask", [MASK, None], ids=["mask", "no mask"])
@pytest.mark.usefixtures("ready")
def test_a_bert(device, dtype, bound, mask):
    config = BERTS["BERT, pretraining"]
    cpu, there = on_both(BERT, config, small_bert(config).params, dtype, device)
    labels, pairs = np.where(IDS > 3, IDS, -100), np.array([1, 0])
    (loss, grads), (loss_there, grads_there) = (
        one.loss_and_grads(IDS, labels, mask, SEGMENTS, next_sentence=pairs) for one in (cpu, there)
    )
    assert loss_there == pytest.approx(loss, rel=bound)
    compare(there, grads_there, grads, dtype, bound)
    for one, other in zip(cpu(IDS, mask, SEGMENTS), there(IDS, mask, SEGMENTS), strict=True):
        np.testing.assert_allclose(there.device.to_numpy(other), one, atol=10 * bound)
    np.testing.assert_allclose(there.attention(IDS, mask), cpu.attention(IDS, mask), atol=bound)
    np.testing.assert_allclose(there.sentences(IDS, mask), cpu.sentences(IDS, mask), atol=bound)
