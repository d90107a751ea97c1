"""The training loop: a Trainer takes one step at a time, and `fit` runs it to the end.

A batch walks one way: images → augment → shards → model.loss_and_grads → gradients added → optimizer.step → a line.
"""

import io
import json
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import numpy as np

from ..files import read_npz
from ..model import ViT
from ..model.files import save_model
from .config import TrainConfig
from .interrupt import deferred_interrupt
from .optimizer import AdamW, FlatParameters, clip_by_norm
from .progress import Progress
from .schedule import warmup_cosine
from .shards import batch_gradients, evaluate, worker_pool


class Trainer:
    """Everything that a run needs to go on: the model, the optimiser's averages, the step and the history.

    images (n, height, width, C) raw (uint8 or in [0, 1]), labels (n,). What happens in a step depends on the seed and
    the step alone, so a run that is saved and resumed gives the same bits as one that was never stopped.
    data: what the images are called, kept in checkpoints for whoever resumes.
    """

    def __init__(
        self,
        model: ViT,
        images: np.ndarray,
        labels: np.ndarray,
        config: TrainConfig,
        seed: int = 0,
        data: str = "",
    ) -> None:
        if len(images) != len(labels) or len(images) < config.batch_size:
            raise ValueError(
                f"{len(images)} images and {len(labels)} labels, expected as many of each, "
                f"and at least one batch of {config.batch_size}"
            )
        self.model, self.images, self.labels, self.config = model, images, labels, config
        self.seed, self.data = seed, data
        self.params = FlatParameters(model.params)
        self.optimizer = AdamW(self.params, config.betas, decay=config.weight_decay)
        self.history: list[dict] = []
        self.epoch_losses: list[float] = []  # of the steps since the last entry of the history

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches; the few images left over come in another epoch, whose order is another."""
        return len(self.images) // self.config.batch_size

    @property
    def steps(self) -> int:
        return self.config.epochs * self.steps_per_epoch

    @property
    def step_count(self) -> int:
        """Steps done."""
        return self.optimizer.steps

    def step(self, pool: ThreadPoolExecutor) -> float:
        """One batch, one update. Returns the batch's loss; raises FloatingPointError where it is not finite."""
        step = self.step_count + 1
        batch = self._batch(step)
        loss, grads = batch_gradients(
            pool,
            self.model,
            self.params.flatten,
            self.images[batch],
            self.labels[batch],
            self.config,
            (self.seed, step),
        )
        if not np.isfinite(loss) or not np.isfinite(grads).all():
            raise FloatingPointError(self._describe_nan(step, loss, grads))
        clip_by_norm(grads, self.config.clip_norm)
        self.optimizer.step(grads, self.learning_rate(step))
        self.epoch_losses.append(loss)
        return loss

    def end_epoch(self, **measured: float) -> None:
        """Add an epoch to the history, with what was measured after it."""
        record = {
            "epoch": len(self.history) + 1,
            "steps": self.step_count,
            "learning_rate": self.learning_rate(self.step_count),
        }
        self.history.append({**record, "train_loss": float(np.mean(self.epoch_losses)), **measured})
        self.epoch_losses = []

    def learning_rate(self, step: int) -> float:
        warmup = round(self.config.warmup * self.steps)
        return warmup_cosine(step, self.steps, warmup, self.config.learning_rate)

    def _batch(self, step: int) -> np.ndarray:
        """The images of a step: the epoch's own shuffle, cut into batches."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        order = np.random.default_rng(np.random.SeedSequence((self.seed, 0, epoch))).permutation(len(self.images))
        return order[place * self.config.batch_size : (place + 1) * self.config.batch_size]

    def _describe_nan(self, step: int, loss: float, grads: np.ndarray) -> str:
        bad = [name for name, grad in self.params.views(grads).items() if not np.isfinite(grad).all()]
        where = f"; gradients not finite: {', '.join(bad[:4])}{' …' if len(bad) > 4 else ''}" if bad else ""
        return (
            f"the loss is {loss} at step {step} of {self.steps} (epoch {(step - 1) // self.steps_per_epoch + 1}, "
            f"learning rate {self.learning_rate(step):.2g}){where}. The parameters are those of the step before; "
            "try a smaller learning rate or a longer warm-up."
        )

    def save(self, path: str) -> None:
        """Write a checkpoint: a model file (ViT.load reads it) with the optimiser's state, recipe and history."""
        state = {
            "config": self.config.to_dict(),
            "seed": self.seed,
            "data": self.data,
            "fingerprint": _fingerprint(self.images, self.labels),
            "history": self.history,
            "epoch_losses": self.epoch_losses,
        }
        optimizer = {"mean": self.optimizer.mean, "square": self.optimizer.square, "steps": np.array(self.step_count)}
        save_model(path, self.model.config, self.model.params, train=np.array(json.dumps(state)), **optimizer)

    @classmethod
    def resume(cls, path: str, images: np.ndarray, labels: np.ndarray) -> "Trainer":
        """The trainer that `save` wrote. Raises ValueError for other files, and for other images or labels."""
        state = read_checkpoint(path)
        if state["fingerprint"] != _fingerprint(images, labels):
            raise ValueError(f"{path} was trained on other images or labels than these, so it cannot go on with them")
        trainer = cls(ViT.load(path), images, labels, TrainConfig(**state["config"]), state["seed"], state["data"])
        trainer.optimizer.mean[:], trainer.optimizer.square[:] = state["mean"], state["square"]
        trainer.optimizer.steps = int(state["steps"])
        trainer.history, trainer.epoch_losses = state["history"], state["epoch_losses"]
        return trainer


