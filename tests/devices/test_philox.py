"""Random numbers on a GPU: kernels/philox.cu to the bit, and the generator that is made of it."""

import numpy as np
import pytest
from kernel_support import FLOAT_AND_DOUBLE, SOURCE_AND_PTX, compile_together, nans, run

from minivit.devices import get_device
from minivit.devices.launches import philox_normal, philox_uniform
from minivit.devices.launches.philox import every_launch
from minivit.devices.random import Philox

compile_together(every_launch())


def philox(counter, key):
    """Philox4x32-10 as its paper writes it, with Python's integers."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        (high0, low0), (high1, low1) = (divmod(m * x, 2**32) for m, x in ((0xD2511F53, c[0]), (0xCD9E8D57, c[2])))
        c = [high1 ^ c[1] ^ k0, low1, high0 ^ c[3] ^ k1, low0]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c


def numbers(n, dtype, key, draw):
    """n numbers in [0, 1) of array `draw`."""
    size = 16 // np.dtype(dtype).itemsize
    words = [word for i in range(-(-n // size)) for word in philox((i, 0, draw, 0), key)]
    if dtype == np.float64:
        words = [(high << 21 | low >> 11) * 2.0**-53 for high, low in zip(words[::2], words[1::2], strict=True)]
    else:
        words = [(word >> 8) * 2.0**-24 for word in words]
    return np.array(words[:n], dtype)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0,) * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_the_known_answers(counter, key, words):
    """Those of the authors' own library, Random123."""
    assert " ".join(f"{word:08x}" for word in philox(counter, key)) == words


@pytest.mark.parametrize("n", [1, 3, 4, 5, 1027])
@FLOAT_AND_DOUBLE
@SOURCE_AND_PTX
def test_uniform_numbers(via, dtype, n):
    for key, draw in (((0, 0), 0), ((2**31 - 1, 7), 3)):
        out = nans(n, dtype)
        run(philox_uniform(n, dtype), out, n, *key, draw, via=via)
        np.testing.assert_array_equal(out, numbers(n, dtype, key, draw))


@pytest.mark.parametrize("n", [1, 1027])
@FLOAT_AND_DOUBLE
@SOURCE_AND_PTX
def test_normal_numbers(via, dtype, n):
    out = nans(n, dtype)
    run(philox_normal(n, dtype), out, n, 1, 2, 3, via=via)
    u, v = numbers(n + n % 2, dtype, (1, 2), 3).astype(np.float64).reshape(-1, 2).T
    distance = np.sqrt(-2 * np.log1p(-u))
    expected = np.stack((distance * np.cos(2 * np.pi * v), distance * np.sin(2 * np.pi * v)), axis=1).ravel()[:n]
    np.testing.assert_allclose(out, expected, atol=2e-6 if dtype == np.float32 else 1e-13)


def test_the_generator():
    device = get_device("emulator")
    rng, same, other = (Philox(device, np.random.SeedSequence(seed)) for seed in ((1, 2), (1, 2), (1, 3)))
    first, second = rng.random((50, 40), dtype=np.float32), rng.random((50, 40), dtype=np.float32)
    np.testing.assert_array_equal(first, same.random((50, 40), dtype=np.float32))
    double, normal = rng.random((2000, 1)), rng.standard_normal(4000, np.float32)
    assert first.dtype == normal.dtype == np.float32 and double.dtype == np.float64
    for one in (first, second, double):
        assert one.min() >= 0 and one.max() < 1 and abs(one.mean() - 0.5) < 0.03 and abs(one.std() - 12**-0.5) < 0.02
    assert abs(normal.mean()) < 0.06 and abs(normal.std() - 1) < 0.04
    for one in (second, other.random((50, 40), dtype=np.float32)):
        assert abs(np.corrcoef(first.ravel(), one.ravel())[0, 1]) < 0.08


def test_nothing_is_launched_before_a_number_is_asked_for(fake_cuda, monkeypatch):
    cuda, launched = get_device("cuda"), []
    monkeypatch.setattr(cuda, "launch", lambda launch, *_: launched.append(launch.kernel))
    rng = cuda.generator(np.random.SeedSequence(0))
    assert not launched
    rng.random(3, dtype=np.float32)
    assert launched == ["philox_uniform<float>"]
