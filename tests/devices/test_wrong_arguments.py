"""What NumPy would refuse by itself, and a kernel would read past the end for, is refused; and what begins at an odd
address, or has an odd width, is not.
"""

import dataclasses

import numpy as np
import pytest
from kernel_support import assert_close_to_reference, compile_together, nans, run

from minivit import TrainConfig, Trainer, ViT, ViTConfig, ops
from minivit.devices import get_device
from minivit.devices.cuda import Cuda
from minivit.devices.launch import SHARED, Launch, is_aligned
from minivit.devices.launches import relative_bias_backward
from minivit.devices.workers import worker_pool

SMALL = ViTConfig(image_size=9, patch_size=3, channels=1, classes=3, width=12, depth=1, heads=2, mlp_ratio=2)
RNG = np.random.default_rng(0)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def kernels():
    return get_device("emulator").ops


def layernorm_backward(dy):
    _, cache = kernels().layernorm_forward(floats(4, 48), floats(48), floats(48))
    return kernels().layernorm_backward(dy, cache)


def attention_backward(dout):
    _, cache = kernels().attention_forward(*(floats(2, 3, 5, 8) for _ in "qkv"))
    return kernels().attention_backward(dout, cache)


def cross_attention(q, kv, bias=None, dy=None):
    _, cache = kernels().cross_attention_forward(q, kv, bias, heads=2)
    return kernels().cross_attention_backward(dy, cache)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels().layernorm_forward(floats(4, 48), floats(1), floats(48)), r"gamma has shape \(1,\)"),
        (lambda: kernels().layernorm_forward(floats(4, 48), floats(48), floats(32)), r"beta has shape \(32,\)"),
        (lambda: layernorm_backward(floats(1, 48)), r"dy has shape \(1, 48\), expected \(4, 48\)"),
        (lambda: kernels().gelu_backward(floats(3), kernels().gelu_forward(floats(4))[1]), r"dy has shape \(3,\)"),
        (lambda: kernels().attention_forward(*(floats(2, 3, 5, 8) for _ in "qkv"), floats(5, 5)), "bias has shape"),
        (lambda: attention_backward(floats(2, 3, 4, 8)), "dout has shape"),
        (lambda: kernels().attention_forward(*(floats(1, 1, 5, 130) for _ in "qkv")), 'device="cpu" takes any'),
        (
            lambda: cross_attention(floats(2, 3, 24), floats(2, 5, 24)),
            r"kv has shape \(2, 5, 24\)",
        ),
        (
            lambda: cross_attention(floats(2, 3, 24), floats(1, 5, 48)),
            r"kv has shape \(1, 5, 48\)",
        ),
        (lambda: cross_attention(floats(2, 3, 24), floats(2, 5, 48), floats(2, 5, 3)), r"bias has .*\(2, 3, 5\)"),
        (lambda: cross_attention(floats(2, 3, 24), floats(2, 5, 48), dy=floats(2, 5, 24)), r"dout has .*\(2, 3, 24\)"),
        (lambda: cross_attention(floats(2, 0, 24), floats(2, 5, 48)), "0 queries, expected at least 1"),
        (lambda: cross_attention(floats(2, 3, 24), floats(2, 0, 48)), "0 keys, expected at least 1"),
        (lambda: kernels().attention_forward(floats(2, 3, 4, 8), *(floats(2, 3, 5, 12) for _ in "kv")), "kv has shape"),
        (lambda: kernels().cross_entropy_forward(floats(4, 10), np.array([1, 2])), r"labels has shape \(2,\)"),
        (lambda: kernels().gelu_forward(floats(0)), "expected at least 1"),
    ],
)
def test_a_wrong_shape_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: kernels().gelu_forward(np.ones(3, np.float16)),
        lambda: kernels().layernorm_forward(np.ones((2, 4), int), np.ones(4, int), np.ones(4, int)),
        lambda: kernels().cross_entropy_forward(floats(2, 3), np.array([0.0, 1.7])),
    ],
)
def test_a_wrong_dtype_is_named(call):
    with pytest.raises(TypeError, match=r"expected (float32 or float64|integers)"):
        call()


