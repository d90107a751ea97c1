"""GELU, patchify and AdamW as kernels, against NumPy in float64 and by finite differences."""

from functools import partial

import numpy as np
import pytest
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_PTX,
    assert_close_to_reference,
    compile_together,
    nans,
    run,
)

from minivit import ops
from minivit.devices.launches import (
    adamw,
    adamw_numbers,
    cross_entropy,
    gelu_backward,
    gelu_forward,
    patchify_backward,
    patchify_forward,
)
from minivit.devices.launches.elementwise import VERSIONS, every_launch
from minivit.gradcheck import gradcheck
from minivit.train.optimizer import adamw_update

compile_together(every_launch())
SIZES = (1, 3, 4, 5, 31, 32, 33, 255, 256, 257, 1024, 1027)
GELU_VERSIONS = pytest.mark.parametrize("version", VERSIONS["gelu_forward"])
KINDS = pytest.mark.parametrize("kind", ["erf", "tanh"])


def normal(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ---- GELU ------------------------------------------------------------------------------------------------------------


def gelu(x, kind, version, via="source"):
    y = nans(x.shape, x.dtype)
    run(gelu_forward(x.size, x.dtype, kind, version), y, x, x.size, via=via)
    return y


def gelu_gradient(dy, x, kind, version, via="source"):
    dx = nans(x.shape, x.dtype)
    run(gelu_backward(x.size, x.dtype, kind, version), dx, dy, x, x.size, via=via)
    return dx


@SOURCE_AND_PTX
@GELU_VERSIONS
@KINDS
@FLOAT_AND_DOUBLE
def test_gelu(dtype, kind, version, via):
    for n in SIZES:
        x, dy = (2 * normal(n, dtype=dtype)), normal(n, dtype=dtype, seed=1)
        exact, cache = ops.gelu_forward(x.astype(np.float64), kind)
        rounded, cache32 = ops.gelu_forward(x, kind)
        assert_close_to_reference(gelu(x, kind, version, via), exact, rounded, np.abs(x))
        exact, rounded = ops.gelu_backward(dy.astype(np.float64), cache), ops.gelu_backward(dy, cache32)
        assert_close_to_reference(gelu_gradient(dy, x, kind, version, via), exact, rounded, np.abs(dy))


@GELU_VERSIONS
@KINDS
@FLOAT_AND_DOUBLE
def test_gelu_far_out_is_x_or_nothing(dtype, kind, version):
    x = np.array([0, 12, -12, 1e4, -1e4], dtype)
    np.testing.assert_array_equal(gelu(x, kind, version), [0, 12, 0, 1e4, 0])
    gradient = gelu_gradient(np.ones_like(x), x, kind, version)
    np.testing.assert_allclose(gradient, [0.5, 1, 0, 1, 0], atol=1e-30)  # x φ(−12) is not quite nothing


@GELU_VERSIONS
@KINDS
def test_gelu_gradients_by_finite_differences(kind, version):
    def forward(x):
        return gelu(x, kind, version), x

    def backward(dy, x):
        return gelu_gradient(dy, x, kind, version)

    report = gradcheck(forward, backward, {"x": normal(7)})
    assert report.ok, f"\n{report}"


def test_an_unknown_gelu_is_refused():
    with pytest.raises(ValueError, match='gelu is \'relu\', expected "erf" or "tanh"'):
        gelu_forward(8, np.float32, "relu")


# ---- patchify --------------------------------------------------------------------------------------------------------

IMAGES = [
    ((1, 1, 1, 1), (1, 1)),
    ((3, 28, 28, 1), (7, 7)),
    ((2, 12, 18, 3), (4, 6)),  # nothing is square
    ((5, 33, 10, 2), (11, 5)),
]


def patchify(images, patch_size, via="source"):
    (B, height, width, channels), (ph, pw) = images.shape, patch_size
    patches = nans((B, (height // ph) * (width // pw), ph * pw * channels), images.dtype)
    launch = patchify_forward(images.shape, patch_size, images.dtype)
    run(launch, patches, images, height, width, channels, ph, pw, via=via)
    return patches


def unpatchify(patches, image_shape, patch_size, via="source"):
    images = nans(image_shape, patches.dtype)
    launch = patchify_backward(image_shape, patch_size, patches.dtype)
    run(launch, images, patches, *image_shape[1:], *patch_size, via=via)
    return images


@SOURCE_AND_PTX
@pytest.mark.parametrize(("shape", "patch_size"), IMAGES)
@FLOAT_AND_DOUBLE
def test_patchify_moves_every_number_to_its_place(dtype, shape, patch_size, via):
    images = normal(*shape, dtype=dtype)
    patches, cache = ops.patchify_forward(images, patch_size)
    np.testing.assert_array_equal(patchify(images, patch_size, via), patches)
    dpatches = normal(*patches.shape, dtype=dtype, seed=1)
    expected = ops.patchify_backward(dpatches, cache)
    np.testing.assert_array_equal(unpatchify(dpatches, shape, patch_size, via), expected)


def test_patches_that_do_not_divide_the_image_are_refused():
    with pytest.raises(ValueError, match=r"patches of \(5, 7\) do not divide an image of \(28, 28\)"):
        patchify_forward((1, 28, 28, 1), (5, 7), np.float32)


def test_an_image_beyond_the_grid_is_refused():
    with pytest.raises(ValueError, match="the grid reaches 16776960"):
        patchify_backward((1, 4096, 4097, 1), (1, 1), np.float32)


# ---- AdamW -----------------------------------------------------------------------------------------------------------


@SOURCE_AND_PTX
@pytest.mark.parametrize("n", [1, 33, 1027])
@FLOAT_AND_DOUBLE
def test_adamw_is_the_optimizers_update(dtype, n, via):
    settings = {"learning_rate": 1e-2, "betas": (0.9, 0.999), "eps": 1e-8, "decay": 0.1}
    theta, mean, square = normal(n, dtype=dtype), np.zeros(n, dtype), np.zeros(n, dtype)
    decayed = n // 2
    kernel = theta, mean, square
    exact, rounded = ([array.astype(kind) for array in kernel] for kind in (np.float64, np.float32))
    for step in (1, 2, 3):
        grads = normal(n, dtype=dtype, seed=step)
        run(adamw(n, dtype), *kernel, grads, n, decayed, *adamw_numbers(**settings, step=step), via=via)
        adamw_update(*exact, grads.astype(np.float64), decayed, **settings, step=step)
        adamw_update(*rounded, grads.astype(np.float32), decayed, **settings, step=step)
    for got, expected, float32, magnitude in zip(kernel, exact, rounded, (np.abs(theta), 1, 1), strict=True):
        assert_close_to_reference(got, expected, float32, magnitude)


@FLOAT_AND_DOUBLE
def test_adamw_goes_on_from_averages_of_steps_before(dtype):
    """They are read, and not taken for 0."""
    settings = {"learning_rate": 1e-2, "betas": (0.9, 0.99), "eps": 1e-8, "decay": 0.1}
    theta, mean, square = (normal(33, dtype=dtype, seed=seed) for seed in (1, 2, 3))
    square **= 2
    grads = normal(33, dtype=dtype, seed=4)
    exact = [array.astype(np.float64) for array in (theta, mean, square)]
    run(adamw(33, dtype), theta, mean, square, grads, 33, 33, *adamw_numbers(**settings, step=40))
    adamw_update(*exact, grads.astype(np.float64), 33, **settings, step=40)
    for got, expected in zip((theta, mean, square), exact, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6 if dtype == np.float32 else 1e-12)


def test_one_minus_beta_keeps_its_digits():
    """In float, 1 − 0.999 is off by 1.3e-5; after one step the average of the squares is that times g²."""
    theta, mean, square = np.zeros((3, 4), np.float32)
    grads = np.full(4, 3, np.float32)
    run(adamw(4, np.float32), theta, mean, square, grads, 4, 4, *adamw_numbers(1e-3, (0.9, 0.999), 1e-8, 0.0, 1))
    np.testing.assert_allclose(square, 0.001 * 9, rtol=2e-7)
    np.testing.assert_allclose(theta, -1e-3, rtol=1e-6)  # the first step is the learning rate, whatever the gradient


# ---- what is refused -------------------------------------------------------------------------------------------------

NOTHING = {
    "gelu_forward": partial(gelu_forward, 0),
    "gelu_backward": partial(gelu_backward, 0),
    "patchify_forward": partial(patchify_forward, (0, 28, 28, 1), (7, 7)),
    "patchify_backward": partial(patchify_backward, (1, 28, 28, 0), (7, 7)),
    "cross_entropy": partial(cross_entropy, 0, 10),
    "cross_entropy, no class": partial(cross_entropy, 8, 0),
    "adamw": partial(adamw, 0),
}


@pytest.mark.parametrize("launch", NOTHING.values(), ids=NOTHING)
def test_nothing_to_compute_is_refused(launch):
    with pytest.raises(ValueError, match="nothing to compute"):
        launch(dtype=np.float32)


@GELU_VERSIONS
def test_more_elements_than_32_bits_hold_are_refused(version):
    x = normal(4, dtype=np.float32)
    with pytest.raises(ValueError, match="n is 2147483648"):
        run(gelu_forward(2**31, np.float32, version=version), nans(4, np.float32), x, 2**31)


def test_an_unknown_version_is_refused():
    with pytest.raises(ValueError, match="gelu_forward has no version 3, only 1, 2"):
        gelu_forward(8, np.float32, version=3)
