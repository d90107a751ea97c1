"""The training loop: a Trainer that takes one step at a time, and `train`, which runs it to the end.

A batch walks one way: images → augment → shards → model.loss_and_grads → gradients added → optimizer.step → a line.
"""

import json
import time
from collections.abc import Callable

import numpy as np

from ..files import read_npz
from ..model import ViT
from ..model.files import save_model
from .config import TrainConfig
from .optimizer import AdamW, FlatParameters, clip_by_norm

from .schedule import warmup_cosine
from .shards import batch_gradients, evaluate, worker_pool


class Trainer:
    """Everything that a run needs to go on: the model, the optimiser's averages, the step and the history.

    images (n, height, width, C) raw (uint8 or in [0, 1]), labels (n,). What happens in a step depends on the seed and
    the step alone, so a run that is saved and resumed gives the same bits as one that was never stopped.
    """

    def __init__(self, model: ViT, images: np.ndarray, labels: np.ndarray, config: TrainConfig, seed: int = 0) -> None:
        if len(images) != len(labels) or len(images) < config.batch_size:
            raise ValueError(
                f"{len(images)} images and {len(labels)} labels, expected as many of each, "
                f"and at least one batch of {config.batch_size}"
            )
        self.model, self.images, self.labels, self.config, self.seed = model, images, labels, config, seed
        self.params = FlatParameters(model.params)
        self.optimizer = AdamW(self.params, config.betas, decay=config.weight_decay)
        self.history: list[dict] = []

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

    def step(self, pool) -> float:
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
        return loss

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
        """Write a checkpoint: a model file (ViT.load reads it) with the optimiser's state, the recipe and the history."""
        state = {"train": self.config.to_dict(), "seed": self.seed, "steps": self.step_count, "history": self.history}
        save_model(
            path,
            self.model.config,
            self.model.params,
            train=np.array(json.dumps(state)),
            mean=self.optimizer.mean,
            square=self.optimizer.square,
        )

    @classmethod
    def resume(cls, path: str, images: np.ndarray, labels: np.ndarray) -> "Trainer":
        """The trainer that `save` wrote; the images and labels must be the same ones. Raises ValueError for other files."""
        arrays = read_npz(path)
        if not {"minivit.train", "minivit.mean", "minivit.square"} <= arrays.keys():
            raise ValueError(f"{path} is not a checkpoint of a training run, so it cannot be resumed")
        state = json.loads(str(arrays["minivit.train"]))
        trainer = cls(ViT.load(path), images, labels, TrainConfig(**state["train"]), state["seed"])
        trainer.optimizer.mean[:] = arrays["minivit.mean"]
        trainer.optimizer.square[:] = arrays["minivit.square"]
        trainer.optimizer.steps, trainer.history = state["steps"], state["history"]
        return trainer
