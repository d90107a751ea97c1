"""Fine-tuning at a higher resolution: what is it worth to resize the learned positions, and by which rule?

    python benchmarks/resolution.py

A ViT learns digits of 28 x 28 pixels in patches of 7: a grid of 4 x 4 places. Then the same digits, enlarged by Pillow,
are 42 and 56 pixels wide: 6 x 6 and 8 x 8 places. Prints the accuracy on 2,000 held-out digits before any fine-tuning,
and after each of two epochs of it, with the positions resized; with the old table's rows used up in order, as if places
had no geometry, and random ones for the rest; and with random ones for all patches. Means of two seeds.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from PIL import Image

from minivit import ViT, finetune, load_mnist, train_mnist
from minivit.train import evaluate
from minivit.train.finetuning import FINETUNE, for_task

SIZES, SEEDS = (42, 56), (0, 1)
RULES = ("bilinear_align_corners", "bicubic", "bicubic_align_corners", "bicubic_antialias")
RECIPE = dataclasses.replace(FINETUNE, epochs=2, batch_size=128)


def enlarged(images: np.ndarray, size: int) -> np.ndarray:
    """(n, 28, 28, 1) uint8 -> (n, size, size, 1)."""
    return np.stack([np.asarray(Image.fromarray(image[..., 0]).resize((size, size))) for image in images])[..., None]


def by_rule(rule: str) -> Callable[[ViT, int, int], ViT]:
    return lambda model, size, seed: for_task(model, size, position_resize=rule)


def in_order(model: ViT, size: int, seed: int) -> ViT:
    """The first rows are the old table, the class token's and all 16 places; the rest are random."""
    new, old = at_random(model, size, seed), model.params["pos_embed"]
    new.params["pos_embed"][:, : old.shape[1]] = old
    return new


def at_random(model: ViT, size: int, seed: int) -> ViT:
    """All patches' positions as at the start of a training, but of the learned ones' size."""
    new, old = for_task(model, size), model.params["pos_embed"]
    table = new.params["pos_embed"]
    table[:, 1:] = np.random.default_rng(seed).normal(0, old[:, 1:].std(), table[:, 1:].shape)
    return new


WAYS = {rule: by_rule(rule) for rule in RULES} | {"not resized: in order": in_order, "not resized: random": at_random}


def accuracies(model: ViT, size: int, seed: int) -> dict[str, list[float]]:
    """Each way's accuracy before fine-tuning and after each epoch of it."""
    digits = load_mnist()
    train, test = (enlarged(images, size) for images in (digits.train_images, digits.test_images))
    result = {}
    for name, way in WAYS.items():
        start = way(model, size, seed)
        _, before, _ = evaluate(start, test, digits.test_labels)
        data = train, digits.train_labels, test, digits.test_labels
        _, history = finetune(start, *data, recipe=RECIPE, seed=seed, progress=False)
        result[name] = [before, *(record["test_accuracy"] for record in history)]
    return result


if __name__ == "__main__":
    models = [train_mnist("quick", seed=seed, progress=False) for seed in SEEDS]
    print(f"accuracy at 28 x 28: {np.mean([result.accuracy for result in models]):.2%}", flush=True)
    for size in SIZES:
        runs = [accuracies(result.model, size, seed) for result, seed in zip(models, SEEDS, strict=True)]
        print(
            f"\n{f'{size} x {size}':<26}{'before':>9}" + "".join(f"{f'epoch {i + 1}':>9}" for i in range(RECIPE.epochs))
        )
        for name in WAYS:
            print(
                f"{name:<26}" + "".join(f"{mean:>9.2%}" for mean in np.mean([run[name] for run in runs], axis=0)),
                flush=True,
            )
