"""What is it worth to know that an image has neighbours? A CNN, ViTs, and what stands between them, by amount of data.

    python benchmarks/family/inductive_bias.py rates                    first: each one's learning rate
    python benchmarks/family/inductive_bias.py runs --seeds 0 1 2       the curve, 100 to 8,000 digits
    python benchmarks/family/inductive_bias.py augmented --seeds 0 1 2  300 and 8,000, shifted, turned and scaled
    python benchmarks/family/inductive_bias.py full                     60,000 digits, where they can be found
    python benchmarks/family/inductive_bias.py fashion                  clothes, where they can be found

All have 60,000 parameters, 5 % more or less, and as many steps for an amount of data. The rate is chosen on digits that
no run reports on: 1,000 of the 8,000 to train. Reported is the accuracy on the 2,000 others; of 60,000 digits, on the
10,000 of the official test. A seed draws its digits, its parameters and its order. A row a run goes to
results/family/inductive_bias.jsonl, and what is there is not run again. `python benchmarks/family/report.py` draws it.
"""

import argparse
import functools
from typing import Any, NamedTuple

import numpy as np
from classifiers import NAMES, PLAIN, build, configuration, flops, train
from rows import RESULTS, Row, Rows, cpu_seconds

from minivit import count_parameters, load_mnist
from minivit.train import TrainConfig, evaluate

FILE = RESULTS / "inductive_bias.jsonl"
HELD_OUT = 1_000  # of the digits to train: rates are chosen on them
BATCH = 50
STEPS = {100: 400, 300: 400, 1_000: 600, 3_000: 780, 8_000: 960, 60_000: 2_400}
AUGMENTED = (300, 8_000)
FASHION = (1_000, 8_000)
RATES, RATES_IMAGES, RATES_STEPS = (2e-3, 5e-3, 1e-2, 2e-2), 1_000, 300
SHIFTS, SHIFTED = (0, 1, 2, 3, 4), 500  # pixels, each in four directions; of so many test digits
Images = tuple[np.ndarray, np.ndarray]  # (n, 28, 28, 1) and labels (n,)


class Split(NamedTuple):
    """To train, all that there are; to choose by, the last of these; to report on."""

    train: Images
    choose: Images
    report: Images

    @property
    def others(self) -> Images:
        """To train, without those to choose by."""
        return tuple(x[: -len(self.choose[0])] for x in self.train)


class Run(NamedTuple):
    """A cell of the table, and what finds its row again."""

    architecture: str
    data: str
    images: int
    augmented: bool
    seed: int


@functools.cache
def split(data: str) -> Split:
    """All of a data set, the 1,000 to choose by at the end of what is to train."""
    all_ = load_mnist(data)
    train = all_.train_images, all_.train_labels
    return Split(train, tuple(x[-HELD_OUT:] for x in train), (all_.test_images, all_.test_labels))


def some(data: str, images: int, seed: int) -> tuple[Images, bool]:
    """A seed's draw of as many as are asked for, larger ones with the smaller ones inside; and whether those to choose
    by are left out of it, as they are unless all are asked for."""
    digits = split(data)
    rest = len(digits.others[0])
    if images > rest:
        return tuple(x[:images] for x in digits.train), False
    order = np.random.default_rng(seed).permutation(rest)[:images]
    return tuple(x[order] for x in digits.train), True


def shifted_accuracy(model: Any, images: np.ndarray, labels: np.ndarray) -> list[float]:
    """On images moved by 0, 1, … pixels: the mean of up, down, left and right. A digit has 4 pixels of nothing around
    it, so that none loses ink."""
    accuracies = []
    for shift in SHIFTS:
        moves = [(shift, 0), (-shift, 0), (0, shift), (0, -shift)] if shift else [(0, 0)]
        moved = [np.roll(images, move, axis=(1, 2)) for move in moves]
        accuracies.append(float(np.mean([evaluate(model, x, labels, workers=1)[1] for x in moved])))
    return accuracies


