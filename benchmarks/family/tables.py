"""The rows of all experiments as tables of Markdown, for docs/experiments.md. report.py puts them there.

A number of several seeds is their mean, and how far the farthest is from it; how many there are stands behind it where
they are fewer than three: 93.1 (1).
"""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from classifiers import NAMES
from rows import RESULTS, Row, Rows

SEEDS = 3
AMOUNTS = (100, 300, 1_000, 3_000, 8_000)
NOTHING = "–"  # not run


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))


def percent(values: Sequence[float], seeds: int = SEEDS) -> str:
    """Accuracies in [0, 1] of several seeds -> "93.1 ± 0.4", "93.1 (1)" or a dash."""
    if not values:
        return NOTHING
    mean = statistics.mean(values)
    spread = max(abs(value - mean) for value in values)
    return (
        f"{100 * mean:.1f}"
        + (f" ± {100 * spread:.1f}" if len(values) > 1 else "")
        + (f" ({len(values)})" if len(values) < seeds else "")
    )


def accuracies(rows: Sequence[Row], name: str = "accuracy") -> list[float]:
    return [row[name] for row in rows]


def bias(folder: Path = RESULTS) -> str:
    """Accuracy by amount of data, and with augmentation."""
    rows, lines = Rows(folder / "inductive_bias.jsonl"), []
    cells = [("digits", n, False) for n in AMOUNTS] + [("digits", 300, True), ("digits", 8_000, True)]
    for name, called in NAMES.items():
        found = [
            rows.select(kind="run", architecture=name, data=data, images=n, augmented=augmented)
            for data, n, augmented in cells
        ]
        rates = {row["learning_rate"] for of_cell in found for row in of_cell}
        rate = ", ".join(f"{rate:g}" for rate in sorted(rates)) or NOTHING
        lines.append([called, rate, *(percent(accuracies(of_cell)) for of_cell in found)])
    return table(["", "rate", *(f"{n:,}" for n in AMOUNTS), "300, augmented", "8,000, augmented"], lines)


def shift(folder: Path = RESULTS) -> str:
    """Accuracy on 500 test digits that are moved by 0 … 4 pixels, of models that learned from 8,000."""
    rows, lines = Rows(folder / "inductive_bias.jsonl"), []
    for name, called in NAMES.items():
        for augmented in (False, True):
            runs = rows.select(kind="run", architecture=name, data="digits", images=8_000, augmented=augmented)
            if not runs:
                continue
            by_shift = zip(*accuracies(runs, "shifted_accuracy"), strict=True)
            lines.append([called, "yes" if augmented else "no", *map(percent, by_shift)])
    return table(["", "augmented", "not moved", *(f"{pixels} px" for pixels in range(1, 5))], lines)


def all_of_them(folder: Path = RESULTS) -> str:
    """Parameters, FLOPs, the time of a step, accuracy: one line a classifier."""
    rows, costs, lines = Rows(folder / "inductive_bias.jsonl"), Rows(folder / "costs.jsonl"), []
    for name, called in NAMES.items():
        (cost,) = costs.select(kind="step", architecture=name)
        found = [
            percent(accuracies(rows.select(kind="run", architecture=name, images=n, data=data, augmented=False)), seeds)
            for n, data, seeds in ((1_000, "digits", SEEDS), (8_000, "digits", SEEDS), (60_000, "full", 1))
        ]
        size = [f"{cost['parameters']:,}", f"{cost['flops'] / 1e6:.1f}"]
        lines.append([called, *size, f"{cost['ratio_to_vit']:.2f}", *found])
    head = ["", "parameters", "million FLOPs an image", "time of a step, the ViT's = 1"]
    return table([*head, "1,000 digits", "8,000", "60,000"], lines)


def bars(folder: Path = RESULTS) -> str:
    """The recipes as they are: each seed, the mean, and what it cost."""
    rows, lines = Rows(folder / "bars.jsonl"), []
    for name in dict.fromkeys(row["architecture"] for row in rows.select(kind="bar")):
        runs = sorted(rows.select(kind="bar", architecture=name), key=lambda row: row["seed"])
        for recipe in dict.fromkeys(row["recipe"] for row in runs):
            same = [row for row in runs if row["recipe"] == recipe]
            cost = [
                f"{statistics.mean(accuracies(same, what)):.0f}" for what in ("cpu_seconds", "wall_seconds", "load")
            ]
            each = ", ".join(f"{100 * row['accuracy']:.2f}" for row in same)
            mean = f"{100 * statistics.mean(accuracies(same)):.2f}"
            lines.append([f"`{name}`", f"{same[0]['parameters']:,}", str(same[0]["epochs"]), each, mean, *cost])
    head = ["recipe", "parameters", "epochs", "each seed", "mean"]
    return table([*head, "CPU seconds", "wall seconds", "load of two cores"], lines)


def masked(folder: Path = RESULTS) -> str:
    """By the number of labels: from scratch, on digits as they are and on shifted ones, and pre-trained; the points
    between the last and the better of the others; and a head alone."""
    rows, lines = Rows(folder / "masked.jsonl"), []
    for labels in (100, 300, 1_000):
        key = dict(labels=labels, mask_ratio=0.75)
        *scratch, ahead = (
            accuracies(rows.select(kind="run", way=way, **key))
            for way in ("scratch", "scratch, shifted", "pre-trained")
        )
        probes = [accuracies(rows.select(kind="probe", way=way, **key)) for way in ("scratch", "pre-trained")]
        gain = NOTHING
        if ahead and all(scratch):
            gain = f"{100 * (statistics.mean(ahead) - max(map(statistics.mean, scratch))):+.1f}"
        lines.append([f"{labels:,}", *map(percent, (*scratch, ahead)), gain, *map(percent, probes)])
    head = ["labels", "from scratch", "the same, shifted digits", "pre-trained", "points"]
    return table([*head, "head alone: random encoder", "pre-trained"], lines)


