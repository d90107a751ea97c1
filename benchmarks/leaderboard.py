"""LEADERBOARD.md: how well small models read digits for the seconds that they train, by rules that fool nobody.

    python benchmarks/leaderboard.py run [NAME ...] [--seeds 5]    train what is still missing, a line of JSON a run
    python benchmarks/leaderboard.py table                         write LEADERBOARD.md from those lines

A recipe learns from the training images without the last ones (10,000 of MNIST's 60,000, 1,000 of the 8,000 that ship):
on these it was chosen. Then it is frozen, and each seed meets the test images once, when it has been trained. A run in
benchmarks/results/leaderboard.jsonl, with the recipe as it is now, is not repeated; an interrupted one begins anew. The
full set is found as everywhere: see `python -m minivit data`.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from minivit import Trainer, evaluate, family, fit, load_mnist
from minivit.train import TrainConfig
from minivit.train.recipes import PRESETS, recipe

ROOT = Path(__file__).parents[1]
RESULTS, TABLE = ROOT / "benchmarks" / "results" / "leaderboard.jsonl", ROOT / "LEADERBOARD.md"
HELD_OUT = {"digits": 1_000, "full": 10_000}
LOOKED_AT = 1_000  # held-out images after each epoch; all of them at the end
CALM = 0.5  # the load of a machine below which the clock's seconds count


class Entry(NamedTuple):
    """A row: the data set, what it is, the model's configuration, its training, and the target: accuracy, seconds."""

    data: str
    what: str
    model: Any
    train: TrainConfig
    target: tuple[float, float] | None = None

    def made(self, run: dict) -> bool:
        """Is a run this recipe's, as it is now? An option that a run of old does not name has its default."""
        return (type(self.model)(**run["model"]), TrainConfig(**run["train"])) == (self.model, self.train)


# A hybrid: a convolution of 7 x 7 and a pooling before the patches, which are the columns of the map of 7 x 7.
_ROOTED = dataclasses.replace(PRESETS["full"][0], stem=(), stem_width=16, patch_size=(7, 1))
_ROOTED_TRAIN = TrainConfig(epochs=7, learning_rate=5e-3, elastic=0.6)
ENTRIES = {
    "quick": Entry("digits", "plain ViT, the preset `quick`", *PRESETS["quick"]),
    "default": Entry("digits", "plain ViT, the preset `default`", *PRESETS["default"], (0.983, 45)),
    "minute": Entry("full", "hybrid: a convolution, then 8 tokens", _ROOTED, _ROOTED_TRAIN, (0.99, 60)),
    "five": Entry(
        "full", "the same for longer", _ROOTED, dataclasses.replace(_ROOTED_TRAIN, epochs=30, elastic=0.8), (0.995, 300)
    ),
    "full": Entry("full", "plain ViT, the preset `full`", *PRESETS["full"]),
    "resnet": Entry(
        "full",
        "no ViT: a ResNet, four units of 3 x 3",
        dataclasses.replace(recipe("resnet", None, "digits")[0], depths=(1, 2, 1), widths=(16, 32, 48)),
        TrainConfig(epochs=18, learning_rate=8e-3, elastic=0.7, scale=0.08),
        (0.995, 300),
    ),
}


def train(name: str, seed: int, workers: int | None) -> dict:
    """One run of a recipe: what its line says."""
    entry = ENTRIES[name]
    digits = load_mnist(entry.data)
    kept = len(digits.train_images) - HELD_OUT[entry.data]
    held_out = digits.train_images[kept:], digits.train_labels[kept:]
    model = family.kind_of(entry.model)(entry.model, seed=seed, init="fan_in")
    trainer = Trainer(model, digits.train_images[:kept], digits.train_labels[:kept], entry.train, seed)
    load, wall, cpu = os.getloadavg()[0], time.perf_counter(), _cpu_seconds()
    fit(trainer, *(array[:LOOKED_AT] for array in held_out), workers=workers)
    _, accuracy, _ = evaluate(model, *held_out, workers)
    wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
    _, tested, _ = evaluate(model, digits.test_images, digits.test_labels, workers)
    times = {"wall": round(wall, 1), "cpu": round(cpu, 1), "load": round(load, 2), "workers": workers}
    settings = {"model": entry.model.to_dict(), "train": entry.train.to_dict()}
    return {"recipe": name, "seed": seed, "held_out": accuracy, "test": tested, **times, **settings}


