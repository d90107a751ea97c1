"""ResNet and BiT on the devices: convolutions and norms of maps take the plain path; the numbers are NumPy's."""

import numpy as np
import pytest
from kernel_support import ON_DEVICES

from minivit.proof import FAMILY, order_one_parameters

NAMES = ["ResNet", "ResNet, bottleneck", "BiT"]


@ON_DEVICES
@pytest.mark.parametrize("name", NAMES)
def test_logits_statistics_and_every_gradient_are_numpys(name, device, dtype, bound, request):
    if device == "cuda":
        request.getfixturevalue("fake_cuda")
    kind, config = FAMILY[name]
    params = {name: x.astype(dtype) for name, x in order_one_parameters(config, kind=kind).items()}
    cpu, there = kind(config, params=params), kind(config, params=params, device=device)
    images, labels = np.random.default_rng(0).standard_normal((2, *config.image_shape)), np.array([0, 2])
    loss, grads = cpu.loss_and_grads(images, labels)
    loss_there, grads_there = there.loss_and_grads(images, labels)
    assert loss_there == pytest.approx(loss, rel=bound)
    assert grads.keys() == grads_there.keys() == cpu.params.keys() | cpu.buffers.keys()
    for key, grad in grads.items():
        got = there.device.to_numpy(grads_there[key])
        assert got.dtype == dtype
        np.testing.assert_allclose(got, grad, atol=bound * max(1, np.abs(grad).max()), err_msg=key)
    np.testing.assert_allclose(there.device.to_numpy(there(images)), cpu(images), atol=bound)
    for got, expected in zip(there.maps(images), cpu.maps(images), strict=True):
        assert isinstance(got, np.ndarray)
        np.testing.assert_allclose(got, expected, atol=bound * max(1, np.abs(expected).max()))