def ratios(folder: Path = RESULTS) -> str:
    """By what part was hidden in pre-training: the loss, and accuracy with 100 labels."""
    rows, lines = Rows(folder / "masked.jsonl"), []
    for ratio in (0.25, 0.5, 0.75, 0.9):
        key = dict(way="pre-trained", labels=100, mask_ratio=ratio)
        pretraining = rows.select(kind="pretrain", mask_ratio=ratio, seed=0)
        loss = f"{pretraining[0]['loss']:.3f}" if pretraining else NOTHING
        seconds = f"{pretraining[0]['cpu_seconds']:.0f}" if pretraining else NOTHING
        tuned = [percent(accuracies(rows.select(kind=kind, **key))) for kind in ("run", "probe")]
        lines.append([f"{ratio:.0%}", loss, seconds, *tuned])
    return table(["hidden", "loss", "CPU seconds", "fine-tuned with 100 labels", "head alone"], lines)


def depth(folder: Path = RESULTS) -> str:
    """7 and 33 layers, plain and residual."""
    rows, lines = Rows(folder / "depth.jsonl"), []
    for layers in (7, 33):
        for shortcuts in (False, True):
            runs = rows.select(layers=layers, shortcuts=shortcuts)
            if not runs:
                continue
            rate = max((row for row in runs if row["seed"] == 0), key=lambda row: row["choosing_accuracy"])
            same = [row for row in runs if row["learning_rate"] == rate["learning_rate"]]
            loss = f"{statistics.mean(accuracies(same, 'train_loss')):.2f}"
            what = [f"{layers} layers, {'residual' if shortcuts else 'plain'}", f"{same[0]['parameters']:,}"]
            lines.append([*what, f"{rate['learning_rate']:g}", loss, percent(accuracies(same))])
    return table(["", "parameters", "rate", "training loss", "accuracy"], lines)


def variants(folder: Path = RESULTS) -> str:
    """The parts that were taken out, beside the whole models, at 1,000 digits."""
    rows, whole, lines = Rows(folder / "variants.jsonl"), Rows(folder / "inductive_bias.jsonl"), []
    for architecture, names in (("swin", ["never shifted"]), ("mobilevit", ["not unfolded", "no tokens"])):
        key = dict(kind="run", architecture=architecture, data="digits", images=1_000, augmented=False)
        found = {"as it is": whole.select(**key)}
        found |= {name: rows.select(architecture=architecture, variant=name) for name in names}
        for name, runs in found.items():
            moved = [row["shifted_accuracy"][4] for row in runs]
            size = [f"{runs[0]['parameters']:,}", f"{runs[0]['flops'] / 1e6:.1f}"] if runs else [NOTHING] * 2
            lines.append([f"{NAMES[architecture]}, {name}", *size, percent(accuracies(runs)), percent(moved)])
    return table(["", "parameters", "million FLOPs", "1,000 digits", "moved by 4 px"], lines)


def attention(folder: Path = RESULTS) -> str:
    """PVT's attention: multiply-adds of scores and sums, of everything, and milliseconds there and back."""
    rows, lines = Rows(folder / "costs.jsonl").select(kind="attention"), []
    for row in rows:
        counts = [f"{row[f'multiplications_{what}'] / 1e6:,.2f}" for what in ("attention", "all")]
        full = next(one for one in rows if one["tokens"] == row["tokens"] and one["reduction"] == 1)
        ratio = f"{row['milliseconds'] / full['milliseconds']:.2f}"
        lines.append([f"{row['tokens']:,}", str(row["reduction"]), f"{row['keys']:,}", *counts, ratio])
    return table(
        ["tokens", "R", "keys", "million multiply-adds: attention", "all of the layer", "time, R 1 = 1"], lines
    )


def axial(folder: Path = RESULTS) -> str:
    """Full attention and axial attention, at as many parameters."""
    rows, lines = Rows(folder / "axial.jsonl"), []
    for kind, called in (("full", "full, 4 blocks"), ("axial", "rows, then columns, 3 blocks")):
        runs = rows.select(kind="run", attention=kind)
        size = [f"{runs[0]['parameters']:,}", f"{runs[0]['flops'] / 1e6:.1f}", f"{runs[0]['learning_rate']:g}"]
        loss = f"{statistics.mean(accuracies(runs, 'train_loss')):.2f}"
        lines.append([called, *size, loss, percent(accuracies(runs))])
    return table(["attention", "parameters", "million FLOPs", "rate", "training loss", "1,000 digits"], lines)


def sentences(folder: Path = RESULTS) -> str:
    """Each sentence's nearest other one."""
    rows = Rows(folder / "sentences.jsonl").rows
    lines = [[row["sentence"], row["nearest"], f"{row['similarity']:.2f}"] for row in rows]
    return table(["sentence", "nearest", "similarity"], lines)


TABLES: dict[str, Callable[[Path], str]] = {
    "bias": bias, "shift": shift, "all": all_of_them, "bars": bars, "masked": masked, "ratios": ratios,
    "depth": depth, "variants": variants, "attention": attention, "axial": axial,
    "sentences": sentences,
}  # fmt: skip
