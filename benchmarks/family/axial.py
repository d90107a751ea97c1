"""Rows, then columns, or all at once: what does it cost a small ViT to look along lines only?

    python benchmarks/family/axial.py --seeds 0 1 2

Two ViTs of 49 patches and 53,000 parameters: four blocks of full attention, or three of axial attention, which have two
attentions each. Trained as inductive_bias.py trains, on 1,000 digits, each at the better of two rates, which is chosen
on held-out digits. A row a run goes to results/family/axial.jsonl, and what is there is not run again. On so small a
map lines save little (chapter 33 counts from where on they do): the question is what is lost.
"""

import argparse

import inductive_bias as bias
from classifiers import flops, train
from rows import RESULTS, Row, Rows, cpu_seconds

from minivit import ViT, ViTConfig
from minivit.train import evaluate

FILE = RESULTS / "axial.jsonl"
DEPTHS = {"full": 4, "axial": 3}  # as many parameters
IMAGES, STEPS, RATES_STEPS, RATES = 1_000, 600, 200, (5e-3, 1e-2)


def config(kind: str) -> ViTConfig:
    """The ViT with this attention."""
    return ViTConfig(
        image_size=28, patch_size=4, channels=1, classes=10, width=32, depth=DEPTHS[kind], heads=4, pool="gap",
        attention=kind,
    )  # fmt: skip


def trained(kind: str, rate: float, seed: int, steps: int) -> tuple[ViT, Row]:
    """A model, and what its row says of the training."""
    digits, _ = bias.some("digits", IMAGES, seed)
    model = ViT(config(kind), seed=seed, init="fan_in")
    with cpu_seconds() as spent:
        loss = train(model, *digits, bias.recipe(IMAGES, steps, rate), seed)
    parameters = sum(array.size for array in model.params.values())
    told = {"steps": steps, "train_loss": loss, "cpu_seconds": spent[0], "parameters": parameters}
    return model, told | {"flops": flops(model)}


def choose_rate(rows: Rows, kind: str, steps: int = RATES_STEPS) -> float:
    """The better rate, judged by the held-out digits; what has no row yet is run."""
    for rate in RATES:
        key = {"kind": "rate", "attention": kind, "learning_rate": rate, "seed": 0}
        if not rows.select(**key):
            model, told = trained(kind, rate, 0, steps)
            rows.add(key | told | {"choosing_accuracy": evaluate(model, *bias.split("digits").choose, workers=1)[1]})
    found = rows.select(kind="rate", attention=kind)
    return max(found, key=lambda row: row["choosing_accuracy"])["learning_rate"]


def run(rows: Rows, kind: str, seed: int, steps: int = STEPS, rates_steps: int = RATES_STEPS) -> None:
    """One training and its row, unless that is there."""
    key = {"kind": "run", "attention": kind, "seed": seed}
    if rows.select(**key):
        return
    rate = choose_rate(rows, kind, rates_steps)
    model, told = trained(kind, rate, seed, steps)
    accuracy = evaluate(model, *bias.split("digits").report, workers=1)[1]
    rows.add(key | {"learning_rate": rate} | told | {"accuracy": accuracy})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    rows = Rows(FILE)
    for seed in parser.parse_args().seeds:
        for kind in DEPTHS:
            run(rows, kind, seed)
