"""Train the teacher and the students of chapter 17: a CNN that has 300 labels, and ViTs that learn from it.

python course/train_deit.py        four minutes of one core; a stopped run goes on where it was

Four trainings a seed, of whole epochs and at least 500 steps of 50 augmented digits (504; 640 with all of them): the
teacher, on 300 labelled digits; a ViT on the same, from the labels alone; a distilled one on the same, from labels and
teacher; and a distilled one that sees all 8,000 pictures: of the 7,700 others it is told no label but the teacher's.
Writes minivit/data/trained/distillation.json (the accuracies), and of seed 0 the teacher and the last student, in half
precision.
"""

import dataclasses
import json
from typing import Any

import numpy as np

from minivit import ResNet, ViT, load_mnist
from minivit.data import DISTILLATION, DISTILLED
from minivit.devices.workers import worker_pool
from minivit.files import atomic_write
from minivit.train import TrainConfig, Trainer, evaluate
from minivit.train.recipes import recipe

SEEDS, LABELS, STEPS, BATCH = (0, 1, 2), 300, 500, 50
RATES = {"teacher": 0.01, "student": 0.008}
STUDENTS = ("labels alone", "distilled, 300 pictures", "distilled, 8,000 pictures")


def train(model: Any, images: np.ndarray, labels: np.ndarray, rate: float, seed: int, teacher: Any = None) -> Any:
    how = {"distillation": "hard"} if teacher else {}
    epochs = -(-STEPS * BATCH // len(images))
    config = TrainConfig(epochs=epochs, batch_size=BATCH, shard_size=BATCH, learning_rate=rate, **how)
    trainer = Trainer(model, images, labels, config, seed, teacher=teacher)
    with worker_pool(1) as pool:
        for _ in range(trainer.steps):
            trainer.step(pool)
    return model


def halved(model: Any) -> Any:
    """In half precision, as it ships: it computes in float32, from numbers of 11 bits."""
    for array in (*model.params.values(), *model.buffers.values()):
        array[...] = array.astype(np.float16)
    return model


def run(seed: int, results: dict[str, list[float]]) -> None:
    """What is missing of a seed, each accuracy saved as soon as it is there."""
    digits = load_mnist()
    some = np.random.default_rng(seed).permutation(len(digits.train_images))[:LABELS]
    few, labels = digits.train_images[some], digits.train_labels[some]

    def note(name: str, model: Any) -> None:
        results.setdefault(name, []).append(evaluate(model, digits.test_images, digits.test_labels, workers=1)[1])
        print(f"seed {seed}, {name}: {results[name][-1]:.2%}", flush=True)
        with atomic_write(DISTILLATION) as file:
            file.write(json.dumps(results, indent=1).encode() + b"\n")

    teacher = ResNet(recipe("resnet", None, "digits")[0], seed=seed, init="fan_in")
    teacher = train(teacher, few, labels, RATES["teacher"], seed)
    if len(results.get("teacher", ())) == seed:
        note("teacher", teacher)
        if seed == 0:
            halved(teacher).save(DISTILLED["teacher"])
    config = recipe("vit", None, "digits")[0]
    for name in (STUDENTS[0], STUDENTS[2], STUDENTS[1]):
        if len(results.get(name, ())) != seed:
            continue
        pictures, told = few, labels
        if name == STUDENTS[2]:
            pictures, told = digits.train_images, teacher.predict(digits.train_images / 255).argmax(axis=1)
            told[some] = labels
        student = ViT(dataclasses.replace(config, distilled=name != STUDENTS[0]), seed=seed, init="fan_in")
        asked = None if name == STUDENTS[0] else teacher
        note(name, train(student, pictures, told, RATES["student"], seed, asked))
        if seed == 0 and name == STUDENTS[2]:
            halved(student).save(DISTILLED["student"])


if __name__ == "__main__":
    results = json.loads(DISTILLATION.read_text("utf-8")) if DISTILLATION.exists() else {}
    for seed in SEEDS:
        if any(len(results.get(name, ())) <= seed for name in ("teacher", *STUDENTS)):
            run(seed, results)
