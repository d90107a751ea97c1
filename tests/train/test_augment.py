"""random_affine moves images as it says: nothing at 0, whole pixels exactly, the centre stays, no two draws alike."""

import numpy as np
import pytest

from minivit.train.augment import random_affine


class Drawn:
    """Stands in for the generator: every draw is the largest of its range, or the part of it that is asked for."""

    def __init__(self, part=1.0):
        self.part = part

    def uniform(self, low, high, shape):
        return np.full(shape, low + (high - low) * self.part)


def images(dtype=np.float32):
    return np.random.default_rng(0).random((3, 9, 7, 2)).astype(dtype)


def test_without_movement_the_images_are_the_same():
    assert np.array_equal(random_affine(images(), np.random.default_rng(0)), images())
    middle = random_affine(images(), Drawn(0.5), shift=2, rotation=30, scale=0.2)  # the middle of each range is 0, 0, 1
    np.testing.assert_allclose(middle, images(), atol=1e-6)


def test_a_shift_by_whole_pixels_moves_and_fills_with_background():
    moved = random_affine(images(), Drawn(), shift=2)
    np.testing.assert_allclose(moved[:, :-2, :-2], images()[:, 2:, 2:], atol=1e-6)
    assert np.abs(moved[:, -2:]).max() == 0 and np.abs(moved[:, :, -2:]).max() == 0


def test_half_a_pixel_is_the_mean_of_two():
    moved = random_affine(images(np.float64), Drawn(), shift=0.5)
    x = images(np.float64)
    np.testing.assert_allclose(moved[:, :-1, :-1], (x[:, :-1, :-1] + x[:, 1:, :-1] + x[:, :-1, 1:] + x[:, 1:, 1:]) / 4)


def test_a_quarter_turn_is_rot90():
    square = images()[:, :7]
    turned = random_affine(square, Drawn(), rotation=90)
    expected = [np.rot90(square, k, axes=(1, 2)) for k in (1, 3)]
    assert min(np.abs(turned - e).max() for e in expected) < 1e-5


def test_scaling_up_makes_things_larger():
    y, x = np.mgrid[-20:21, -20:21]
    blob = np.exp(-(y**2 + x**2) / 32)[None, ..., None]  # smooth, so that its sum measures its area
    larger, smaller = (random_affine(blob, Drawn(part), scale=0.5).sum() / blob.sum() for part in (1, 0))
    assert larger == pytest.approx(1.5**2, rel=0.03) and smaller == pytest.approx(0.5**2, rel=0.03)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_image_gets_its_own_draw_and_the_dtype_stays(dtype):
    same = np.repeat(images(dtype)[:1], 5, axis=0)
    moved = random_affine(same, np.random.default_rng(0), shift=2, rotation=10, scale=0.1)
    assert moved.dtype == dtype and moved.shape == same.shape
    assert len({image.tobytes() for image in moved}) == 5
    assert moved.min() >= 0 and moved.max() <= 1
    assert np.array_equal(same, np.repeat(images(dtype)[:1], 5, axis=0))  # the argument is not changed
