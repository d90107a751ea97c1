"""One step of training: a batch, its gradient, an update; and what must be kept for the next one.

A batch walks one way: images → augment → shards → model.loss_and_grads → gradients added → optimizer.step.
"""

import operator

import numpy as np

from ..model import Classifier
from .batches import Batches, Fresh, Images, Shuffled, as_labels
from .config import TrainConfig
from .detection import check_recipe
from .distillation import Teacher, check_teacher
from .evaluation import check_dataset
from .optimizer import AdamW, adamw_update, clip_by_norm
from .schedule import warmup_cosine
from .sgd import SGD
from .shards import Pool, ShardGradient, batch_gradient


class Trainer:
    """Everything that a run needs to go on: the model, the optimiser's averages, the step and the history.

    images (n, height, width, C) raw (uint8 or in [0, 1]), labels (n,), or None where a model needs none (family.MAE).
    A detector's labels are targets (model/targets.py); or its images are data.Canvases, which bring their own.
    What a step does depends on the seed and the step alone: a run that was saved and resumed gives the same bits.
    data: what the images are called, kept in checkpoints for whoever resumes.
    teacher: whom a recipe with distillation learns from, see distillation.py.
    """

    def __init__(
        self,
        model: Classifier,
        images: Images,
        labels: np.ndarray | None,
        config: TrainConfig,
        seed: int = 0,
        data: str = "",
        teacher: Teacher | None = None,
    ) -> None:
        check_dataset(model, images, labels)
        check_recipe(model, config)
        self.teacher = check_teacher(teacher, model, images, config)
        self.model, self.images, self.labels, self.config = model, images, as_labels(labels), config
        self.seed, self.data = operator.index(seed), data
        self.task = ShardGradient(model, config, self.teacher)
        self.params = self.task.params
        if config.optimizer == "sgd":
            self.optimizer: SGD | AdamW = SGD(self.params, config.momentum, config.weight_decay)
        else:
            update = model.device.adamw_update or adamw_update
            self.optimizer = AdamW(self.params, config.betas, decay=config.weight_decay, update=update)
        if isinstance(images, np.ndarray):
            self.batches: Batches = Shuffled(images, self.labels, config, self.seed, model.device)
        else:
            self.batches = Fresh(images, config, model.device)
        self.history: list[dict[str, float]] = []
        self.epoch_losses: list[float] = []  # of the steps since the last entry of the history

    @property
    def steps_per_epoch(self) -> int:
        return self.batches.steps_per_epoch

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
        images, labels = self.batches(step)
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

    def _describe_nan(self, step: int, loss: float, grads: np.ndarray, length: float) -> str:
        bad = [name for name, grad in self.params.views(grads).items() if not np.isfinite(grad).all()]
        where = f"; gradients not finite: {', '.join(bad[:4])}{' …' if len(bad) > 4 else ''}" if bad else ""
        where = where or f"; the gradient's length is {length}"
        return (
            f"the loss is {loss} at step {step} of {self.steps} (epoch {(step - 1) // self.steps_per_epoch + 1}, "
            f"learning rate {self.learning_rate(step):.2g}){where}. The parameters are those of the step before; "
            "try a smaller learning rate or a longer warm-up."
        )
