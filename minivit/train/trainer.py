"""One step of training: a batch, its gradient, an update; and what must be kept for the next one.

A batch walks one way: images → augment → shards → model.loss_and_grads → gradients added → optimizer.step.
"""

import operator

import numpy as np

from ..model import Classifier
from .config import TrainConfig
from .distillation import Teacher, check_teacher
from .evaluation import check_dataset
from .optimizer import SGD, AdamW, adamw_update, clip_by_norm
from .schedule import warmup_cosine
from .shards import Pool, ShardGradient, batch_gradient


class Trainer:
    """Everything that a run needs to go on: the model, the optimiser's averages, the step and the history.

    images (n, height, width, C) raw (uint8 or in [0, 1]), labels (n,), or None where a model needs none (family.MAE).
    What happens in a step depends on the seed and the step alone, so a run that is saved and resumed gives the same
    bits as one that was never stopped.
    data: what the images are called, kept in checkpoints for whoever resumes.
    teacher: whom a recipe with distillation learns from, see distillation.py.
    """

    def __init__(
        self,
        model: Classifier,
        images: np.ndarray,
        labels: np.ndarray | None,
        config: TrainConfig,
        seed: int = 0,
        data: str = "",
        teacher: Teacher | None = None,
    ) -> None:
        count = len(images if labels is None else labels)
        if len(images) != count or len(images) < config.batch_size:
            raise ValueError(
                f"{len(images)} images and {count} labels, expected as many of each, "
                f"and at least one batch of {config.batch_size}"
            )
        check_dataset(model, images, labels)
        self.teacher = check_teacher(teacher, model, images, config)
        self.model, self.images, self.labels, self.config = model, images, labels, config
        self.seed, self.data = operator.index(seed), data
        self.task = ShardGradient(model, config, self.teacher)
        self.params = self.task.params
        if config.optimizer == "sgd":
            self.optimizer: SGD | AdamW = SGD(self.params, config.momentum, config.weight_decay)
        else:
            update = model.device.adamw_update or adamw_update
            self.optimizer = AdamW(self.params, config.betas, decay=config.weight_decay, update=update)
        # All images go to a GPU once, and stay there.
        self._images = model.device.asarray(images)
        self._labels = None if labels is None else model.device.asarray(labels)
        self.history: list[dict[str, float]] = []
        self.epoch_losses: list[float] = []  # of the steps since the last entry of the history
        self._order_epoch, self._order = -1, np.empty(0, int)  # the shuffle of the epoch in hand, kept for its steps

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

    def step(self, pool: Pool) -> float:
        """One batch, one update. Returns the batch's loss; raises FloatingPointError where it is not finite."""
        step = self.step_count + 1
        batch = self._batch(step)
        images, labels = self._images[batch], None if self._labels is None else self._labels[batch]
        loss, grads, buffers = batch_gradient(pool, self.task, images, labels, (self.seed, step))
        length = clip_by_norm(grads, self.config.clip_norm)
        if not (np.isfinite(loss) and np.isfinite(length)):
            raise FloatingPointError(self._describe_nan(step, loss, grads, length))
        self.optimizer.step(grads, self.learning_rate(step))
        self.model.buffers |= buffers  # new arrays: the old ones may be somebody else's, too
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
        if epoch != self._order_epoch:
            # Steps count from 1, so (seed, 0, …) is no step's stream; and trailing zeros would be the parameters' own.
            stream = np.random.default_rng(np.random.SeedSequence((self.seed, 0, epoch + 1)))
            self._order_epoch = epoch
            self._order = self.model.device.asarray(stream.permutation(len(self.images)))
        return self._order[place * self.config.batch_size : (place + 1) * self.config.batch_size]

    def _describe_nan(self, step: int, loss: float, grads: np.ndarray, length: float) -> str:
        bad = [name for name, grad in self.params.views(grads).items() if not np.isfinite(grad).all()]
        where = f"; gradients not finite: {', '.join(bad[:4])}{' …' if len(bad) > 4 else ''}" if bad else ""
        where = where or f"; the gradient's length is {length}"
        return (
            f"the loss is {loss} at step {step} of {self.steps} (epoch {(step - 1) // self.steps_per_epoch + 1}, "
            f"learning rate {self.learning_rate(step):.2g}){where}. The parameters are those of the step before; "
            "try a smaller learning rate or a longer warm-up."
        )
