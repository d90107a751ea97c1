"""Residual connections: 7 and 33 layers, with and without a way past them (He et al., arXiv 1512.03385, section 4).

    python benchmarks/family/depth.py             trains; prints nothing but rows
    python benchmarks/family/depth.py picture     how long the gradient is, layer by layer, before the first step

Convolutions of 3 x 3, 8 channels wide, each with a BatchNorm, on a map of 14 x 14; 3,000 digits, 4 epochs. The rate is
chosen for each network on 1,000 held-out digits; reported is the accuracy on the 2,000 test digits. A row a run goes to
results/family/depth.jsonl, and what is there is not run again.
"""

import argparse

import numpy as np
from classifiers import build, flops, train
from inductive_bias import recipe, some, split
from rows import RESULTS, Row, Rows, cpu_seconds

from minivit import count_parameters
from minivit.data import MNIST_MEAN, MNIST_STD
from minivit.family import ResNetConfig
from minivit.inspect import save_figure
from minivit.inspect.canvas import BLUE, VERMILLION, new_figure
from minivit.train import evaluate

FILE = RESULTS / "depth.jsonl"
IMAGES, STEPS = 3_000, 240
RATES = (2e-3, 8e-3)
UNITS = {7: 3, 33: 16}  # layers: the stem's, and two a unit
NETWORKS = [(layers, shortcuts) for layers in UNITS for shortcuts in (False, True)]


def config(layers: int, shortcuts: bool) -> ResNetConfig:
    """A network of one stage, as narrow as it is deep."""
    return ResNetConfig(
        image_size=28, channels=1, classes=10, stem_width=8, stem_kernel=3, stem_pool=False, depths=(UNITS[layers],),
        widths=(8,), inner=None, shortcuts=shortcuts, image_mean=MNIST_MEAN, image_std=MNIST_STD,
    )  # fmt: skip


def trained(layers: int, shortcuts: bool, rate: float, seed: int, steps: int) -> Row:
    """What the rows say of a training, with the accuracies on both splits."""
    model = build(config(layers, shortcuts), seed)
    digits, _ = some("digits", IMAGES, seed)
    with cpu_seconds() as spent:
        loss = train(model, *digits, recipe(IMAGES, steps, rate), seed)
    _, choose, report = split("digits")
    return {
        "steps": steps,
        "train_loss": loss,
        "choosing_accuracy": evaluate(model, *choose, workers=1)[1],
        "accuracy": evaluate(model, *report, workers=1)[1],
        "cpu_seconds": spent[0],
        "parameters": count_parameters(model.config),
        "flops": flops(model),
    }


def run(rows: Rows, layers: int, shortcuts: bool, rate: float, seed: int, steps: int = STEPS) -> None:
    """One training and its row, unless that is there."""
    key = {"layers": layers, "shortcuts": shortcuts, "learning_rate": rate, "seed": seed, "images": IMAGES}
    if not rows.select(**key):
        rows.add(key | trained(layers, shortcuts, rate, seed, steps))


def best_rate(rows: Rows, layers: int, shortcuts: bool) -> float:
    """By the held-out digits, with seed 0."""
    tried = [row for row in rows.select(layers=layers, shortcuts=shortcuts, seed=0) if row["learning_rate"] in RATES]
    return max(tried, key=lambda row: row["choosing_accuracy"])["learning_rate"]


def gradient_lengths(layers: int, shortcuts: bool, starts: int = 3) -> np.ndarray:
    """|∂loss/∂W| of each 3x3 convolution, from the image on, before the first step: the mean of some starts."""
    lengths = []
    for seed in range(starts):
        model, (images, labels) = build(config(layers, shortcuts), seed), some("digits", 100, seed)[0]
        _, grads = model.loss_and_grads(model.normalize(images), labels)
        kernels = [name for name in grads if grads[name].ndim == 4]  # in the order of the layers
        lengths.append([float(np.linalg.norm(grads[name])) for name in kernels])
    return np.mean(lengths, axis=0)


def picture() -> None:
    """The gradient's length against the layer."""
    figure = new_figure(2.8)
    axes = figure.subplots()
    for layers, shortcuts in NETWORKS:
        how = dict(color=BLUE if shortcuts else VERMILLION, linestyle="-" if layers == 33 else ":", marker=".")
        name = f"{layers} layers, {'residual' if shortcuts else 'plain'}"
        axes.semilogy(np.arange(1, layers + 1), gradient_lengths(layers, shortcuts), label=name, **how)
    axes.set_xlabel("layer, from the image")
    axes.set_ylabel("length of the gradient")
    axes.legend(fontsize=8)
    save_figure(figure, RESULTS / "depth.png", dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["runs", "picture"], nargs="?", default="runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if options.what == "picture":
        picture()
    else:
        rows = Rows(FILE)
        for network in NETWORKS:
            for rate in RATES:
                run(rows, *network, rate, seed=0)
            for seed in options.seeds:
                run(rows, *network, best_rate(rows, *network), seed)
