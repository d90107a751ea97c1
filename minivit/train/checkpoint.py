"""A run on disk: a model file (its class loads it) with all that the trainer needs to go on, to the same bits."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .. import family
from ..files import read_npz
from ..messages import short
from ..model import Classifier
from ..model.files import check_finite, model_name, named, restored, save_model
from .batches import Images, as_labels, fingerprint
from .config import TrainConfig
from .distillation import Teacher, check_teacher
from .optimizer import FlatParameters
from .trainer import Trainer

ARRAYS = ("mean", "square", "velocity")  # AdamW's and SGD's, entries of their own
# What the JSON entry of a checkpoint holds.
STATE = {"config": dict, "seed": int, "data": str, "fingerprint": list, "history": list, "epoch_losses": list}


def save_checkpoint(trainer: Trainer, path: str | os.PathLike) -> None:
    """Write the model, the optimiser's state, the recipe and the history to `path`, whole or not at all."""
    state = {
        "config": trainer.config.to_dict(),
        "seed": trainer.seed,
        "data": trainer.data,
        "fingerprint": fingerprint(trainer.images, trainer.labels),
        "history": trainer.history,
        "epoch_losses": trainer.epoch_losses,
        "order": list(trainer.params.places),  # of the parameters in the optimiser's arrays
    }
    optimizer = trainer.optimizer
    to_numpy = trainer.model.device.to_numpy
    arrays = {name: to_numpy(getattr(optimizer, name)) for name in optimizer.state}
    arrays["steps"] = np.array(optimizer.steps)
    model = trainer.model
    arrays |= named(model.class_names)
    save_model(path, type(model), model.config, model.numpy_arrays(), train=np.array(json.dumps(state)), **arrays)


def resume(
    path: str | os.PathLike,
    images: Images,
    labels: np.ndarray | None,
    device: str = "cpu",
    teacher: Teacher | None = None,
    kind: type[Classifier] | None = None,
) -> Trainer:
    """The trainer that `save_checkpoint` wrote, on any device's model. A teacher, which no file holds, is given anew.
    kind: the model's class, where it is none of minivit's: these the file names.

    Raises ValueError for other files, for other images or labels, and where a teacher is missing or has no use.
    """
    state = read_checkpoint(path, device, kind)
    if state["fingerprint"] != fingerprint(images, as_labels(labels)):
        raise ValueError(f"{path} was trained on other images or labels than these, so it cannot go on with them")
    with _naming(path):
        config = TrainConfig(**state["config"])
    if teacher is None and config.distillation is not None:
        raise ValueError(f"{path} learned from a teacher, which no file holds: give it again (teacher, or --teacher)")
    check_teacher(teacher, state["model"], images, config)  # what is wrong with it is not wrong with the file
    with _naming(path):
        trainer = Trainer(state["model"], images, labels, config, state["seed"], state["data"], teacher)
        trainer.history, trainer.epoch_losses = state["history"], state["epoch_losses"]
        order = state.get("order", _older_order(trainer))
        if not isinstance(order, list) or sorted(map(str, order)) != sorted(trainer.params.places):
            raise ValueError(f"order is {short(order)}, expected the names of the model's parameters")
        optimizer = trainer.optimizer
        for name in optimizer.state:
            if name not in state:
                raise ValueError(f"it lacks {name}, which the optimizer {config.optimizer!r} needs")
            own = getattr(optimizer, name)
            _check_array(name, state[name], own.shape, own.dtype)
            check_finite(name, state[name])
            own[:] = trainer.model.device.asarray(_in_order(state[name], order, trainer.params))
        _check_array("steps", state["steps"], (), np.dtype(int))
        optimizer.steps = int(state["steps"])
        if not 0 <= optimizer.steps <= trainer.steps:
            raise ValueError(f"steps is {optimizer.steps}, expected 0 to {trainer.steps}")
    return trainer


def read_checkpoint(path: str | os.PathLike, device: str = "cpu", kind: type[Classifier] | None = None) -> dict:
    """What a checkpoint holds: the model, the recipe, seed, data, history and the optimiser's state."""
    arrays = read_npz(path)
    if not {"minivit.train", "minivit.steps"} <= arrays.keys():
        raise ValueError(f"{path} is not a checkpoint of a training run, so it cannot be resumed")
    written = model_name(arrays)
    if kind is None and written in family.MEMBERS:
        kind = family.kind(written)
    if kind is None or kind.__name__ != written:
        expected = "one of " + ", ".join(family.MEMBERS) if kind is None else f"a {kind.__name__}"
        raise ValueError(f"{path} is a run of a {written}, expected {expected}: resume it with kind={written}")
    model = restored(path, arrays, kind, device)
    with _naming(path):
        state = json.loads(str(arrays["minivit.train"]))
        if not isinstance(state, dict):
            raise ValueError(f"it is a {type(state).__name__}, expected a dict")
        for name, expected in STATE.items():
            if not isinstance(state.get(name), expected):
                raise ValueError(f"{name} is {state.get(name)!r}, expected {expected.__name__}")
    entries = {name: arrays[f"minivit.{name}"] for name in (*ARRAYS, "steps") if f"minivit.{name}" in arrays}
    return state | entries | {"model": model}


@contextmanager
def _naming(path: str | os.PathLike) -> Iterator[None]:
    """Whatever is wrong with a stranger's training state is a ValueError that names the file."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: its training state cannot be read: {error}") from error


def _older_order(trainer: Trainer) -> list[str]:
    """That of files which do not say it: those that decay did not come first."""
    params, slow = trainer.model.params, trainer.config.slow
    return sorted(params, key=lambda name: (params[name].size % 4 != 0, any(part in name for part in slow)))


def _in_order(array: np.ndarray, order: list[str], params: FlatParameters) -> np.ndarray:
    """(P,), the parameters in a file's order -> in the buffer's."""
    ends = np.cumsum([math.prod(params.places[name][1]) for name in order])
    parts = dict(zip(order, np.split(array, ends[:-1]), strict=True))
    return np.concatenate([parts[name] for name in params.places])


def _check_array(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if array.shape != shape or array.dtype != dtype:  # a wrong shape might broadcast, and nobody would know
        raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {dtype} {shape}")
