"""Cross-attention as a model asks for it: the operation on kernels gives what minivit.ops gives, and its gradients."""

import numpy as np
import pytest
from kernel_support import WITH_ONE_TYPE, has_gpu

from minivit import ops
from minivit.devices import get_device
from minivit.devices.launch import is_aligned

ROUNDING = {np.float32: 1e-5, np.float64: 1e-12}
H = 3


@pytest.fixture(params=["emulator", "stand-in", *["gpu"] * has_gpu()])
def device(request):
    """The emulator; the CUDA back end on a stand-in for CuPy; and on a GPU, where there is one."""
    if request.param == "stand-in":
        request.getfixturevalue("fake_cuda")
    return get_device("emulator" if request.param == "emulator" else "cuda")


def random(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def assert_like_numpy(device, forward, backward, arguments, dy, options=(), dtype=np.float32):
    """`forward` and `backward` by their names, on the device and in NumPy's float64."""
    there = [None if a is None else device.asarray(a) for a in arguments]
    y, cache = getattr(device.ops, forward)(*there, *options)
    got = [y, *getattr(device.ops, backward)(device.asarray(dy), cache)]
    y, cache = getattr(ops, forward)(*(None if a is None else a.astype(np.float64) for a in arguments), *options)
    expected = [y, *getattr(ops, backward)(dy.astype(np.float64), cache)]
    for mine, theirs in zip(got, expected, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert mine.dtype == dtype and mine.shape == theirs.shape
            np.testing.assert_allclose(device.to_numpy(mine), theirs, rtol=0, atol=ROUNDING[dtype])


@pytest.mark.parametrize("d", [8, 7])  # rows of 7 are no multiple of 16 bytes
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(("device", "dtype"), WITH_ONE_TYPE, indirect=["device"])
def test_cross_attention_is_numpys(device, dtype, bias, d):
    for Nq in (1, 12):
        q, kv, dy = (random(2, N, width * d, dtype=dtype) for N, width in ((Nq, H), (17, 2 * H), (Nq, H)))
        bias_of_all = random(H, 17, 17, dtype=dtype)[:, :Nq] if bias else None  # some rows of more: not contiguous
        arguments = q, kv, bias_of_all
        assert_like_numpy(
            device, "cross_attention_forward", "cross_attention_backward", arguments, dy, (H,), dtype=dtype
        )


@pytest.mark.parametrize("d", range(1, 8))
def test_every_width_has_its_kernel(d):
    arguments = random(1, 2, H * d), random(1, 5, 2 * H * d), random(H, 2, 5)
    emulator = get_device("emulator")
    assert_like_numpy(
        emulator, "cross_attention_forward", "cross_attention_backward", arguments, random(1, 2, H * d), (H,)
    )


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_attention_of_more_keys_than_queries_is_numpys(device, bias):
    q, dout = random(2, H, 2, 8), random(2, H, 2, 8)
    k, v = random(2, H, 9, 8), random(2, H, 9, 8) + 1
    arguments = q, k, v, random(H, 2, 9) if bias else None
    assert_like_numpy(device, "attention_forward", "attention_backward", arguments, dout)


def test_windows_take_the_plain_path():
    """They have an axis more, and may have a bias each."""
    arguments = random(2, 4, 3, H * 8), random(2, 4, 5, 2 * H * 8), random(4, H, 3, 5)
    emulator, dy = get_device("emulator"), random(2, 4, 3, H * 8)
    assert_like_numpy(emulator, "cross_attention_forward", "cross_attention_backward", arguments, dy, (H,))


def test_dropout_takes_the_plain_path():
    """It drops entries of the weights, which the kernel never has; without a generator nothing is dropped."""
    q, kv = random(1, 3, H * 8), random(1, 5, 2 * H * 8)
    kernels = get_device("emulator").ops
    results = [
        space.cross_attention_forward(q, kv, None, H, 0.5, np.random.default_rng(3))[0] for space in (kernels, ops)
    ]
    np.testing.assert_array_equal(*results)
    kept, _ = kernels.cross_attention_forward(q, kv, None, H, 0.5, None)
    np.testing.assert_allclose(kept, ops.cross_attention_forward(q, kv, None, H)[0], atol=1e-6)


def test_arguments_may_lie_anywhere():
    """The first queries of all, and keys that begin at an odd address."""
    qkv = random(2, 9, 3 * H * 8)
    q, kv = qkv[:, :2, : H * 8], np.concatenate((np.zeros(1, np.float32), qkv[:, :, H * 8 :].ravel()))[1:]
    kv = kv.reshape(2, 9, 2 * H * 8)
    assert not q.flags.c_contiguous and not is_aligned(kv)
    got, _ = get_device("emulator").ops.cross_attention_forward(q, kv, heads=H)
    np.testing.assert_allclose(got, ops.self_attention_forward(qkv, heads=H)[0][:, :2], atol=1e-6)


def test_a_head_that_is_too_wide_is_told_as_it_was_given():
    with pytest.raises(ValueError, match="the heads are 129 wide, expected 1 … 128"):
        get_device("emulator").ops.cross_attention_forward(random(1, 2, 129), random(1, 3, 258))
