"""train_detector: a detector learns to find digits on canvases that no step has seen before."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import family
from ..data import Canvases, load_canvas
from ..family.matching import solver
from ..files import atomic_write
from ..messages import say
from .average_precision import AveragePrecision, average_precision
from .checkpoint import read_checkpoint
from .checkpoint import resume as resume_training
from .config import TrainConfig
from .detection import CANVAS_LIMITS, detect, evaluate_detector, in_pixels
from .keeping import kept
from .loop import fit
from .ranks import job
from .trainer import Trainer

DATA = "canvas"  # what checkpoints call the data
TEST = 500  # canvases on which average precision is measured


class DetectorRecipe(NamedTuple):
    """A model's name in the family's table, its configuration's, and how to train it."""

    model: str
    config: str
    train: TrainConfig


_TRAIN = TrainConfig(
    epochs=30, steps_per_epoch=100, batch_size=16, shard_size=8, learning_rate=1e-3, warmup=0.03, weight_decay=1e-4,
    clip_norm=1.0, shift=0.0, rotation=0.0, scale=0.0,
)  # fmt: skip

_SLOW = "sampling_offsets", "reference_points"  # as the authors have it (arXiv 2010.04159, appendix)

DETECTORS: dict[str, DetectorRecipe] = {
    "deformable": DetectorRecipe("DeformableDETR", "Deformable-DETR-digits", dataclasses.replace(_TRAIN, slow=_SLOW)),
    "sparse": DetectorRecipe("SparseRCNN", "Sparse-R-CNN-digits", _TRAIN),
    "detr": DetectorRecipe("DETR", "DETR-digits", dataclasses.replace(_TRAIN, epochs=90)),
}


@dataclass(frozen=True)
class DetectorResult:
    """What a run leaves: the trained detector, its history (one dict an epoch), and how it does on the test canvases,
    whose digits it has not seen."""

    model: Any
    history: list[dict[str, float]]
    precision: AveragePrecision  # .ap50, .ap, …
    files: list[Path]  # what was written to `out`


def train_detector(
    name: str | None = None,
    *,
    seed: int | None = None,
    epochs: int | None = None,
    workers: int | None = None,
    parallel: str | None = None,
    out: str | os.PathLike | None = None,
    resume: str | os.PathLike | None = None,
    progress: bool = True,
    device: str = "cpu",
) -> DetectorResult:
    """Train a small detector on digits on canvases (data/canvas.py), and say how many it finds among unseen ones.

    name     "deformable" (if not given), "sparse" or "detr"
    seed     of the parameters and the canvases, 0 if not given
    epochs   of a hundred steps, instead of the recipe's
    out      a folder for model.npz, history.json, checkpoint.npz (after every epoch) and pictures
    resume   a checkpoint to go on from, which knows its detector, seed and epochs
    workers, parallel, progress, device   as for train_mnist

    The errors are train_mnist's; ImportError where SciPy is missing, which matches boxes with digits.
    """
    solver()
    with job(device) as ranks:  # of several ranks (ranks.py), the first one writes and prints
        trainer = _resumed(resume, name, seed, epochs, device) if resume else _started(name, seed, epochs, device)
        test = load_canvas("test", TEST)
        if not ranks.first:
            out, progress = None, False
        with kept(trainer, out, resume if ranks.first else None, "", quiet=not progress) as checkpoint:
            if progress:
                canvases = trainer.steps * trainer.config.batch_size
                say(f"{trainer.model}, {canvases:,} canvases to train, {TEST:,} to test")
            fit(trainer, *test, workers=workers, parallel=parallel, checkpoint=checkpoint, progress=progress)
            precision = ranks.once(lambda: evaluate_detector(trainer.model, *test, workers))
            files = _write(Path(out), trainer, *test, workers) if out else []
            return DetectorResult(trainer.model, trainer.history, precision, files)


def detector_trainer(name: str, seed: int = 0, part: str = "train", device: str = "cpu", **changes: Any) -> Trainer:
    """The trainer of a recipe, at its first step. part: of the canvases, see `load_canvas`; changes: of the recipe."""
    if name not in DETECTORS:
        raise ValueError(f"detector is {name!r}, expected one of {', '.join(map(repr, DETECTORS))}")
    recipe = DETECTORS[name]
    kind = family.kind(recipe.model)
    model = kind.from_name(recipe.config, seed=seed, device=device)
    how = dataclasses.replace(recipe.train, **changes)
    return Trainer(model, Canvases(part, seed), None, how, seed, DATA)


def is_run_of_detector(path: str | os.PathLike) -> bool:
    """Is this a checkpoint of train_detector's? What is wrong with another file is told by whoever resumes it."""
    try:
        return read_checkpoint(path)["data"] == DATA
    except ValueError:
        return False


def _started(name: str | None, seed: int | None, epochs: int | None, device: str) -> Trainer:
    changes = {} if epochs is None else {"epochs": epochs}
    return detector_trainer(name or next(iter(DETECTORS)), seed or 0, device=device, **changes)


def _resumed(path: str | os.PathLike, name: str | None, seed: int | None, epochs: int | None, device: str) -> Trainer:
    given = [what for what, value in {"seed": seed, "epochs": epochs}.items() if value is not None]
    if given:
        raise ValueError(f"{path} is resumed with its own seed and epochs: leave out {', '.join(given)}")
    state = read_checkpoint(path)
    if state["data"] != DATA:
        raise ValueError(f"{path} is a run of a {type(state['model']).__name__}, expected a detector's on canvases")
    trainer = resume_training(path, Canvases("train", state["seed"]), None, device)
    if name not in (None, _name(trainer)):
        raise ValueError(f"{path} is a run of {_name(trainer)!r}, not of {name!r}")
    return trainer


def _name(trainer: Trainer) -> str:
    """What the recipes call the trainer's model."""
    kind = type(trainer.model).__name__
    return next(name for name, recipe in DETECTORS.items() if recipe.model == kind)


def _write(
    out: Path, trainer: Trainer, images: np.ndarray, targets: list[dict[str, np.ndarray]], workers: int | None
) -> list[Path]:
    from ..inspect import write_detector_report  # Matplotlib: loaded where pictures are wanted

    model = trainer.model
    model.save(out / "model.npz")
    with atomic_write(out / "history.json") as file:
        file.write(json.dumps(trainer.history, indent=1).encode())
    found, truth = detect(model, images, workers), in_pixels(targets, images.shape[1:3])
    precision = average_precision(found, truth, model.config.classes, CANVAS_LIMITS)
    pictures = write_detector_report(out, model, trainer.history, images, found, truth, precision)
    return [out / "model.npz", out / "history.json", *pictures]