def test_a_model_of_half_precision_is_refused_on_every_device():
    params = {name: array.astype(np.float16) for name, array in ViT(SMALL).params.items()}
    for device in ("cpu", "emulator"):
        with pytest.raises(ValueError, match="parameters are float16, expected all float32 or all float64"):
            ViT(SMALL, params=params, device=device)


def test_a_label_that_is_no_class_does_not_become_one():
    for label in (-1, 10, 2**32 + 1, -(2**32) + 1):
        loss, _ = kernels().cross_entropy_forward(floats(2, 10), np.array([1, label]))
        assert np.isnan(loss)


@pytest.mark.parametrize("width", [6, 10])
def test_a_width_that_is_no_multiple_of_16_bytes_trains(width):
    config = dataclasses.replace(SMALL, width=width)
    images, labels = RNG.random((8, *SMALL.image_shape), dtype=np.float32), np.arange(8) % 3
    losses = {}
    for device in ("cpu", "emulator"):
        recipe = TrainConfig(epochs=3, batch_size=8, shard_size=8, shift=0, rotation=0, scale=0)
        trainer = Trainer(ViT(config, init="fan_in", device=device), images, labels, recipe)
        with worker_pool(1) as pool:
            losses[device] = [trainer.step(pool) for _ in range(3)]
    np.testing.assert_allclose(losses["emulator"], losses["cpu"], rtol=1e-5)


def test_an_array_that_begins_at_an_odd_address_is_copied_where_it_must_be():
    images = floats(4, *SMALL.image_shape)
    assert not is_aligned(images[1:])  # 81 numbers on
    np.testing.assert_allclose(ViT(SMALL, device="emulator")(images[1:]), ViT(SMALL)(images[1:]), atol=1e-5)
    x = floats(9)
    np.testing.assert_allclose(kernels().gelu_forward(x[1:])[0], ops.gelu_forward(x[1:])[0], rtol=1e-5)


def test_more_than_48_kb_of_shared_memory_is_asked_for(fake_cuda, monkeypatch, tmp_path):
    (tmp_path / "large.cu").write_text(
        "extern __shared__ float tile[];\n"
        "__global__ void last(float* y, int n) { tile[n - 1] = 3; y[0] = tile[n - 1]; }\n"
    )
    monkeypatch.setattr("minivit.devices.cuda.KERNELS", tmp_path)
    numbers = SHARED // 4 + 1
    large = Launch("large.cu", "last", np.dtype(np.float32), ("out y", "int n"), (1,), (1,), 4 * numbers)
    cuda = Cuda()
    y = cuda.empty(1, np.float32)
    cuda.launch(large, y, numbers)
    assert float(y[0]) == 3
    with pytest.raises(TypeError):
        cuda.launch(large, y, 12.5)  # a whole number is wanted


# A table of 12 entries and 3 heads, of 33 pairs: two rounds of a warp, the second ragged.
compile_together([relative_bias_backward(12, 3, dtype) for dtype in (np.float32, np.float64)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("via", ["source", "ptx"])
def test_the_relative_table_gathers_what_its_pairs_got(dtype, via):
    index = RNG.permutation(np.arange(33) % 11)  # entry 11 is used by no pair: its gradient is 0
    dbias = RNG.standard_normal((3, 33)).astype(dtype)
    dtable = nans((12, 3), dtype)
    run(relative_bias_backward(12, 3, dtype), dtable, dbias, index.astype(np.int32), 33, 12, 3, via=via)
    cache = (index[None], (12, 3))
    expected, in_float32, magnitude = (
        ops.relative_bias_backward(a[:, None], cache)
        for a in (dbias.astype(np.float64), dbias.astype(np.float32), np.abs(dbias))
    )
    assert_close_to_reference(dtable, expected, in_float32, magnitude)
