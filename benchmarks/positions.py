"""Positions: what is each of the five ways worth, and what does each lose where the patches are shuffled?

    python benchmarks/positions.py

Trains the recipe "quick" for 8 epochs on the 8,000 digits that ship, in patches of 7 (a grid of 4 x 4), with each kind
of positions, from three seeds. Prints, in per cent, the accuracy on the 2,000 other digits: mean and lowest to highest;
and the mean on the same digits with their 16 patches in another order, one that is the same for all of them.
"""

import dataclasses

import numpy as np

from minivit import Trainer, ViT, evaluate, fit, load_mnist
from minivit.model.config import POSITIONS
from minivit.ops import patchify_forward, unpatchify
from minivit.train.mnist import PRESETS

SEEDS, EPOCHS = (0, 1, 2), 8


def shuffled(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Raw images (n, 28, 28, 1), every one with its patches of 7 x 7 in the same new order."""
    patches, _ = patchify_forward(images, (7, 7))
    order = np.random.default_rng(seed).permutation(patches.shape[1])
    return unpatchify(patches[:, order], images.shape[1:3], (7, 7))


def accuracies(position: str, seed: int) -> tuple[float, float]:
    """Of one training: on the test digits, and on the shuffled ones."""
    digits = load_mnist()
    config, recipe = PRESETS["quick"]
    model = ViT(dataclasses.replace(config, position=position), seed=seed, init="fan_in")
    recipe = dataclasses.replace(recipe, epochs=EPOCHS)
    fit(
        Trainer(model, digits.train_images, digits.train_labels, recipe, seed),
        digits.test_images,
        digits.test_labels,
        progress=False,
    )
    both = digits.test_images, shuffled(digits.test_images)
    return tuple(evaluate(model, images, digits.test_labels)[1] for images in both)


if __name__ == "__main__":
    print(f"| {'positions':<9} | accuracy | lowest to highest | shuffled |\n|---|---|---|---|")
    for position in POSITIONS:
        plain, mixed = 100 * np.array([accuracies(position, seed) for seed in SEEDS]).T
        spread = f"{plain.min():.1f} to {plain.max():.1f}"
        print(f"| {position:<9} | {plain.mean():>8.1f} | {spread:<17} | {mixed.mean():>8.1f} |", flush=True)
