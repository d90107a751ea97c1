"""The whole model on its other devices: the same code, with the kernels inside, gives NumPy's numbers."""

import dataclasses
import inspect
import threading

import numpy as np
import pytest
from kernel_support import WITH_ONE_TYPE, has_gpu, need

from minivit import TrainConfig, Trainer, ViT, ViTConfig, evaluate, load_mnist, ops
from minivit.devices import DEVICES, DeviceError, get_device
from minivit.devices.kernel_ops import KernelOps
from minivit.devices.workers import worker_pool
from minivit.proof import order_one_parameters

# Heads of width 12 and 17 or 16 tokens in all of them, so that few kernels are compiled; every option somewhere.
PLAIN = ViTConfig(image_size=28, patch_size=7, channels=1, classes=10, width=48, depth=2, heads=4, mlp_ratio=2)
CONFIGS = {
    "plain": PLAIN,
    "mean pooling, tanh, no qkv bias": dataclasses.replace(PLAIN, pool="gap", gelu="tanh", qkv_bias=False),
    "relative": dataclasses.replace(PLAIN, position="relative"),
    "2d, LayerScale": dataclasses.replace(PLAIN, position="2d", layer_scale=0.1),
    "sincos2d, channels": dataclasses.replace(PLAIN, position="sincos2d", channels=3, image_mean=(0.4, 0.5, 0.6)),
    "distilled, registers, SwiGLU": dataclasses.replace(PLAIN, distilled=True, registers=2, mlp="swiglu"),
    "axial, pre_logits": dataclasses.replace(PLAIN, attention="axial", pool="norm_gap", representation_size=24),
    "hybrid": dataclasses.replace(PLAIN, stem=(2,), stem_width=12, patch_size=(7, 1)),
}
ROUNDING = {np.float32: 1e-5, np.float64: 1e-11}  # relative to the largest number of each array


@pytest.fixture(params=["emulator", "stand-in", *["gpu"] * has_gpu()])
def device(request):
    """The emulator; the CUDA back end on a stand-in for CuPy; and on a GPU, where there is one."""
    if request.param == "stand-in":
        request.getfixturevalue("fake_cuda")
    return "emulator" if request.param == "emulator" else "cuda"


def assert_equal(got, expected, tolerance, name):
    assert got.shape == expected.shape and got.dtype == expected.dtype, name
    error = np.abs(got.astype(np.float64) - expected).max() / max(np.abs(expected).max(), 1e-3)
    assert error <= tolerance, f"{name}: {error:.1e}"  # false for NaN, too


@pytest.mark.parametrize(("device", "dtype"), WITH_ONE_TYPE, indirect=["device"])
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_loss_and_every_gradient_are_numpys(name, dtype, device):
    config = CONFIGS[name]
    params = {key: array.astype(dtype) for key, array in order_one_parameters(config).items()}
    rng = np.random.default_rng(1)
    images = rng.standard_normal((3, *config.image_shape)).astype(dtype)
    labels = np.array([3, 0, 9])
    reference, model = ViT(config, params=params), ViT(config, params=params, device=device)
    to_numpy = model.device.to_numpy

    tolerance = ROUNDING[dtype]
    assert_equal(to_numpy(model(images)), reference(images), tolerance, "logits")
    loss, grads = model.loss_and_grads(images, labels, label_smoothing=0.1)
    expected_loss, expected = reference.loss_and_grads(images, labels, label_smoothing=0.1)
    assert abs(loss - expected_loss) <= tolerance * expected_loss
    assert grads.keys() == expected.keys()
    for key in expected:
        # The key bias has no gradient (softmax does not see it): what is there is rounding, next to the queries'.
        assert_equal(to_numpy(grads[key]), expected[key], tolerance, key)
    dlogits = rng.standard_normal((3, config.classes)).astype(dtype)
    _, dimages = model.backward(model.device.asarray(dlogits), model.forward(images)[1])
    _, expected_dimages = reference.backward(dlogits, reference.forward(images)[1])
    assert_equal(to_numpy(dimages), expected_dimages, tolerance, "images")
    assert_equal(model.attention(images), reference.attention(images), tolerance, "attention")
    assert_equal(model.predict(np.clip(images, 0, 1)), reference.predict(np.clip(images, 0, 1)), tolerance, "predict")


def test_two_passes_give_the_same_bits(device):
    model = ViT(PLAIN, device=device)
    images, labels = np.random.default_rng(0).standard_normal((3, *PLAIN.image_shape)), np.array([1, 2, 3])
    (first, grads), (second, again) = (model.loss_and_grads(images, labels) for _ in range(2))
    assert first == second
    for name in grads:
        np.testing.assert_array_equal(model.device.to_numpy(grads[name]), model.device.to_numpy(again[name]))


