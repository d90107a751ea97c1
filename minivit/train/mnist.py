"""train_mnist: the main job in one call, with a recipe of recipes.py."""

import dataclasses
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import family
from ..data import Dataset, Pictures, load_folder, load_mnist
from ..files import atomic_write
from ..messages import say
from .checkpoint import read_checkpoint
from .checkpoint import resume as resume_training
from .config import TrainConfig
from .distillation import Teacher
from .evaluation import evaluate
from .keeping import kept
from .loop import fit
from .own import for_pictures
from .ranks import job
from .recipes import PRESETS as PRESETS
from .recipes import recipe
from .trainer import Trainer


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves: the trained model, its history (one dict an epoch), and how it does on the test images."""

    model: Any  # a ViT, unless another architecture was asked for
    history: list[dict[str, float]]
    accuracy: float  # in [0, 1]
    probabilities: np.ndarray  # (n, K), of the test images
    files: list[Path]  # what was written to `out`


def train_mnist(
    preset: str | None = None,
    *,
    architecture: str | None = None,
    data: str | Pictures | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    workers: int | None = None,
    parallel: str | None = None,
    out: str | os.PathLike | None = None,
    resume: str | os.PathLike | None = None,
    download: bool = False,
    progress: bool = True,
    device: str = "cpu",
    teacher: Teacher | None = None,
    distillation: str | None = None,
) -> TrainResult:
    """Train a small ViT, or a model of another architecture, on handwritten digits and say how well it reads those that
    it has not seen.

    preset    the ViT's recipe, see recipes.py: "quick", "default", or "full", which is taken where data is not "digits"
    architecture   "vit" (if not given), or another with a recipe in recipes.py: "resnet", "bit", "hybrid", "swin",
              "pvt", "mobilevit"
    data      "digits", the 10,000 that ship (8,000 to train, 2,000 to test); "full", all 70,000; "fashion"; or
              pictures of your own, `load_folder(…)`, for which the recipe is fitted (own.py)
    seed      of the parameters, the order and the augmentation, 0 if not given
    epochs    instead of the preset's
    workers   how many share a batch, one a core if not given (one, of several ranks); the result is the same for any
    parallel  "threads" or "processes", what is likely to be faster if not given (see pools.py)
    out       a folder for model.npz, history.json, checkpoint.npz (after every epoch) and pictures
    resume    a checkpoint to go on from, which knows its preset, data, seed and epochs
    download  fetch missing data from the public mirrors (never without this)
    device    "cpu", "cuda" (a GPU), or "emulator" (the GPU's kernels run on the CPU: slow, for those who want to see)
    teacher   any function from raw images (B, height, width, C), floats in [0, 1], to logits (B, K), called by several
              threads, or a ViT. The model then has a distillation token, and learns from both (DeiT)
    distillation   "hard" (if not given) or "soft": what of the teacher's answer counts, see ops/distillation.py

    Raises ValueError for unknown names and what does not go together, FileNotFoundError where the data is not there,
    OSError where `out` cannot be written or holds another run (before the training, not after it), FloatingPointError
    where the loss stops being a number.
    """
    options = {"preset": preset, "architecture": architecture, "data": data, "seed": seed, "epochs": epochs}
    options["distillation"] = distillation
    with job(device) as ranks:  # of several ranks (ranks.py), the first one writes and prints
        if resume:
            trainer, digits = _resumed(resume, options, download, device, teacher)
        else:
            trainer, digits = _started(**options, download=download, device=device, teacher=teacher)
        if not ranks.first:
            out, progress = None, False
        options = " --teacher MODEL" if trainer.teacher else ""
        with kept(trainer, out, resume if ranks.first else None, options, quiet=not progress) as checkpoint:
            test = digits.test_images, digits.test_labels
            if progress:
                say(f"{trainer.model}, {len(trainer.images):,} images to train, {len(test[0]):,} to test")
            fit(trainer, *test, workers=workers, parallel=parallel, checkpoint=checkpoint, progress=progress)
            _, accuracy, probabilities = ranks.once(lambda: evaluate(trainer.model, *test, workers))
            files = _write(Path(out), trainer, digits, probabilities) if out else []
            return TrainResult(trainer.model, trainer.history, accuracy, probabilities, files)


def _distilled(config: Any, recipe: TrainConfig, distillation: str, architecture: str) -> tuple[Any, TrainConfig]:
    if not hasattr(config, "distilled"):  # only a ViT's configuration knows of it
        raise ValueError(f"architecture {architecture!r} has no distillation token, with which to learn from a teacher")
    return dataclasses.replace(config, distilled=True), dataclasses.replace(recipe, distillation=distillation)


def _started(
    preset: str | None,
    architecture: str | None,
    data: str | Pictures | None,
    seed: int | None,
    epochs: int | None,
    distillation: str | None,
    download: bool,
    device: str,
    teacher: Teacher | None,
) -> tuple[Trainer, Dataset]:
    if distillation is not None and teacher is None:
        raise ValueError(f"distillation is {distillation!r}, which needs a teacher")
    if preset == "full" and data is None:
        warnings.warn(
            'preset "full" is a recipe, and the data are the 8,000 digits that ship. All of MNIST is data="full" '
            '(`train --data full`); data="digits" says that these are meant',
            stacklevel=3,
        )
    architecture, data, seed = architecture or "vit", data or "digits", seed or 0
    own = data if isinstance(data, Pictures) else None
    config, how = recipe(architecture, preset, "digits" if own else data)
    if own:
        config, how = for_pictures(own, config, how)
    if epochs is not None:
        how = dataclasses.replace(how, epochs=epochs)
    if teacher is not None:
        config, how = _distilled(config, how, distillation or "hard", architecture)
    digits = own or load_mnist(data, download=download)
    model = family.kind_of(config)(config, seed=seed, init="fan_in", device=device)
    if own:
        model.class_names, data = own.class_names, json.dumps(own.source)
    return Trainer(model, digits.train_images, digits.train_labels, how, seed, data, teacher), digits


def _resumed(
    path: str | os.PathLike, options: dict[str, object], download: bool, device: str, teacher: Teacher | None
) -> tuple[Trainer, Dataset]:
    if given := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{path} is resumed with its own {', '.join(options)}: leave out {', '.join(given)}")
    data = read_checkpoint(path)["data"]  # a folder of pictures is noted as what load_folder was told
    digits = load_folder(**json.loads(data)) if data.startswith("{") else load_mnist(data, download=download)
    return resume_training(path, digits.train_images, digits.train_labels, device, teacher), digits


def _write(out: Path, trainer: Trainer, digits: Dataset, probabilities: np.ndarray) -> list[Path]:
    from ..inspect import write_report  # Matplotlib: loaded where pictures are wanted

    trainer.model.save(out / "model.npz")
    with atomic_write(out / "history.json") as file:
        file.write(json.dumps(trainer.history, indent=1).encode())
    pictures = write_report(out, trainer.model, trainer.history, digits.test_images, digits.test_labels, probabilities)
    return [out / "model.npz", out / "history.json", *pictures]
