"""train_mnist: the main job in one call, with the recipes that are known to work."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import MNIST_MEAN, MNIST_STD, Dataset, load_mnist
from ..files import atomic_write
from ..model import ViT, ViTConfig
from .checkpoint import read_checkpoint, save_checkpoint
from .checkpoint import resume as resume_training
from .config import TrainConfig
from .loop import fit
from .shards import evaluate
from .trainer import Trainer

_DIGITS = ViTConfig(
    image_size=28, patch_size=7, channels=1, classes=10, width=48, depth=3, heads=4, mlp_ratio=2,
    image_mean=MNIST_MEAN, image_std=MNIST_STD,
)  # fmt: skip

PRESETS: dict[str, tuple[ViTConfig, TrainConfig]] = {
    "quick": (_DIGITS, TrainConfig(epochs=16, learning_rate=8e-3)),
    "default": (_DIGITS, TrainConfig(epochs=45, learning_rate=8e-3)),
    "full": (dataclasses.replace(_DIGITS, width=64, depth=4), TrainConfig(epochs=28, learning_rate=5e-3)),
}


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves: the trained model, its history (one dict an epoch), and how it does on the test images."""

    model: ViT
    history: list[dict]
    accuracy: float  # in [0, 1]
    probabilities: np.ndarray  # (n, K), of the test images
    files: list[Path]  # what was written to `out`


def train_mnist(
    preset: str | None = None,
    *,
    data: str = "digits",
    seed: int = 0,
    epochs: int | None = None,
    workers: int | None = None,
    out: str | None = None,
    resume: str | None = None,
    download: bool = False,
    progress: bool = True,
) -> TrainResult:
    """Train a small ViT on handwritten digits and say how well it reads those that it has not seen.

    preset    "quick", "default" or "full" (the default where data is not "digits"): see PRESETS
    data      "digits", the 10,000 that ship (8,000 to train, 2,000 to test); "full", all 70,000; "fashion"
    epochs    instead of the preset's; seed: of the parameters, the order, the augmentation
    workers   threads, one a core if not given; the result does not depend on it
    out       a folder for model.npz, history.json, checkpoint.npz (after every epoch) and pictures
    resume    a checkpoint to go on from; preset, data, seed and epochs are then the checkpoint's
    download  fetch missing data from the public mirrors (never without this)

    Raises ValueError for unknown names, FileNotFoundError where the data is not there, OSError where `out` cannot be
    written (before the training, not after it), FloatingPointError where the loss stops being a number.
    """
    if resume:
        data = read_checkpoint(resume)["data"]
    digits = load_mnist(data, download=download)
    trainer = (
        resume_training(resume, digits.train_images, digits.train_labels)
        if resume
        else _start(digits, preset or ("default" if data == "digits" else "full"), data, seed, epochs)
    )
    checkpoint = str(Path(out) / "checkpoint.npz") if out else resume
    if out:
        save_checkpoint(trainer, checkpoint)  # now, so that a folder that cannot be written costs no training
    if progress:
        print(f"{trainer.model}, {len(digits.train_images):,} images to train, {len(digits.test_images):,} to test")
    fit(trainer, digits.test_images, digits.test_labels, workers=workers, checkpoint=checkpoint, progress=progress)
    _, accuracy, probabilities = evaluate(trainer.model, digits.test_images, digits.test_labels, workers)
    files = _write(Path(out), trainer, digits, probabilities) if out else []
    return TrainResult(trainer.model, trainer.history, accuracy, probabilities, files)


def _start(digits: Dataset, preset: str, data: str, seed: int, epochs: int | None) -> Trainer:
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}, expected one of {', '.join(map(repr, PRESETS))}")
    config, recipe = PRESETS[preset]
    if epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=epochs)
    model = ViT(config, seed=seed, init="fan_in")
    return Trainer(model, digits.train_images, digits.train_labels, recipe, seed, data)


def _write(out: Path, trainer: Trainer, digits: Dataset, probabilities: np.ndarray) -> list[Path]:
    from ..inspect import write_report  # Matplotlib: loaded where pictures are wanted

    trainer.model.save(out / "model.npz")
    with atomic_write(out / "history.json") as file:
        file.write(json.dumps(trainer.history, indent=1).encode())
    pictures = write_report(out, trainer.model, trainer.history, digits.test_images, digits.test_labels, probabilities)
    return [out / "model.npz", out / "history.json", *pictures]
