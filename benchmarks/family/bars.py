"""Every recipe of train/recipes.py as it is: how well does it read the 2,000 digits, and what does it cost?

    python benchmarks/family/bars.py              seeds 0, 1 and 2 of each
    python benchmarks/family/bars.py --choose     the same on 7,000 digits, judged by 1,000 held-out ones

What each should reach: 97.0 % on average of three seeds within 360 CPU seconds; the best of them 98.5 %. A recipe that
is to be improved is judged by the held-out digits. A row a run goes to results/family/bars.jsonl, with its curve, and
what is there is not run again. In one process, so that CPU seconds are the work's; the result is the same for any.
"""

import argparse
import os
import time

from classifiers import build
from inductive_bias import split
from rows import RESULTS, Rows, cpu_seconds

from minivit import count_parameters, fit
from minivit.train import Trainer
from minivit.train.recipes import ARCHITECTURES, recipe

FILE = RESULTS / "bars.jsonl"


def run(rows: Rows, name: str, seed: int, choose: bool = False, epochs: int | None = None) -> None:
    """What train_mnist(architecture=name, seed=seed) does, and its row, unless that is there."""
    config, how = recipe(name, None, "digits")
    options = how.to_dict() | ({"epochs": epochs} if epochs else {})
    key = {"kind": "choose" if choose else "bar", "architecture": name, "seed": seed, "recipe": f"{config} {options}"}
    if rows.select(**key):
        return
    digits = split("digits")
    train = digits.others if choose else digits.train
    judge = digits.choose if choose else digits.report
    started = time.perf_counter()
    with cpu_seconds() as spent:
        model = build(config, seed)
        trainer = Trainer(model, *train, type(how)(**options), seed)
        history = fit(trainer, *judge, workers=1, progress=False)
    rows.add(
        key
        | {
            "images": len(train[0]),
            "epochs": len(history),
            "steps": trainer.steps,
            "learning_rate": how.learning_rate,
            "choosing_accuracy" if choose else "accuracy": history[-1]["test_accuracy"],
            "curve": [round(epoch["test_accuracy"], 4) for epoch in history],
            "cpu_seconds": spent[0],
            "wall_seconds": round(time.perf_counter() - started, 1),
            "load": round(os.getloadavg()[0], 1),  # of the machine, when it ended
            "parameters": count_parameters(config),
        }
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES, help="these recipes")
    parser.add_argument("--choose", action="store_true", help="judged by held-out digits")
    options = parser.parse_args()
    rows = Rows(FILE)
    for seed in options.seeds:
        for name in options.only:
            run(rows, name, seed, options.choose)
