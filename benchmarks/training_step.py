"""A training step of minivit against PyTorch eager: same model, same weights, same batch, same machine, in turns.

    pip install torch==2.13.0 && python benchmarks/training_step.py

Each step: forward, cross-entropy, backward, clipping by norm, AdamW; no augmentation. The two losses are compared
before anything is timed. Prints the median of each and their ratio; below 1, minivit is faster. Both use all cores.
"""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch_vit import torch_step

from minivit import TrainConfig, Trainer, ViT, ViTConfig
from minivit.devices.workers import worker_pool
from minivit.train.mnist import PRESETS

SECONDS, ROUNDS = 0.5, 8  # of each side's turn, and turns

_, DIGITS = PRESETS["default"]
CASES = {name: (config, DIGITS.batch_size, DIGITS.shard_size) for name, (config, _) in PRESETS.items()} | {
    "28² in 4²": (dataclasses.replace(PRESETS["full"][0], patch_size=4), 128, 32),
    "ViT-Ti/16": (ViTConfig(image_size=224, patch_size=16, width=192, depth=12, heads=3), 16, 8),
}
del CASES["quick"]  # the same model as "default"


def milliseconds(step: Callable[[], float]) -> float:
    """A step's mean time in one turn, after one that lets the other side's threads come to rest."""
    step()
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        step()
        count += 1
    return 1e3 * (time.perf_counter() - start) / count


def compare(name: str) -> None:
    """One line: minivit and PyTorch in turns, so that both meet the same weather."""
    model_config, batch, shard = CASES[name]
    config = TrainConfig(batch_size=batch, shard_size=shard, shift=0, rotation=0, scale=0)
    rng = np.random.default_rng(0)
    images = rng.random((batch, *model_config.image_shape), dtype=np.float32)
    labels = rng.integers(0, model_config.classes, batch)
    model = ViT(model_config, init="fan_in")
    theirs = torch_step(model, config, images, labels)
    trainer = Trainer(model, images, labels, config)
    with worker_pool() as pool:
        first = trainer.step(pool)
    assert abs(first - theirs()) < 1e-4, "the first losses differ: not the same model"
    mine, torchs = [], []
    for _ in range(ROUNDS):
        with worker_pool() as pool:  # it limits BLAS, so it is not open in PyTorch's turn
            mine.append(milliseconds(functools.partial(trainer.step, pool)))
        torchs.append(milliseconds(theirs))
    ours, pytorch = statistics.median(mine), statistics.median(torchs)
    print(f"{name:<12}{batch:>6}{ours:>14.1f}{pytorch:>14.1f}{ours / pytorch:>9.2f}", flush=True)


if __name__ == "__main__":
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__} on {torch.get_num_threads()} threads")
    print(f"{'model':<12}{'batch':>6}{'minivit ms':>14}{'PyTorch ms':>14}{'ratio':>9}")
    for name in CASES:
        compare(name)
