"""A run on disk: a model file (ViT.load reads it) with all that the trainer needs to go on, to the same bits."""

import json
import zlib

import numpy as np

from ..files import read_npz
from ..model import ViT
from ..model.files import save_model
from .config import TrainConfig
from .trainer import Trainer


def save_checkpoint(trainer: Trainer, path: str) -> None:
    """Write the model, the optimiser's state, the recipe and the history to `path`, whole or not at all."""
    state = {
        "config": trainer.config.to_dict(),
        "seed": trainer.seed,
        "data": trainer.data,
        "fingerprint": _fingerprint(trainer.images, trainer.labels),
        "history": trainer.history,
        "epoch_losses": trainer.epoch_losses,
    }
    optimizer = trainer.optimizer
    arrays = {"mean": optimizer.mean, "square": optimizer.square, "steps": np.array(optimizer.steps)}
    save_model(path, trainer.model.config, trainer.model.params, train=np.array(json.dumps(state)), **arrays)


def resume(path: str, images: np.ndarray, labels: np.ndarray) -> Trainer:
    """The trainer that `save_checkpoint` wrote. Raises ValueError for other files, and for other images or labels."""
    state = read_checkpoint(path)
    if state["fingerprint"] != _fingerprint(images, labels):
        raise ValueError(f"{path} was trained on other images or labels than these, so it cannot go on with them")
    trainer = Trainer(ViT.load(path), images, labels, TrainConfig(**state["config"]), state["seed"], state["data"])
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
