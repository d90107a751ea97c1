"""BatchNorm in the trainer: a shard's own statistics, and the same bits for any number of workers."""

import numpy as np
import pytest

from minivit import TrainConfig, Trainer, fit
from minivit.devices.workers import worker_pool
from minivit.family import ResNet, ResNetConfig
from minivit.train import resume, save_checkpoint

DIGITS = ResNetConfig(
    image_size=28, channels=1, classes=10, stem_width=4, stem_kernel=3, stem_pool=False, depths=(1, 1), widths=(6, 8),
    inner=None, image_mean=0.13, image_std=0.31,
)  # fmt: skip
RECIPE = TrainConfig(epochs=2, batch_size=40, shard_size=16, learning_rate=0.01)  # the third shard has 8 images


@pytest.mark.parametrize("workers", [2, 8])
def test_any_number_of_workers_trains_to_the_same_bits(digits, workers):
    images, labels = digits.train_images[:120], digits.train_labels[:120]
    trainers = [Trainer(ResNet(DIGITS, seed=1, init="fan_in"), images, labels, RECIPE, seed=3) for _ in range(2)]
    for trainer, count in zip(trainers, (1, workers), strict=True):
        fit(trainer, digits.test_images[:40], digits.test_labels[:40], workers=count, progress=False)
    one, many = trainers
    assert one.params.buffer.tobytes() == many.params.buffer.tobytes()
    assert {n: a.tobytes() for n, a in one.model.buffers.items()} == {
        n: a.tobytes() for n, a in many.model.buffers.items()
    }
    assert one.history[-1]["test_loss"] == many.history[-1]["test_loss"]
    assert (one.model.buffers["bn1.running_var"] != 1).all()


def test_a_run_is_resumed_to_the_same_bits(digits, tmp_path):
    trainer = Trainer(ResNet(DIGITS, seed=1), digits.train_images[:80], digits.train_labels[:80], RECIPE, seed=3)
    with worker_pool(1) as pool:
        trainer.step(pool)
        save_checkpoint(trainer, tmp_path / "c.npz")
        again = resume(tmp_path / "c.npz", trainer.images, trainer.labels, kind=ResNet)
        assert trainer.step(pool) == again.step(pool)
    assert trainer.params.buffer.tobytes() == again.params.buffer.tobytes()
    for name, array in trainer.model.buffers.items():
        np.testing.assert_array_equal(array, again.model.buffers[name])
