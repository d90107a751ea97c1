"""What the emulator costs: a gradient of one shard of each recipe for digits, on the kernels and in NumPy.

    OPENBLAS_NUM_THREADS=1 python benchmarks/emulator_recipes.py

CPU seconds of the process, the least of five, compiled beforehand.
"""

import time
from collections.abc import Callable

import numpy as np

from minivit import MAE, MAEConfig, family
from minivit.train import pretraining
from minivit.train.recipes import ARCHITECTURES, recipe


def seconds(gradient: Callable[[], object]) -> float:
    gradient()  # compiles
    times = []
    for _ in range(5):
        start = time.process_time()
        gradient()
        times.append(time.process_time() - start)
    return min(times)


def of_recipe(name: str, device: str, images: np.ndarray) -> Callable[[], object]:
    """A call that computes one shard's gradient."""
    if name == "mae":
        model, shard = MAE(MAEConfig(**pretraining.DIGITS), device=device), pretraining.RECIPE.shard_size
        return lambda: model.loss_and_grads(images[:shard], np.random.default_rng(0))
    config, train = recipe(name, None, "digits")
    model, labels = family.kind_of(config)(config, device=device), np.arange(train.shard_size) % 10
    return lambda: model.loss_and_grads(images[: len(labels)], labels, rng=np.random.default_rng(0))


if __name__ == "__main__":
    images = np.random.default_rng(0).random((256, 28, 28, 1), dtype=np.float32)
    for name in (*ARCHITECTURES, "mae"):
        numpy, emulated = (seconds(of_recipe(name, device, images)) for device in ("cpu", "emulator"))
        print(
            f"{name:9}  NumPy {numpy * 1e3:6.1f} ms   emulator {emulated * 1e3:6.1f} ms   ratio {emulated / numpy:4.1f}"
        )