def recipe(images: int, steps: int, rate: float, augmented: bool = False) -> TrainConfig:
    """Whole epochs of whole batches, as many as make the steps."""
    how = {} if augmented else PLAIN
    return TrainConfig(epochs=steps // (images // BATCH), batch_size=BATCH, shard_size=BATCH, learning_rate=rate, **how)


def trained(name: str, digits: Images, how: TrainConfig, seed: int) -> tuple[Any, Row]:
    """A model, and what its row says of the training."""
    model = build(configuration(name), seed)
    with cpu_seconds() as spent:
        loss = train(model, *digits, how, seed)
    return model, {
        "steps": how.epochs * (len(digits[0]) // BATCH),
        "batch_size": BATCH,
        "learning_rate": how.learning_rate,
        "train_loss": loss,
        "cpu_seconds": spent[0],
        "parameters": count_parameters(model.config),
        "flops": flops(model),
    }


def choose_rates(rows: Rows, names: list[str], steps: int = RATES_STEPS) -> None:
    """Each architecture at each rate, judged by the held-out digits."""
    digits, _ = some("digits", RATES_IMAGES, seed=0)
    for name in names:
        for rate in RATES:
            key = {"kind": "rate", "architecture": name, "images": RATES_IMAGES, "seed": 0, "learning_rate": rate}
            if rows.select(**key):
                continue
            model, told = trained(name, digits, recipe(RATES_IMAGES, steps, rate), seed=0)
            _, accuracy, _ = evaluate(model, *split("digits").choose, workers=1)
            rows.add(key | told | {"choosing_accuracy": accuracy})


def rate(rows: Rows, name: str) -> float:
    """The best one of an architecture. Raises ValueError before it was looked for."""
    if not (found := rows.select(kind="rate", architecture=name)):
        raise ValueError(f"no learning rate of {name} has been chosen: run `inductive_bias.py rates` first")
    return max(found, key=lambda row: row["choosing_accuracy"])["learning_rate"]


def run(rows: Rows, cell: Run, steps: int | None = None) -> None:
    """One training and its row, unless that is there."""
    key = {"kind": "run", **cell._asdict()}
    if rows.select(**key):
        return
    digits, held_out = some(cell.data, cell.images, cell.seed)
    how = recipe(cell.images, steps or STEPS[cell.images], rate(rows, cell.architecture), cell.augmented)
    model, told = trained(cell.architecture, digits, how, cell.seed)
    _, choose, report = split(cell.data)
    rows.add(
        key
        | told
        | {
            "choosing_accuracy": evaluate(model, *choose, workers=1)[1] if held_out else None,  # None: learned from
            "accuracy": evaluate(model, *report, workers=1)[1],
            "reported_on": len(report[0]),
            "shifted_accuracy": shifted_accuracy(model, *(x[:SHIFTED] for x in report)),
        }
    )


def runs(kind: str, names: list[str], seeds: list[int]) -> list[Run]:
    """The cells in the order in which they tell most."""
    if kind == "full":
        return [Run(name, "full", 60_000, False, seed) for seed in seeds for name in names]
    if kind == "fashion":
        return [Run(name, "fashion", n, False, seed) for seed in seeds for n in FASHION for name in names]
    augmented = kind == "augmented"
    amounts = AUGMENTED if augmented else (1_000, 100, 8_000, 300, 3_000)
    return [Run(name, "digits", n, augmented, seed) for seed in seeds for n in amounts for name in names]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rates", "runs", "augmented", "full", "fashion"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", choices=list(NAMES), default=list(NAMES), help="these architectures")
    parser.add_argument("--images", type=int, nargs="+", choices=list(STEPS), default=list(STEPS), help="these amounts")
    options = parser.parse_args()
    rows = Rows(FILE)
    if options.what == "rates":
        choose_rates(rows, options.only)
    else:
        for cell in runs(options.what, options.only, options.seeds):
            if cell.images in options.images:
                run(rows, cell)
