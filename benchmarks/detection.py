"""Three detectors on the same canvases: how fast do they learn, by steps and by CPU seconds, and how well?

    python benchmarks/detection.py                      # what is missing of three detectors and three seeds, one by one
    python benchmarks/detection.py detr --seeds 0       # one run; after Ctrl-C the same command goes on
    python benchmarks/detection.py --choose             # on the split on which recipes are chosen: tune, validation
    python benchmarks/detection.py --report             # the table and the curves of what is there
    python benchmarks/detection.py --models             # the first seed's models, for the package

A run is one process with one thread of BLAS. Its time is the CPU seconds, user and system, of its training steps, the
drawing of their canvases among them, without the looks at the test canvases in between, which are told beside. A row a
run goes to results/detection.jsonl. The reported canvases are 1,000 of the test digits that no recipe was chosen on.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from minivit.data import Canvases, load_canvas
from minivit.devices.workers import worker_pool
from minivit.train import resume, save_checkpoint
from minivit.train.detection import evaluate_detector
from minivit.train.detector import DETECTORS, detector_trainer

RESULTS = Path(__file__).parent / "results" / "detection.jsonl"
RUNS = Path("runs") / "detection"  # checkpoints, and the models in the end
SPLITS = {"test": "train", "validation": "tune"}  # where it is measured -> where it is trained
BARS = {"detr": (0.85, 1800), "deformable": (0.92, 1200), "sparse": (0.92, 1200)}  # AP50 within CPU seconds
FIRST, COUNT, QUICK = 1000, 1000, 250  # the reported canvases; how many of them a look in between takes
EVERY = 250  # steps between two looks
LEVELS = (0.5, 0.8, 0.9)  # of AP50: when were they reached?


def cpu_seconds() -> float:
    """User and system, of this process and of its children."""
    return sum(os.times()[:4])


def run(name: str, seed: int, split: str) -> dict:
    """Train, from wherever an earlier call stopped, and measure. Returns the row."""
    folder = RUNS / f"{split}-{name}-{seed}"
    part, checkpoint = SPLITS[split], folder / "checkpoint.npz"
    steps = DETECTORS[name].train.epochs * DETECTORS[name].train.steps_per_epoch
    images, targets = load_canvas(split, COUNT, start=FIRST)
    if checkpoint.exists():
        trainer = resume(checkpoint, Canvases(part, seed), None)
    else:
        changes = dict(epochs=math.ceil(steps / EVERY), steps_per_epoch=EVERY)
        trainer = detector_trainer(name, seed, part, **changes)
    with worker_pool(1) as pool:
        while trainer.step_count < trainer.steps:
            cpu, wall = cpu_seconds(), time.perf_counter()
            for _ in range(EVERY):
                trainer.step(pool)
            cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
            looked = cpu_seconds()
            found = evaluate_detector(trainer.model, images[:QUICK], targets[:QUICK], workers=1)
            its = {"test_ap": found.ap, "test_ap50": found.ap50, "test_ap75": found.ap75}
            trainer.end_epoch(**its, cpu=cpu, wall=wall, look=cpu_seconds() - looked, load=os.getloadavg()[0])
            save_checkpoint(trainer, checkpoint)
            total = sum(row["cpu"] for row in trainer.history)
            print(f"{name} {seed}: step {trainer.step_count:,}, {total:.0f} s, AP50 {found.ap50:.3f}", flush=True)
    trainer.model.save(folder / "model.npz")
    found = evaluate_detector(trainer.model, images, targets, workers=1)
    history = trainer.history
    sizes = {f"ap_{size}": found.mean(size) for size in ("small", "medium", "large")}
    return {
        "detector": name, "seed": seed, "split": split, "steps": trainer.steps, "ap50": found.ap50, "ap": found.ap,
        "ap75": found.ap75, **sizes, "cpu": sum(row["cpu"] for row in history),
        "wall": sum(row["wall"] for row in history), "look": sum(row["look"] for row in history),
        "load": statistics.mean(row["load"] for row in history),
        "parameters": sum(array.size for array in trainer.model.params.values()), "config": trainer.config.to_dict(),
        "curve": [[row["steps"], sum(r["cpu"] for r in history[: i + 1]), row["test_ap50"], row["train_loss"]]
                  for i, row in enumerate(history)],
        "python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine(),
    }  # fmt: skip


def rows() -> list[dict]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detectors", nargs="*", help="all if not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--models", action="store_true")
    args = parser.parse_args()
    if unknown := set(args.detectors) - set(DETECTORS):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(DETECTORS)}")
    split = "validation" if args.choose else "test"
    for seed in args.seeds:
        for name in args.detectors or DETECTORS:
            if any((row["detector"], row["seed"], row["split"]) == (name, seed, split) for row in rows()):
                continue
            row = run(name, seed, split)
            RESULTS.parent.mkdir(exist_ok=True)
            with open(RESULTS, "a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
