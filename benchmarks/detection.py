"""Three detectors on the same canvases: how fast do they learn, by steps and by CPU seconds, and how well?

    python benchmarks/detection.py                      # what is missing of three detectors and three seeds, one by one
    python benchmarks/detection.py detr --seeds 0       # one run; after Ctrl-C the same command goes on
    python benchmarks/detection.py --choose             # on the split on which recipes are chosen: tune, validation
    python benchmarks/detection.py --report             # the table and the curves of what is there; a small copy ships
    python benchmarks/detection.py --models             # the models of seed 0, in half precision, into the package

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

from minivit import load
from minivit.data import DETECTION, TRAINED_DETECTORS, Canvases, load_canvas
from minivit.devices.workers import worker_pool
from minivit.files import read_npz, write_npz
from minivit.train import resume, save_checkpoint
from minivit.train.detection import evaluate_detector
from minivit.train.detector import DETECTORS, detector_trainer

RESULTS = Path(__file__).parent / "results" / "detection.jsonl"
PLOT = Path(__file__).parents[1] / "docs" / "detection.png"
RUNS = Path("runs") / "detection"  # checkpoints, and the models in the end
SPLITS = {"test": "train", "validation": "tune"}  # where it is measured -> where it is trained
BARS = {"detr": (0.85, 1800), "deformable": (0.92, 1200), "sparse": (0.92, 1200)}  # AP50 within CPU seconds
FIRST, COUNT, QUICK = 1000, 1000, 250  # the reported canvases; how many of them a look in between takes
EVERY = 250  # steps between two looks
MOVES = 0.002  # AP50, at most, by half precision
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


def report() -> None:
    """A line a detector, means over its seeds; and what all runs' curves look like, by steps and by CPU seconds."""
    its_runs = {
        name: [row for row in rows() if (row["detector"], row["split"]) == (name, "test")] for name in DETECTORS
    }
    reached = "".join(f"| to {level:g}: steps, s " for level in LEVELS)
    print(f"| detector | parameters | seeds | steps | CPU s | AP50 of each | mean | bar | AP75 | AP {reached}|")
    print("|---|" + "---|" * (9 + len(LEVELS)))
    for name, found in its_runs.items():
        if not found:
            continue
        ap50 = [row["ap50"] for row in found]
        bar, seconds = BARS[name]
        good = statistics.mean(ap50) >= bar and min(ap50) >= bar - 0.05 and max(row["cpu"] for row in found) <= seconds
        cells = [name, f"{found[0]['parameters']:,}", len(found), f"{found[0]['steps']:,}"]
        cells += [f"{statistics.mean(row['cpu'] for row in found):.0f}", ", ".join(f"{x:.3f}" for x in ap50)]
        cells += [f"{statistics.mean(ap50):.3f}", f"{bar} in {seconds:,} s: {'reached' if good else 'missed'}"]
        cells += [f"{statistics.mean(row[key] for row in found):.3f}" for key in ("ap75", "ap")]
        print("|", " | ".join(map(str, [*cells, *(first_reached(found, level) for level in LEVELS)])), "|")
    plot(its_runs)
    DETECTION.write_text(small_copy(rows()), "utf-8")


def small_copy(found: list[dict]) -> str:
    """What ships with minivit: of each reported run what a reader may draw."""
    names = ("detector", "seed", "steps", "parameters", "cpu", "ap50", "ap75", "ap")
    runs = [
        {name: row[name] for name in names}
        | {"looks": [[steps, round(cpu, 1), round(ap50, 4)] for steps, cpu, ap50, _ in row["curve"]]}
        for row in found
        if row["split"] == "test"
    ]
    return json.dumps(runs).replace("}, {", "},\n {") + "\n"


def first_reached(found: list[dict], level: float) -> str:
    """The first look at which AP50 was as high, the mean of the seeds."""
    looks = [next((look for look in row["curve"] if look[2] >= level), None) for row in found]
    if None in looks:
        return "never"
    return ", ".join(f"{statistics.mean(look[i] for look in looks):,.0f}" for i in (0, 1))


def plot(its_runs: dict[str, list[dict]]) -> None:
    from minivit.inspect.canvas import BLUE, VERMILLION, new_figure, save_figure

    figure = new_figure(3.2)
    columns = ("steps", 250), ("CPU seconds", 15)
    for column, (axes, (what, least)) in enumerate(zip(figure.subplots(1, 2, sharey=True), columns, strict=True)):
        for (name, found), colour in zip(its_runs.items(), (BLUE, VERMILLION, "#009E73"), strict=True):
            for i, row in enumerate(found):
                look = np.array(row["curve"])
                axes.plot(look[:, column], look[:, 2], color=colour, alpha=0.8, label=name if i == 0 else None)
        axes.set(xlabel=what, xscale="log", ylim=(0, 1))
        ticks = [least * 2**i for i in range(6)]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("AP50 on unseen canvases")
    figure.axes[0].legend(frameon=False)
    save_figure(figure, PLOT)
    print(f"wrote {PLOT}")


def ship() -> None:
    """Write seed 0's models into the package: float16 where AP50 moves by no more than MOVES, else float32."""
    images, targets = load_canvas("test", COUNT, start=FIRST)
    for name, path in TRAINED_DETECTORS.items():
        trained = RUNS / f"test-{name}-0" / "model.npz"
        if not trained.exists():
            print(f"{name}: not trained yet")
            continue
        before = evaluate_detector(load(trained), images, targets).ap50
        arrays = read_npz(trained)
        half = {k: v if k.startswith("minivit.") else v.astype(np.float16) for k, v in arrays.items()}
        write_npz(path, half, compressed=True)
        after = evaluate_detector(load(path), images, targets).ap50
        if abs(after - before) > MOVES:
            write_npz(path, arrays, compressed=True)
        size, told = path.stat().st_size, "kept" if abs(after - before) <= MOVES else "too far: float32"
        print(f"{name}: AP50 {before:.4f}, in half precision {after:.4f} ({told}), {size:,} bytes")


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
    if args.report or args.models:
        report() if args.report else ship()
        return
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
