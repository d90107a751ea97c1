"""random_affine moves images as it says: nothing at 0, whole pixels exactly, the centre stays, no two draws alike."""

import dataclasses

import numpy as np
import pytest

from minivit.train.augment import move_images, random_affine
from minivit.train.shards import Shard


class Drawn:
    """Stands in for the generator: every draw is the largest of its range, or the part of it that is asked for."""

    def __init__(self, part=1.0):
        self.part = part

    def random(self, shape):
        return np.full(shape, self.part)


def images(dtype=np.float32):
    return np.random.default_rng(0).random((3, 9, 7, 2)).astype(dtype)


def test_the_order_of_the_draws():
    """As of 0.1: a run that goes on draws what it would have drawn."""
    rng, x = np.random.default_rng(7), images()
    low, high = np.array([[-2], [-10], [0.9]]), np.array([[2], [10], [1.1]])
    shifts, *more = rng.uniform(-2, 2, (2, 3)), rng.uniform(-10, 10, 3), rng.uniform(0.9, 1.1, 3)
    noise = rng.standard_normal((2, 3, 5, 4), dtype=np.float32)
    draws = (np.concatenate((shifts, more)) - low[[0, 0, 1, 2]]) / (high - low)[[0, 0, 1, 2]]
    moves = dict(shift=2, rotation=10, scale=0.1, elastic=1)
    expected = move_images(x, draws, noise, **moves)
    np.testing.assert_allclose(random_affine(x, np.random.default_rng(7), **moves), expected, atol=1e-6)


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


def test_elastic_displacements_are_as_large_as_asked_smooth_and_independent():
    B, height, width = 2000, 24, 17
    places = np.stack(np.mgrid[:height, :width], axis=-1)[None].astype(np.float64)  # each pixel holds its own place
    moved = random_affine(np.repeat(places, B, axis=0), np.random.default_rng(0), elastic=0.5) - places
    inner = moved[:, 3:-4, 3:-4]  # where no place lies outside of the image
    np.testing.assert_allclose(inner.std(axis=0), 0.5, rtol=0.1)
    assert np.abs(inner.mean(axis=0)).max() < 0.05

    def correlation(a, b):
        return np.mean(a * b) / 0.25

    assert correlation(inner[:, 1:], inner[:, :-1]) > 0.97 and correlation(inner[:, :, 1:], inner[:, :, :-1]) > 0.97
    assert abs(correlation(inner[:, 16:], inner[:, :-16])) < 0.1  # four σ apart
    assert abs(correlation(inner[..., 0], inner[..., 1])) < 0.1  # down, and to the right


def test_a_recipe_s_moves_all_arrive(make_trainer):
    task = make_trainer().task
    shard = Shard(np.full((4, 28, 28, 1), 0.5, np.float32), np.arange(4), (0, 0), 1.0)
    shard.images[:, 10:18, 10:18] = 1
    still = dict(shift=0, rotation=0, scale=0, elastic=0)
    losses = set()
    for change in ({}, {"shift": 2}, {"rotation": 20}, {"scale": 0.3}, {"elastic": 1}):
        task.config = dataclasses.replace(task.config, **still | change)
        losses.add(task(shard).loss)
    assert len(losses) == 5


@pytest.mark.parametrize("moves", [dict(shift=2, rotation=10, scale=0.1), dict(elastic=1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_image_gets_its_own_draw_and_the_dtype_stays(dtype, moves):
    same = np.repeat(images(dtype)[:1], 5, axis=0)
    moved = random_affine(same, np.random.default_rng(0), **moves)
    assert moved.dtype == dtype and moved.shape == same.shape
    assert len({image.tobytes() for image in moved}) == 5
    assert moved.min() >= 0 and moved.max() <= 1
    assert np.array_equal(same, np.repeat(images(dtype)[:1], 5, axis=0))  # the argument is not changed
