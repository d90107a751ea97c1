"""The training loop: `fit` takes the trainer's steps, epoch by epoch, and after each looks how well the model does."""

import io
import os
import time
from contextlib import suppress

import numpy as np

from .checkpoint import save_checkpoint
from .evaluation import check_dataset, measure
from .interrupt import deferred_interrupt
from .pools import shard_pools
from .processes import WorkerError
from .progress import Progress
from .ranks import job
from .trainer import Trainer


def fit(
    trainer: Trainer,
    test_images: np.ndarray,
    test_labels: np.ndarray | None,
    *,
    workers: int | None = None,
    parallel: str | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train to the end of the recipe, from wherever the trainer stands. Returns its history, one dict an epoch.

    After every epoch the model is evaluated on the test images and, where `checkpoint` names a file, the trainer is
    saved there. Ctrl-C saves it too, after the step in hand, and raises KeyboardInterrupt. So do a worker
    process that dies, with a WorkerError, and a pipe that nobody reads any more, with a BrokenPipeError. The `seconds`
    of an epoch that was interrupted are those since.

    workers, parallel: how many share a batch, and whether as "threads" or "processes": see pools.py, also for what that
    does to memory. Under mpiexec a run goes over several machines: see ranks.py. To the bit, the result is the same.
    """

    def numbers() -> list[np.ndarray]:
        return [trainer.params.buffer, *trainer.model.buffers.values()]

    with job(trainer.model.device.name) as ranks, deferred_interrupt() as interrupted:
        check_dataset(trainer.model, test_images, test_labels)
        workers = ranks.workers if workers is None else workers
        settings = trainer.config, trainer.seed, trainer.step_count, len(trainer.history), workers
        labels = [] if trainer.labels is None else [trainer.labels]
        ranks.check_same(images=[trainer.images], labels=labels, settings=settings, numbers=numbers())
        checkpoint = checkpoint if ranks.first else None
        show = Progress(trainer.steps, trainer.step_count, None if progress and ranks.first else io.StringIO())

        def stop_if_interrupted() -> None:
            if ranks.any(interrupted()):
                show.line(f"stopped after step {trainer.step_count} of {trainer.steps}")
                ranks.once(lambda: _save(trainer, checkpoint, show))  # nobody leaves before that
                raise KeyboardInterrupt

        try:
            with shard_pools(trainer.task, trainer.steps - trainer.step_count, workers, parallel) as open_pool:
                for epoch in range(len(trainer.history) + 1, trainer.config.epochs + 1):
                    started, images = time.perf_counter(), 0
                    with open_pool() as pool:
                        pool = ranks.pool(pool, workers)
                        while trainer.step_count < epoch * trainer.steps_per_epoch:
                            loss = trainer.step(pool)
                            images += trainer.config.batch_size
                            rate = images / (time.perf_counter() - started)
                            show.moving(trainer.step_count, epoch, trainer.config.epochs, loss, rate)
                            stop_if_interrupted()
                    seconds = time.perf_counter() - started
                    ranks.check_same(numbers=numbers())
                    measured = ranks.once(lambda: measure(trainer.model, test_images, test_labels, workers))
                    trainer.end_epoch(**measured, seconds=seconds, images_per_second=images / seconds)
                    show.epoch(trainer.history[-1], trainer.config.epochs)
                    if checkpoint:
                        save_checkpoint(trainer, checkpoint)
                    stop_if_interrupted()
        except (WorkerError, BrokenPipeError):
            with suppress(BrokenPipeError):
                _save(trainer, checkpoint, show)
            raise
    return trainer.history


def _save(trainer: Trainer, checkpoint: str | os.PathLike | None, show: Progress) -> None:
    if checkpoint:
        save_checkpoint(trainer, checkpoint)
        show.line(f"saved {checkpoint}")
