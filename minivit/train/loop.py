"""The training loop: `fit` takes the trainer's steps, epoch by epoch, and after each looks how well the model does."""

import io
import os
import time
from typing import NoReturn

import numpy as np

from .checkpoint import save_checkpoint
from .evaluation import check_dataset, evaluate
from .interrupt import deferred_interrupt
from .pools import shard_pools
from .progress import Progress
from .trainer import Trainer


def fit(
    trainer: Trainer,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    workers: int | None = None,
    parallel: str | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train to the end of the recipe, from wherever the trainer stands. Returns its history, one dict an epoch.

    workers, parallel: how many take a batch's shards, and whether as threads or processes: see pools.py, also for what
    that does to memory. The result does not depend on it.
    After every epoch the model is evaluated on the test images and, where `checkpoint` names a file, the trainer is
    saved there. Ctrl-C saves it too, after the step in hand, and raises KeyboardInterrupt. The `seconds` of an epoch
    that was interrupted are those since. A worker process that dies (WorkerError) loses nothing either: the trainer is
    saved as it was after the last step.
    """
    check_dataset(trainer.model, test_images, test_labels)
    show = Progress(trainer.steps, trainer.step_count, stream=None if progress else io.StringIO())
    steps = trainer.steps - trainer.step_count
    with deferred_interrupt() as interrupted, shard_pools(trainer.task, steps, workers, parallel) as open_pool:
        for epoch in range(len(trainer.history) + 1, trainer.config.epochs + 1):
            started, images = time.perf_counter(), 0
            with open_pool() as pool:
                while trainer.step_count < epoch * trainer.steps_per_epoch:
                    loss = trainer.step(pool)
                    images += trainer.config.batch_size
                    rate = images / (time.perf_counter() - started)
                    show.moving(trainer.step_count, epoch, trainer.config.epochs, loss, rate)
                    if interrupted():
                        _stop(trainer, checkpoint, show)
            seconds = time.perf_counter() - started
            loss, accuracy, _ = evaluate(trainer.model, test_images, test_labels, workers)
            trainer.end_epoch(
                test_loss=loss, test_accuracy=accuracy, seconds=seconds, images_per_second=images / seconds
            )
            show.epoch(trainer.history[-1], trainer.config.epochs)
            if checkpoint:
                save_checkpoint(trainer, checkpoint)
            if interrupted():
                _stop(trainer, checkpoint, show)
    return trainer.history


def _stop(trainer: Trainer, checkpoint: str | os.PathLike | None, show: Progress) -> NoReturn:
    show.line(f"stopped after step {trainer.step_count} of {trainer.steps}")
    if checkpoint:
        save_checkpoint(trainer, checkpoint)
        show.line(f"saved {checkpoint}")
    raise KeyboardInterrupt
