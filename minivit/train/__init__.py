"""Training: config.py (the recipe), trainer.py (a step), loop.py (a run), and what a step is made of, a file each."""

from .average_precision import AveragePrecision, average_precision
from .checkpoint import resume, save_checkpoint
from .config import TrainConfig
from .detector import DetectorResult, train_detector
from .evaluation import evaluate
from .finetuning import FINETUNE, finetune
from .loop import fit
from .mnist import TrainResult, train_mnist
from .pretraining import PretrainResult, pretrain_mae
from .probe import PROBE
from .trainer import Trainer

__all__ = [
    "FINETUNE",
    "PROBE",
    "AveragePrecision",
    "DetectorResult",
    "PretrainResult",
    "TrainConfig",
    "TrainResult",
    "Trainer",
    "average_precision",
    "evaluate",
    "finetune",
    "fit",
    "pretrain_mae",
    "resume",
    "save_checkpoint",
    "train_detector",
    "train_mnist",
]
