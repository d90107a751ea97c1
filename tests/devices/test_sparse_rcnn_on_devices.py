"""Sparse R-CNN on the devices: RoIAlign, attention and norms are kernels, matching stays on the host; the numbers are
NumPy's."""

import numpy as np
import pytest

from minivit import ResNetConfig, SparseRCNN, SparseRCNNConfig

SIZES = dict(
    classes=3, channels=2, queries=4, width=8, heads=2, mlp_width=12, depth=2, dynamic_width=4, pool_size=3,
    canonical_size=24.0,
)  # fmt: skip
RESNET = ResNetConfig(stem_width=4, depths=(1, 1, 1), widths=(8, 12, 16), inner=(4, 4, 8))
MODELS = {
    "a pyramid": SparseRCNNConfig(**SIZES, backbone=RESNET, stages=(1, 2, 3), box_layers=2),
    "one map, dropout": SparseRCNNConfig(
        **SIZES, backbone="tiny", stages=(1, 2, 3), pyramid="sum", box_layers=1, dropout=0.2
    ),
}
TARGETS = [
    {"labels": np.array([2, 0]), "boxes": np.array([[0.3, 0.4, 0.2, 0.5], [0.7, 0.6, 0.3, 0.2]])},
    {"labels": np.array([1]), "boxes": np.array([[0.5, 0.5, 0.4, 0.3]])},
]


@pytest.mark.parametrize(("device", "dtype", "bound"), [("emulator", np.float64, 1e-11), ("cuda", np.float32, 2e-4)])
@pytest.mark.parametrize("name", MODELS)
def test_answers_and_every_gradient_are_numpys(name, device, dtype, bound, request):
    if device == "cuda":
        request.getfixturevalue("fake_cuda")
    config = MODELS[name]
    cpu = SparseRCNN(config, 2, dtype)
    there = SparseRCNN(config, 2, dtype, device=device)
    images = np.random.default_rng(0).standard_normal((2, 40, 48, 2))
    mask = np.ones((2, 40, 48), bool)
    mask[1, 28:] = False
    loss, grads = cpu.loss_and_grads(images, TARGETS, mask)
    loss_there, grads_there = there.loss_and_grads(images, TARGETS, mask)
    assert loss_there == pytest.approx(loss, rel=bound)
    assert grads.keys() == grads_there.keys() == cpu.params.keys()
    for key, grad in grads.items():
        got = there.device.to_numpy(grads_there[key])
        assert got.dtype == dtype
        np.testing.assert_allclose(got, grad, atol=bound * max(1, np.abs(grad).max()), err_msg=key)
    for got, expected in zip(there(images, mask), cpu(images, mask), strict=True):
        np.testing.assert_allclose(there.device.to_numpy(got), expected, atol=bound * max(1, np.abs(expected).max()))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 48, 2), dtype=np.uint8)
    for got, expected in zip(there.detect(pictures), cpu.detect(pictures), strict=True):
        np.testing.assert_allclose(got["scores"], expected["scores"], atol=bound)