def test_training_on_the_emulator_follows_numpys_curve():
    digits = load_mnist()
    recipe = TrainConfig(epochs=4, batch_size=32, shard_size=16, learning_rate=5e-3, elastic=1.0)
    config = dataclasses.replace(PLAIN, dropout=0.1, drop_path=0.1)
    losses, buffers = {}, {}
    for device in ("cpu", "emulator"):
        model = ViT(config, init="fan_in", device=device)
        trainer = Trainer(model, digits.train_images[:160], digits.train_labels[:160], recipe)
        with worker_pool(1) as pool:
            losses[device] = [trainer.step(pool) for _ in range(20)]
        buffers[device] = trainer.params.buffer
    np.testing.assert_allclose(losses["emulator"][:5], losses["cpu"][:5], rtol=1e-5)
    np.testing.assert_allclose(losses["emulator"], losses["cpu"], rtol=1e-3)  # rounding grows with every step
    # As a whole, and not one by one: the key bias has no gradient, and Adam makes whole steps of its rounding.
    assert np.linalg.norm(buffers["emulator"] - buffers["cpu"]) <= 1e-2 * np.linalg.norm(buffers["cpu"])
    assert np.mean(losses["emulator"][-5:]) < np.mean(losses["emulator"][:5]) - 0.05


def test_a_step_on_cuda_copies_no_array_between_host_and_device(fake_cuda):
    digits = load_mnist()
    recipe = TrainConfig(epochs=2, batch_size=32, elastic=1.0)
    config = dataclasses.replace(PLAIN, dropout=0.1, drop_path=0.1, position="relative")
    model = ViT(config, init="fan_in", device="cuda")
    trainer = Trainer(model, digits.train_images[:128], digits.train_labels[:128], recipe)
    with worker_pool(1) as pool:
        losses = [trainer.step(pool)]
        fake_cuda.counts.clear()
        losses += [trainer.step(pool) for _ in range(3)]
        # Two numbers a step: the loss, and the gradient's length, which tells whether it is finite, too.
        assert dict(fake_cuda.counts) == {"reads": 6}
        trainer.step(pool)
        assert fake_cuda.counts["to device"] == 1  # the order of the images in the next epoch
    assert np.isfinite(losses).all()
    assert fake_cuda.threads == {threading.main_thread().name}
    fake_cuda.counts.clear()
    config = dataclasses.replace(config, attention_dropout=0.1)  # needs the weights, which a fused kernel has not
    model = ViT(config, params=model.params, device="cuda")
    trainer = Trainer(model, digits.train_images[:128], digits.train_labels[:128], recipe)
    with worker_pool(1) as pool:
        trainer.step(pool)
        fake_cuda.counts.clear()
        assert np.isfinite(trainer.step(pool))
    assert dict(fake_cuda.counts) == {"reads": 2}
    loss, accuracy, probabilities = evaluate(model, digits.test_images[:50], digits.test_labels[:50])
    assert np.isfinite(loss) and 0 <= accuracy <= 1 and probabilities.shape == (50, 10)


def test_a_model_of_any_device_is_saved_and_loaded_on_any(device, tmp_path):
    model = ViT(PLAIN, seed=5, device=device)
    model.save(tmp_path / "model.npz")
    loaded = ViT.load(tmp_path / "model.npz", device=device)
    assert loaded.device.name == device
    for name, array in ViT.load(tmp_path / "model.npz").params.items():
        np.testing.assert_array_equal(array, loaded.numpy_params()[name])


def test_the_kernels_operations_have_the_references_names_and_signatures():
    more = {"adamw_update", "move_images", "run", "new_arrays", "arrays_by_name", "version"}
    own = [name for name in dir(KernelOps) if not name.startswith(("_", "fused_")) and name not in more]
    assert len(own) >= 14
    for name in own:
        theirs = list(inspect.signature(getattr(ops, name)).parameters.values())
        mine = list(inspect.signature(getattr(KernelOps, name)).parameters.values())[1:]
        assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in theirs], name
    kernels = KernelOps(None)
    assert all(callable(getattr(kernels, name)) for name in ops.__all__)


def test_the_versions_of_a_ladder_can_be_chosen():
    model = ViT(PLAIN, device="emulator")
    images = np.random.default_rng(0).standard_normal((1, *PLAIN.image_shape)).astype(np.float32)
    expected = ViT(PLAIN)(images)
    versions = model.device.ops.versions
    try:
        versions |= {"layernorm_forward": 1, "gelu_forward": 1, "attention_forward": 1}
        np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-5)
        versions["layernorm_forward"] = 99
        with pytest.raises(ValueError, match="99"):
            model(images)
        versions["layernorm"] = 1
        with pytest.raises(ValueError, match="versions has 'layernorm', expected some of"):
            model(images)
    finally:
        versions.clear()


def test_an_unknown_device_is_named_and_a_missing_one_explained(monkeypatch):
    with pytest.raises(ValueError, match="device is 'tpu', expected one of 'cpu', 'cuda', 'emulator'"):
        ViT(PLAIN, device="tpu")
    assert DEVICES == ("cpu", "cuda", "emulator")
    get_device.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)  # as if it were not installed
    with pytest.raises(DeviceError, match=r"pip install .*cuda13"):
        ViT(PLAIN, device="cuda")


def test_a_machine_without_a_gpu_says_so():
    need("cupy")
    import cupy

    if cupy.is_available():
        pytest.skip("there is a GPU")
    get_device.cache_clear()
    with pytest.raises(DeviceError, match="finds no GPU"):
        ViT(PLAIN, device="cuda")
