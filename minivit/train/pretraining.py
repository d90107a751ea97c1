"""Pre-training: a masked autoencoder learns from digits without their labels, and is then fine-tuned with a few."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import family
from ..data import MNIST_MEAN, MNIST_STD, Dataset, load_mnist
from ..files import atomic_write
from ..messages import say
from .checkpoint import read_checkpoint
from .checkpoint import resume as resume_training
from .config import TrainConfig
from .keeping import kept
from .loop import fit
from .ranks import job
from .trainer import Trainer

# 49 patches of 4 x 4, of which the encoder sees 12.
DIGITS = dict(
    image_size=28, patch_size=4, channels=1, width=64, depth=4, heads=4, mlp_ratio=2.0, decoder_width=32,
    decoder_depth=1, decoder_heads=4, decoder_mlp_ratio=2.0, image_mean=MNIST_MEAN, image_std=MNIST_STD,
)  # fmt: skip
# The paper's averages, warm-up and weight decay (arXiv 2111.06377, table 8), at a rate for small batches.
RECIPE = TrainConfig(
    epochs=36, learning_rate=3e-3, warmup=0.05, betas=(0.9, 0.95), weight_decay=0.05, rotation=0.0, scale=0.0
)


@dataclass(frozen=True)
class PretrainResult:
    """What a run leaves: the trained masked autoencoder (a family.MAE), its history, the loss on the test images."""

    model: Any
    history: list[dict[str, float]]
    loss: float  # mean squared error of the hidden patches
    files: list[Path]  # what was written to `out`


def pretrain_mae(
    *,
    data: str | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    mask_ratio: float | None = None,
    workers: int | None = None,
    parallel: str | None = None,
    out: str | os.PathLike | None = None,
    resume: str | os.PathLike | None = None,
    download: bool = False,
    progress: bool = True,
    device: str = "cpu",
) -> PretrainResult:
    """Teach a small masked autoencoder to fill in handwritten digits. No label is looked at.

    data        "digits", the 10,000 that ship (8,000 to train, 2,000 to test); "full", all 70,000; "fashion"
    seed        of the parameters, the order, the augmentation and what is hidden, 0 if not given
    epochs      instead of the recipe's 36
    mask_ratio  part of the patches that is hidden, .75 if not given
    workers, parallel   as for train_mnist
    out         a folder for model.npz, history.json, checkpoint.npz (after every epoch) and a picture
    resume      a checkpoint to go on from, which knows its data, seed, epochs and mask_ratio
    download, device   as for train_mnist

    What comes next: `finetune(result.model.vit(classes=10), images, labels, …)`. The errors are train_mnist's.
    """
    with job(device) as ranks:  # of several ranks (ranks.py), the first one writes and prints
        if resume:
            options = {"data": data, "seed": seed, "epochs": epochs, "mask_ratio": mask_ratio}
            trainer, digits = _resumed(resume, options, download, device)
        else:
            digits = load_mnist(data or "digits", download=download)
            trainer = _started(digits, data or "digits", seed or 0, epochs, mask_ratio, device)
        if not ranks.first:
            out, progress = None, False
        options = " --pretrain mae"
        with kept(trainer, out, resume if ranks.first else None, options, quiet=not progress) as checkpoint:
            if progress:
                train, test = len(digits.train_images), len(digits.test_images)
                say(f"{trainer.model}, {train:,} images to train, {test:,} to test")
            how = {"workers": workers, "parallel": parallel, "checkpoint": checkpoint, "progress": progress}
            fit(trainer, digits.test_images, None, **how)
            files = _write(Path(out), trainer, digits) if out else []
            return PretrainResult(trainer.model, trainer.history, trainer.history[-1]["test_loss"], files)


def _started(
    digits: Dataset, data: str, seed: int, epochs: int | None, mask_ratio: float | None, device: str
) -> Trainer:
    ratio = {} if mask_ratio is None else {"mask_ratio": mask_ratio}
    recipe = RECIPE if epochs is None else dataclasses.replace(RECIPE, epochs=epochs)
    model = family.MAE(family.MAEConfig(**DIGITS | ratio), seed=seed, init="fan_in", device=device)
    return Trainer(model, digits.train_images, None, recipe, seed, data)


def _resumed(
    path: str | os.PathLike, options: dict[str, object], download: bool, device: str
) -> tuple[Trainer, Dataset]:
    if given := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{path} is resumed with its own {', '.join(options)}: leave out {', '.join(given)}")
    digits = load_mnist(read_checkpoint(path)["data"], download=download)
    trainer = resume_training(path, digits.train_images, None, device)
    if not isinstance(trainer.model, family.MAE):
        raise ValueError(f"{path} is a run of a {type(trainer.model).__name__}, expected a MAE: resume it by `train`")
    return trainer, digits


def _write(out: Path, trainer: Trainer, digits: Dataset) -> list[Path]:
    from ..inspect import plot_filled_in, save_figure  # Matplotlib: loaded where pictures are wanted

    trainer.model.save(out / "model.npz")
    with atomic_write(out / "history.json") as file:
        file.write(json.dumps(trainer.history, indent=1).encode())
    _, firsts = np.unique(digits.test_labels, return_index=True)
    figure = plot_filled_in(trainer.model, digits.test_images[firsts], np.random.default_rng(0))
    save_figure(figure, out / "filled_in.png")
    return [out / "model.npz", out / "history.json", out / "filled_in.png"]
