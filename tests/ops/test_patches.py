"""Patches in reading order, pixel by pixel, and back."""

import numpy as np

from minivit import ops

HEIGHT, WIDTH, C, PH, PW = 6, 8, 3, 3, 2
IMAGES = np.random.default_rng(0).standard_normal((2, HEIGHT, WIDTH, C))


def test_patchify_is_the_loop_over_pixels():
    patches, _ = ops.patchify_forward(IMAGES, (PH, PW))
    across = WIDTH // PW
    assert patches.shape == (2, HEIGHT // PH * across, PH * PW * C)
    for i in range(HEIGHT):
        for j in range(WIDTH):
            token, place = i // PH * across + j // PW, (i % PH * PW + j % PW) * C
            np.testing.assert_array_equal(patches[:, token, place : place + C], IMAGES[:, i, j])


def test_unpatchify_puts_the_image_together_again():
    patches, _ = ops.patchify_forward(IMAGES, (PH, PW))
    np.testing.assert_array_equal(ops.unpatchify(patches, (HEIGHT, WIDTH), (PH, PW)), IMAGES)


def test_patchify_and_a_linear_layer_are_a_strided_convolution():
    weight = np.random.default_rng(1).standard_normal((PH * PW * C, 5))
    tokens = ops.linear_forward(ops.patchify_forward(IMAGES, (PH, PW))[0], weight, None)[0]
    kernel = weight.reshape(PH, PW, C, 5)
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (PH, PW), axis=(1, 2))[:, ::PH, ::PW]
    np.testing.assert_allclose(tokens, np.einsum("bijcpq,pqco->bijo", windows, kernel).reshape(2, -1, 5), atol=1e-12)
