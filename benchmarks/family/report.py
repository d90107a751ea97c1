"""Draws what the experiments have found, writes their tables into docs/experiments.md, and small copies for chapters.

    python benchmarks/family/report.py

Reads the rows in benchmarks/results/family, as far as there are any. A table stands on the page between a line
`<!-- table: NAME -->` and a line `<!-- end -->`; all else there is written by hand.
"""

import json
import re
from pathlib import Path

import numpy as np
from classifiers import NAMES
from inductive_bias import AUGMENTED
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from rows import RESULTS, Row, Rows
from tables import AMOUNTS, TABLES

from minivit.data import FAMILY_VARIANTS, INDUCTIVE_BIAS
from minivit.inspect import save_figure
from minivit.inspect.canvas import new_figure

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"
TABLE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
# Okabe and Ito's colours, which colour-blind readers can tell apart; convolutions solid, ViTs dotted.
COLOURS = dict(zip(NAMES, ["#D55E00", "#999999", "#000000", "#E69F00", "#0072B2", "#009E73", "#CC79A7"], strict=True))
STYLES = dict.fromkeys(NAMES, "-") | {"vit": ":", "vit49": ":"}


def lines_of(axes: Axes, name: str, found: dict[float, list[float]]) -> None:
    """An architecture's mean by x, and the range of its seeds."""
    if not (found := {x: 100 * np.array(values) for x, values in found.items() if values}):
        return
    xs, means = list(found), [values.mean() for values in found.values()]
    axes.plot(xs, means, STYLES[name], color=COLOURS[name], marker="o", markersize=3, label=NAMES[name])
    lows, highs = zip(*((values.min(), values.max()) for values in found.values()), strict=True)
    axes.fill_between(xs, lows, highs, color=COLOURS[name], alpha=0.15, linewidth=0)


def draw_bias(rows: Rows) -> None:
    """Accuracy against the amount of data; what augmentation adds; accuracy against the shift of the test digits."""
    figure = new_figure(3.6)
    plain, augmented, moved = figure.subplots(1, 3, width_ratios=(2, 1.1, 1.4))
    amounts = [(n, "digits") for n in AMOUNTS] + [(60_000, "full")]
    amounts = [(n, data) for n, data in amounts if rows.select(kind="run", images=n, data=data, augmented=False)]
    twice = [n for n in AUGMENTED if rows.select(kind="run", images=n, augmented=True)]
    for name in NAMES:

        def found(n: int, data: str = "digits", augmented: bool = False, name: str = name) -> list[Row]:
            return rows.select(kind="run", architecture=name, images=n, data=data, augmented=augmented)

        lines_of(plain, name, {n: [row["accuracy"] for row in found(n, data)] for n, data in amounts})
        for i, n in enumerate(twice):
            both = {2 * i + more: [row["accuracy"] for row in found(n, augmented=bool(more))] for more in (0, 1)}
            lines_of(augmented, name, both)
        shifted = [row["shifted_accuracy"] for row in found(8_000)]
        lines_of(moved, name, dict(enumerate(zip(*shifted, strict=True))) if shifted else {})
    plain.set_xscale("log")
    plain.set_xticks([n for n, _ in amounts], [f"{n:,}" for n, _ in amounts])
    plain.xaxis.set_minor_locator(NullLocator())
    plain.set_xlabel("digits to learn from")
    plain.set_ylabel("accuracy, %")
    plain.legend(fontsize=7)
    augmented.set_xticks(range(2 * len(twice)), [text for n in twice for text in (f"{n:,}", f"{n:,}\naug.")])
    augmented.set_xlim(-0.4, 2 * len(twice) - 0.6)
    augmented.set_title("augmented digits", fontsize=9)
    moved.set_title("8,000, tested on moved digits", fontsize=9)
    moved.set_xlabel("moved by, pixels")
    moved.set_xticks(range(5))
    for axes in (plain, augmented, moved):
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=7)
    save_figure(figure, RESULTS / "inductive_bias.png", dpi=120)


def draw_bars(rows: Rows) -> None:
    """The recipes' curves: test accuracy against CPU seconds, and the two bars."""
    figure = new_figure(3.2)
    axes = figure.subplots()
    colours = COLOURS | {"bit": "#56B4E9"}
    for row in rows.select(kind="bar"):
        name, curve = row["architecture"], 100 * np.array(row["curve"])
        seconds = row["cpu_seconds"] / len(curve) * np.arange(1, len(curve) + 1)
        label = name if row["seed"] == 0 else None
        axes.plot(seconds, curve, color=colours[name], linewidth=1, label=label)
    for bar in (97.0, 98.5):
        axes.axhline(bar, color="black", linewidth=0.7, linestyle="--")
    axes.set_ylim(92, 99.5)
    axes.set_xlabel("CPU seconds")
    axes.set_ylabel("accuracy, %")
    axes.legend(fontsize=7, ncols=2)
    axes.grid(alpha=0.3)
    save_figure(figure, RESULTS / "bars.png", dpi=110)


def draw_attention(rows: list[Row]) -> None:
    """PVT: time against tokens, a line for each reduction."""
    figure = new_figure(2.8)
    axes = figure.subplots()
    for reduction, colour in zip((1, 2, 4, 8), ("#D55E00", "#E69F00", "#56B4E9", "#0072B2"), strict=True):
        same = [row for row in rows if row["reduction"] == reduction]
        found = [row["tokens"] for row in same], [row["milliseconds"] for row in same]
        axes.loglog(*found, color=colour, marker="o", markersize=3, label=f"R = {reduction}")
    axes.set_xlabel("tokens")
    axes.set_ylabel("CPU milliseconds,\nforward and backward")
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    save_figure(figure, RESULTS / "reduction.png", dpi=110)


def with_tables(page: str, folder: Path = RESULTS) -> str:
    """The page with every table made anew from the rows."""
    return TABLE.sub(lambda match: f"{match[1]}{match[2]}\n{TABLES[match[1]](folder)}\n\n", page)


def small_copy(rows: Rows) -> str:
    """What ships with minivit: of each run what a reader may draw, without the choice of rates and the costs."""
    names = ("architecture", "data", "images", "augmented", "seed", "steps", "parameters", "flops", "accuracy")
    return _as_json(rows.select(kind="run"), (*names, "shifted_accuracy"))


def copy_of_variants(rows: Rows) -> str:
    """Likewise what the parts of Swin and MobileViT are worth."""
    names = ("architecture", "variant", "images", "seed", "steps", "parameters", "flops", "accuracy")
    return _as_json(rows.select(), (*names, "shifted_accuracy"))


def _as_json(rows: list[Row], names: tuple[str, ...]) -> str:
    return json.dumps([{name: row[name] for name in names} for row in rows]).replace("}, {", "},\n {") + "\n"


if __name__ == "__main__":
    bias = Rows(RESULTS / "inductive_bias.jsonl")
    draw_bias(bias)
    INDUCTIVE_BIAS.write_text(small_copy(bias), "utf-8")
    FAMILY_VARIANTS.write_text(copy_of_variants(Rows(RESULTS / "variants.jsonl")), "utf-8")
    draw_bars(Rows(RESULTS / "bars.jsonl"))
    draw_attention(Rows(RESULTS / "costs.jsonl").select(kind="attention"))
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