def read_checkpoint(path: str) -> dict:
    """What a checkpoint holds beside the model: recipe, seed, data, history and the optimiser's state."""
    arrays = read_npz(path)
    names = ("mean", "square", "steps")
    if not {"minivit.train", *(f"minivit.{name}" for name in names)} <= arrays.keys():
        raise ValueError(f"{path} is not a checkpoint of a training run, so it cannot be resumed")
    return json.loads(str(arrays["minivit.train"])) | {name: arrays[f"minivit.{name}"] for name in names}


def _fingerprint(images: np.ndarray, labels: np.ndarray) -> list[int]:
    return [len(images), zlib.crc32(np.ascontiguousarray(images)), zlib.crc32(np.ascontiguousarray(labels))]


def fit(
    trainer: Trainer,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    workers: int | None = None,
    checkpoint: str | None = None,
    progress: bool = True,
) -> list[dict]:
    """Train to the end of the recipe, from wherever the trainer stands. Returns its history, one dict an epoch.

    After every epoch the model is evaluated on the test images and, where `checkpoint` names a file, the trainer is
    saved there. Ctrl-C saves it too, after the step in hand, says how to go on, and raises KeyboardInterrupt.
    """
    show = Progress(trainer.steps, trainer.step_count, stream=None if progress else io.StringIO())
    with worker_pool(workers) as pool, deferred_interrupt() as interrupted:
        for epoch in range(len(trainer.history) + 1, trainer.config.epochs + 1):
            started, first = time.perf_counter(), trainer.step_count
            while trainer.step_count < epoch * trainer.steps_per_epoch:
                trainer.step(pool)
                seconds, done = time.perf_counter() - started, trainer.step_count - first
                rate = done * trainer.config.batch_size / seconds
                show.moving(trainer.step_count, epoch, trainer.config.epochs, trainer.epoch_losses[-1], rate)
                if interrupted():
                    _stop(trainer, checkpoint, show)
            loss, accuracy, _ = evaluate(trainer.model, test_images, test_labels, workers)
            trainer.end_epoch(test_loss=loss, test_accuracy=accuracy, seconds=seconds, images_per_second=rate)
            show.epoch(trainer.history[-1], trainer.config.epochs)
            if checkpoint:
                trainer.save(checkpoint)
    return trainer.history


def _stop(trainer: Trainer, checkpoint: str | None, show: Progress) -> NoReturn:
    show.line(f"stopped after step {trainer.step_count} of {trainer.steps}")
    if checkpoint:
        trainer.save(checkpoint)
        show.line(f"saved {checkpoint}; to go on: python -m minivit train --resume {checkpoint}")
    raise KeyboardInterrupt
