"""Train the small models of the tutorials: one ViT on the digits that ship with minivit, from three seeds.

python course/train_models.py        five minutes on two cores

Writes the model of seed 0 to minivit/data/trained/digits_vit.npz and what came of all seeds to digits_vit.json.
On one machine the same versions of Python and NumPy give the same bits again, with any number of threads: the shards
of a batch are fixed, and their gradients are added in their own order. Another machine's matrix products may round
otherwise, and after 1,860 steps a few digits are read otherwise, too.
"""

import dataclasses
import json
import platform

import numpy as np

from minivit import ViT, load_mnist
from minivit.data import TRAINED_DIGITS, TRAINED_RESULTS
from minivit.files import atomic_write
from minivit.model import count_parameters
from minivit.train import TrainConfig, Trainer, evaluate, fit
from minivit.train.mnist import PRESETS

CONFIG = dataclasses.replace(PRESETS["default"][0], patch_size=4)  # 7 × 7 patches: maps in which a stroke can be seen
RECIPE = TrainConfig(epochs=30, learning_rate=8e-3)
SEEDS = (0, 1, 2)


def train(seed: int) -> tuple[ViT, list[dict]]:
    """The model of a seed, and its history without what depends on the machine's speed."""
    digits = load_mnist()
    model = ViT(CONFIG, seed=seed, init="fan_in")
    trainer = Trainer(model, digits.train_images, digits.train_labels, RECIPE, seed, "digits")
    history = fit(trainer, digits.test_images, digits.test_labels, progress=False)
    return model, [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in history]


def main() -> None:
    digits = load_mnist()
    accuracies, histories = [], []
    for seed in SEEDS:
        model, history = train(seed)
        _, accuracy, _ = evaluate(model, digits.test_images, digits.test_labels)
        print(f"seed {seed}: {accuracy:.2%} of {len(digits.test_labels):,} digits", flush=True)
        accuracies.append(accuracy)
        histories.append(history)
        if seed == 0:
            model.save(TRAINED_DIGITS)
    results = {
        "made_by": "python course/train_models.py",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "parameters": count_parameters(CONFIG),
        "model": CONFIG.to_dict(),
        "recipe": RECIPE.to_dict(),
        "seeds": SEEDS,
        "accuracies": accuracies,
        "histories": histories,
    }
    with atomic_write(TRAINED_RESULTS) as file:
        file.write(json.dumps(results, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
