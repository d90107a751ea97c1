"""The augmentation's kernel against NumPy's function of the same random numbers."""

import numpy as np
import pytest
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_PTX,
    assert_close_to_reference,
    assert_same_bits_in_every_order,
    compile_together,
    nans,
    profile,
    run,
)

from minivit import TrainConfig, Trainer, ViT, ViTConfig, load_mnist
from minivit.devices import get_device
from minivit.devices.launches.augment import every_launch, move_images
from minivit.train import augment
from minivit.train.shards import Shard

CONFIG = ViTConfig(image_size=28, patch_size=14, channels=1, classes=10, width=8, depth=1, heads=2)
compile_together(every_launch())
MOVES = {
    "all": dict(shift=2, rotation=15, scale=0.2, elastic=1.5),
    "no bending": dict(shift=3.5, rotation=40, scale=0.5, elastic=0),
    "bending alone": dict(shift=0, rotation=0, scale=0, elastic=2),
    "out of the image": dict(shift=60, rotation=180, scale=0.9, elastic=0),
}


def drawn(shape, dtype, elastic):
    """Images and the random numbers for them, of the dtype."""
    rng, (B, height, width, _) = np.random.default_rng(0), shape
    noise = rng.standard_normal((2, B, (height + 8) // 4 + 1, (width + 8) // 4 + 1)).astype(dtype) if elastic else None
    return rng.random(shape).astype(dtype), rng.random((4, B)).astype(dtype), noise


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("shape", [(3, 28, 28, 1), (2, 9, 33, 2), (1, 1, 1, 1), (1, 47, 16, 3)])
@FLOAT_AND_DOUBLE
@SOURCE_AND_PTX
def test_numpys_images(via, dtype, shape, moves):
    images, draws, noise = drawn(shape, dtype, moves["elastic"])
    moved, (_, *sizes) = nans(shape, dtype), shape
    points = (0, 0) if noise is None else noise.shape[2:]
    run(move_images(shape, dtype), moved, images, draws, noise, *sizes, *points, *moves.values(), via=via)
    reference = augment.move_images(images, draws, noise, **moves)
    if dtype == np.float64:  # 16 points of the grid stand for all of them: what lies further off weighs 4e-9 at most
        np.testing.assert_allclose(moved, reference, rtol=0, atol=2e-8 if noise is not None else 1e-12)
        return
    doubles = (None if array is None else array.astype(np.float64) for array in (images, draws, noise))
    exact = augment.move_images(*doubles, **moves)
    # A coordinate's last bit, of up to 60 pixels and the image's side, moves what is between two of them.
    assert_close_to_reference(moved, exact, reference, max(shape) + moves["shift"], terms=4)


def test_what_it_asks_of_memory_and_that_nothing_depends_on_the_order():
    shape = 3, 28, 28, 1
    images, draws, noise = drawn(shape, np.float32, True)
    names = "moved", "images", "draws", "noise", "height", "width", "channels", "points_down", "points_across"
    values = dict(zip(names, (nans(shape, np.float32), images, draws, noise, *shape[1:], 10, 10), strict=True))
    values |= dict(shift=0, rotation=0, scale=0, elastic=1)
    total = profile(launch := move_images(shape, np.float32), values).total
    assert total.bytes_written == 4 * images.size
    assert total.conflicts == 96  # one a warp: it stores two rows of weights, and the longer rows share a bank
    assert_same_bits_in_every_order([launch], values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_operation_is_what_training_calls(dtype):
    images = (load_mnist().train_images[:5].astype(dtype) / 255)[:, ::2]  # scattered in memory
    moves = dict(shift=2, rotation=10, scale=0.1, elastic=1)
    expected = augment.random_affine(images, np.random.default_rng(3), **moves)
    move = get_device("emulator").move_images
    moved = augment.random_affine(images, np.random.default_rng(3), **moves, move=move)
    assert moved.dtype == dtype and np.abs(expected - images).max() > 0.5
    np.testing.assert_allclose(moved, expected, rtol=0, atol=2e-5 if dtype == np.float32 else 5e-8)
    draws = np.random.default_rng(0).random((4, 10)).astype(dtype)[:, ::2]
    noise = np.random.default_rng(1).standard_normal((2, 5, 6, 20)).astype(dtype)[..., ::2]
    expected = augment.move_images(images, draws, noise, **moves)
    np.testing.assert_allclose(move(images, draws, noise, **moves), expected, rtol=0, atol=2e-5)


def test_a_displacement_beyond_all_numbers_is_outside_of_the_image():
    images, draws, noise = drawn((2, 8, 8, 1), np.float32, True)
    assert not get_device("emulator").move_images(images, draws, 10 * noise, 0, 0, 0, 3e38).any()


def test_a_step_of_training_launches_it(monkeypatch):
    digits, device, launched = load_mnist(), get_device("emulator"), []
    launch = device.launch
    monkeypatch.setattr(
        device, "launch", lambda row, *arguments: launched.append(row.kernel) or launch(row, *arguments)
    )
    task = Trainer(ViT(CONFIG, device="emulator"), digits.train_images, digits.train_labels, TrainConfig()).task
    task(Shard(digits.train_images[:4], digits.train_labels[:4], (0, 0), 1.0))
    assert launched[0] == "move_images<float>"


def test_wrong_random_numbers_are_refused():
    move = get_device("emulator").move_images
    images, draws, noise = drawn((2, 8, 8, 1), np.float32, True)
    with pytest.raises(ValueError, match=r"draws has shape \(4, 3\), expected \(4, 2\)"):
        move(images, np.zeros((4, 3), np.float32), noise, 1, 1, 0, 1)
    for wrong in (noise[:, :1], noise[:, :, :2, :2], noise[0]):
        with pytest.raises(ValueError, match=rf"noise has shape \({str(wrong.shape)[1:-1]}\), expected \(2, 2, 5, 5\)"):
            move(images, draws, wrong, 1, 1, 0, 1)
