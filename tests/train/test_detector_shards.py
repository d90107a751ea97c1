"""A batch of a detector: its shards know what the whole is divided by, and so give what the whole gives."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minivit.family import DETR, DETRConfig
from minivit.model.targets import pack_targets
from minivit.train import TrainConfig
from minivit.train.processes import AVAILABLE, ProcessPool
from minivit.train.shards import ShardGradient, batch_gradient

STILL = dict(batch_size=5, shift=0.0, rotation=0.0, scale=0.0)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 16, 24, 1), np.uint8)
TARGETS = [{"labels": RNG.integers(0, 10, t), "boxes": RNG.uniform(0.2, 0.6, (t, 4))} for t in (0, 3, 1, 7, 2)]
PACKED = pack_targets(TARGETS)


def detector(**options):
    return DETR(DETRConfig.from_name("DETR-digits", queries=4, decoder_depth=1, **options), dtype=np.float64)


def gradient(pool, model, shard_size):
    task = ShardGradient(model, TrainConfig(shard_size=shard_size, **STILL))
    got = batch_gradient(pool, task, IMAGES, PACKED, (3, 1))
    return got.loss, task.params.views(np.array(got.grads)), got.buffers


@pytest.mark.parametrize("shard_size", [1, 2, 5])
def test_shards_of_any_size_give_the_whole_batchs_gradient(shard_size):
    model = detector()
    loss, grads = model.loss_and_grads(model.normalize(IMAGES), TARGETS)
    with ThreadPoolExecutor(2) as pool:
        got, got_grads, buffers = gradient(pool, model, shard_size)
    assert got == pytest.approx(loss, rel=1e-12) and not buffers
    for name, grad in grads.items():
        np.testing.assert_allclose(got_grads[name], grad, atol=1e-12 * max(1, np.abs(grad).max()), err_msg=name)


@pytest.mark.skipif(not AVAILABLE, reason="processes need POSIX")
def test_processes_give_the_threads_bits():
    """Targets and divisor travel with a shard; dropout is drawn from its own seed."""
    model = detector(dropout=0.1)
    with ThreadPoolExecutor(2) as pool:
        loss, grads, _ = gradient(pool, model, 2)
    task = ShardGradient(model, TrainConfig(shard_size=2, **STILL))
    pool = ProcessPool(task, 2)
    try:
        with pool.open() as opened:
            got = batch_gradient(opened, task, IMAGES, PACKED, (3, 1))
            assert got.loss == loss
            for name, grad in task.params.views(got.grads).items():
                np.testing.assert_array_equal(grad, grads[name], err_msg=name)
    finally:
        pool.close()
