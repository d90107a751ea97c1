"""PVT and MobileViT on the devices: queries and their few keys take the fused kernel, as LayerNorm and GELU do theirs;
the numbers are NumPy's, in training, too."""

import numpy as np
import pytest
from kernel_support import ON_DEVICES

from minivit.family import PVT, MobileViT, MobileViTConfig, PVTConfig
from minivit.proof import order_one_parameters

PYRAMID = dict(image_size=(9, 14), channels=1, classes=3, widths=(4, 6), depths=(1, 1), heads=(2, 1), strides=(2, 2))
PYRAMID |= dict(reductions=(2, 1), mlp_ratios=(2, 1))
MODELS = {
    "PVT": (PVT, PVTConfig(**PYRAMID, version=1, patch_sizes=(2, 2))),
    "PVT, version 2": (PVT, PVTConfig(**PYRAMID, patch_sizes=(3, 3))),
    "PVT, linear": (PVT, PVTConfig(**PYRAMID | {"reductions": (1, 1)}, patch_sizes=(3, 3), linear=True)),
    "MobileViT": (  # a map of 3 x 4, resized to 4 x 4
        MobileViT,
        MobileViTConfig(
            image_size=(9, 14), channels=1, classes=3, stem_width=3, widths=(4, 6), strides=(1, 2), units=(1, 2),
            expansions=(2, 1), token_widths=(0, 8), depths=(0, 2), last_width=5, heads=2,
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@ON_DEVICES
def test_logits_and_every_gradient_are_numpys(device, name, dtype, bound, request):
    if device == "cuda":
        request.getfixturevalue("fake_cuda")
    kind, config = MODELS[name]
    params = {name: x.astype(dtype) for name, x in order_one_parameters(config, kind=kind).items()}
    cpu, there = kind(config, params=params), kind(config, params=params, device=device)
    images, labels = np.random.default_rng(0).standard_normal((4, *config.image_shape)), np.array([0, 2, 1, 1])
    np.testing.assert_allclose(there.device.to_numpy(there(images)), cpu(images), atol=10 * bound)
    loss, grads = cpu.loss_and_grads(images, labels)
    loss_there, grads_there = there.loss_and_grads(images, labels)
    assert loss_there == pytest.approx(loss, rel=bound)
    assert list(grads_there) == list(grads) == [*cpu.params, *cpu.buffers]
    for parameter, grad in grads.items():
        got = there.device.to_numpy(grads_there[parameter])
        assert got.dtype == dtype
        np.testing.assert_allclose(got, grad, atol=10 * bound * max(1, np.abs(grad).max()), err_msg=parameter)
    for got, expected in zip(there.attention(images), cpu.attention(images), strict=True):
        np.testing.assert_allclose(got, expected, atol=10 * bound)


@pytest.mark.parametrize("name", ["PVT", "PVT, version 2", "PVT, linear"])
def test_every_attention_of_a_pvt_is_the_fused_kernels(name, monkeypatch):
    kind, config = MODELS[name]
    model = kind(config, device="emulator")
    monkeypatch.setattr("minivit.ops.cross_attention_forward", None)  # the plain path would call it
    images = np.random.default_rng(0).standard_normal((2, *config.image_shape)).astype(np.float32)
    _, grads = model.loss_and_grads(images, np.array([0, 2]))
    assert all(np.isfinite(grad).all() for grad in grads.values())
