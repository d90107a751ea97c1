"""Training: config.py (the recipe), loop.py (a step, an epoch, a run), and what a step is made of, a file each."""

from .config import TrainConfig
from .loop import Trainer, fit
from .mnist import TrainResult, train_mnist
from .shards import evaluate

__all__ = ["TrainConfig", "TrainResult", "Trainer", "evaluate", "fit", "train_mnist"]
