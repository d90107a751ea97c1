"""A program for test_ranks.py: it trains a tiny model, alone or as one of several ranks, and writes what came of it.

python on_ranks.py '{"out": FOLDER, …}': see the names below. What goes wrong goes wrong on rank `rank`, in step `step`.
"""

import json
import os
import sys
from pathlib import Path

import centred
import numpy as np

from minivit import TrainConfig, Trainer, ViT, ViTConfig, fit, load_mnist, ops, resume
from minivit.train.ranks import job

CONFIG = ViTConfig(
    image_size=28, patch_size=14, channels=1, classes=10, width=8, depth=1, heads=2, dropout=0.1, drop_path=0.1
)
RECIPE = TrainConfig(epochs=2, batch_size=40, shard_size=6)  # seven shards a batch, the last of four images
RANK = int(os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK", "0")))

options = json.loads(sys.argv[1])
mine = options.get("rank") == RANK
digits = load_mnist()
images, labels = digits.train_images[:120], digits.train_labels[:120]
test = digits.test_images[:30], digits.test_labels[:30]
if options.get("wrong") == "early" and mine:
    with job():
        raise FileNotFoundError("the digits are not here")
if options.get("wrong") == "images" and mine:
    images = images[::-1]
if options.get("resume"):
    trainer = resume(options["resume"], images, labels)
else:
    ops.running_mean_forward, ops.running_mean_backward = centred.running_mean_forward, centred.running_mean_backward
    buffers = options.get("buffers")
    seed = 4 if options.get("wrong") == "numbers" and mine else 3
    model = (centred.Centred if buffers else ViT)(centred.CONFIG if buffers else CONFIG, init="fan_in", seed=seed)
    trainer = Trainer(model, images, labels, RECIPE, seed=3)
out, step = Path(options["out"]), Trainer.step


def step_that_fails(self, pool):
    if not (file := out / f"pid{RANK}").exists():
        file.write_text(str(os.getpid()))
    if self.step_count + 1 == options.get("step"):
        if options.get("wrong") == "error" and mine:
            raise ArithmeticError("this rank cannot add")
        if options.get("wrong") == "kill" and mine:
            os.kill(os.getpid(), 9)
        if options.get("wrong") == "interrupt" and mine:
            os.kill(os.getpid(), 2)
    return step(self, pool)


Trainer.step = step_that_fails
settings = {"workers": options.get("workers"), "parallel": options.get("parallel")}
fit(trainer, *test, **settings, checkpoint=out / f"checkpoint{RANK or ''}.npz")
losses = [[record["train_loss"], record["test_loss"]] for record in trainer.history]
arrays = trainer.model.numpy_arrays() | {"mean": trainer.optimizer.mean, "losses": np.array(losses)}
np.savez(out / f"rank{RANK}.npz", **arrays)
