"""Swin on the devices: windows take the plain path, LayerNorm and GELU their kernels; the numbers are NumPy's."""

import numpy as np
import pytest
from kernel_support import ON_DEVICES

from minivit.family import Swin, SwinConfig
from minivit.proof import order_one_parameters

# A map of 3 x 5, continued to 4 x 6 and shifted; then of 2 x 3.
CONFIG = SwinConfig(
    image_size=(6, 10), patch_size=2, channels=1, classes=3, width=4, depths=(2, 1), heads=(2, 2), window=2, mlp_ratio=2
)


@ON_DEVICES
def test_logits_and_every_gradient_are_numpys(device, dtype, bound, request):
    if device == "cuda":
        request.getfixturevalue("fake_cuda")
    params = {name: x.astype(dtype) for name, x in order_one_parameters(CONFIG, kind=Swin).items()}
    cpu, there = Swin(CONFIG, params=params), Swin(CONFIG, params=params, device=device)
    images, labels = np.random.default_rng(0).standard_normal((2, *CONFIG.image_shape)), np.array([0, 2])
    loss, grads = cpu.loss_and_grads(images, labels)
    loss_there, grads_there = there.loss_and_grads(images, labels)
    assert loss_there == pytest.approx(loss, rel=bound)
    for name, grad in grads.items():
        got = there.device.to_numpy(grads_there[name])
        assert got.dtype == dtype
        np.testing.assert_allclose(got, grad, atol=bound * max(1, np.abs(grad).max()), err_msg=name)
    for got, expected in zip(there.attention(images), cpu.attention(images), strict=True):
        np.testing.assert_allclose(got, expected, atol=bound)