def _cpu_seconds() -> float:
    """Of this process and of the workers that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def commit() -> str:
    """What is checked out. Raises SystemExit where it is not what runs."""
    git = ["git", "-C", str(ROOT)]
    changed = subprocess.check_output(
        [*git, "status", "--porcelain", "minivit", "benchmarks/leaderboard.py"], text=True
    )
    if changed:
        raise SystemExit(f"commit first, since a row names its commit:\n{changed}")
    return subprocess.check_output([*git, "rev-parse", "--short=10", "HEAD"], text=True).strip()


def runs(name: str) -> list[dict]:
    """Those of a recipe as it is now, in the order of their seeds."""
    lines = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    mine = [run for run in map(json.loads, lines) if run["recipe"] == name and ENTRIES[name].made(run)]
    return sorted(mine, key=lambda run: run["seed"])


def run_missing(names: list[str], seeds: int, workers: int | None) -> None:
    """Recipe by recipe, seed by seed."""
    for name in names:
        for seed in sorted(set(range(seeds)) - {run["seed"] for run in runs(name)}):
            at = commit()  # before the run, in which somebody might change it
            print(f"{name}, seed {seed}", flush=True)
            line = {"commit": at, **train(name, seed, workers)}
            RESULTS.parent.mkdir(exist_ok=True)
            with open(RESULTS, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(
                f"held out {line['held_out']:.2%}, test {line['test']:.2%}, {line['cpu']:.0f} CPU seconds", flush=True
            )


def seconds(run: dict) -> float:
    """Of training on two cores, with the evaluations on what was held out."""
    return run["wall"] if by_the_clock(run) else run["cpu"] / 2


def by_the_clock(run: dict) -> bool:
    return run["load"] < CALM and run["workers"] in (None, 2)


def mean(values: Iterable[float]) -> str:
    """In per cent, ± the standard deviation of the seeds."""
    values = [100 * value for value in values]
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{spread}"


def cells(name: str) -> list[str]:
    """A recipe's row of the table."""
    entry, mine = ENTRIES[name], runs(name)
    data = {"digits": "shipped digits", "full": "MNIST"}[entry.data]
    if not mine:
        return [data, entry.what, f"`{name}`", *["not run yet"] * 5]
    how = " and ".join(sorted({"clock" if by_the_clock(run) else "CPU / 2" for run in mine}))
    commits = ", ".join(sorted({run["commit"] for run in mine}))
    seeds = ", ".join(str(run["seed"]) for run in mine)
    accuracies = mean(run["held_out"] for run in mine), mean(run["test"] for run in mine)
    return [
        data,
        entry.what,
        f"`{name}`",
        commits,
        seeds,
        *accuracies,
        f"{statistics.mean(map(seconds, mine)):.0f} ({how})",
    ]


PAGE = """# The leaderboard

How well small models read digits, for the seconds that they train on two cores. Back to the [README](README.md).

{table}

## Targets, on the held-out images

{targets}

## The rules

- A recipe is chosen on images held out of the training images: the last 10,000 of MNIST's 60,000, the last 1,000 of the
  8,000 that ship. It does not learn from them: what is trained here has seen 50,000 or 7,000 images. (The sizes
  of the presets' models, and all of `full`, are older: they were chosen with a look at the test images.)
- Then it is frozen. Five seeds are trained, and each meets the test images once: MNIST's 10,000, or the 2,000 that
  ship. What comes out is in the table, whatever it is: the mean in per cent, ± the standard deviation of the seeds.
- Seconds are those of training on two cores, with its evaluations: by the clock where the machine's load was below
  {calm} before, else the CPU's, of all threads and processes, divided by two.
- Vision Transformers come first. A hybrid, with a convolution before its patches, says so; so does what is none.
- Plain NumPy, float32, no other data, no pretrained weights, no averaging over several looks at an image.

`python benchmarks/leaderboard.py run NAME` trains what is missing of a row, and appends a line a run to
[`leaderboard.jsonl`](benchmarks/results/leaderboard.jsonl), with all settings;
`python benchmarks/leaderboard.py table` writes this page. A recipe of your own is an entry in
[`leaderboard.py`](benchmarks/leaderboard.py). The presets learn from all training images where you run them:
`python -m minivit train`.

Fashion-MNIST has no row: no mirror served its images here. The data set is known to minivit (`--data fashion`).
"""


def target(name: str) -> str:
    """A line: what was wanted of a recipe, and what came."""
    (accuracy, most), mine = ENTRIES[name].target, runs(name)
    wanted = f"- `{name}`: at least {accuracy:.1%} in at most {most} s: ".replace("%", " %")
    if not mine:
        return wanted + "not run yet."
    got, taken = statistics.mean(run["held_out"] for run in mine), statistics.mean(map(seconds, mine))
    verdict = "reached" if got >= accuracy and taken <= most else "missed"
    return wanted + f"{verdict}, with {100 * got:.2f} % in {taken:.0f} s ({len(mine)} of 5 seeds)."


def page() -> str:
    """LEADERBOARD.md."""
    head = ["data", "model", "recipe", "commit", "seeds", "held out, %", "test, %", "seconds"]
    rows = [head, ["---"] * len(head), *map(cells, ENTRIES)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    targets = "\n".join(target(name) for name, entry in ENTRIES.items() if entry.target)
    return PAGE.format(table=table, targets=targets, calm=CALM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ENTRIES)}; all if none is given")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, help="one a core if not given")
    args = parser.parse_args()
    if unknown := set(args.names) - set(ENTRIES):
        parser.error(f"no recipe {', '.join(sorted(unknown))}, expected some of {', '.join(ENTRIES)}")
    if args.what == "run":
        run_missing(args.names or list(ENTRIES), args.seeds, args.workers)
    TABLE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
