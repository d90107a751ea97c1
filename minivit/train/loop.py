"""The training loop: `fit` takes the trainer's steps, epoch by epoch, and after each looks how well the model does."""

import io
import os
import time
from typing import NoReturn

import numpy as np

from ..devices.workers import worker_pool
from .checkpoint import save_checkpoint
from .interrupt import deferred_interrupt
from .measuring import measure
from .progress import Progress
from .shards import check_dataset
from .trainer import Trainer


def fit(
    trainer: Trainer,
    test_images: np.ndarray,
    test_labels: np.ndarray | None,
    *,
    workers: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train to the end of the recipe, from wherever the trainer stands. Returns its history, one dict an epoch.

    After every epoch the model is evaluated on the test images and, where `checkpoint` names a file, the trainer is
    saved there. Ctrl-C saves it too, after the step in hand, and raises KeyboardInterrupt. The `seconds` of an epoch
    that was interrupted are those since.
    """
    check_dataset(trainer.model, test_images, test_labels)
    show = Progress(trainer.steps, trainer.step_count, stream=None if progress else io.StringIO())
    with deferred_interrupt() as interrupted:
        for epoch in range(len(trainer.history) + 1, trainer.config.epochs + 1):
            started, images = time.perf_counter(), 0
            with worker_pool(workers) as pool:
                while trainer.step_count < epoch * trainer.steps_per_epoch:
                    loss = trainer.step(pool)
                    images += trainer.config.batch_size
                    rate = images / (time.perf_counter() - started)
                    show.moving(trainer.step_count, epoch, trainer.config.epochs, loss, rate)
                    if interrupted():
                        _stop(trainer, checkpoint, show)
            seconds = time.perf_counter() - started
            measured = measure(trainer.model, test_images, test_labels, workers)
            trainer.end_epoch(**measured, seconds=seconds, images_per_second=images / seconds)
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
