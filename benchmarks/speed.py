"""minivit against PyTorch on a CPU, in turns: the same model, weights, batch and machine.

    pip install torch==2.13.0 && python benchmarks/speed.py steps        a training step of four models
                                 python benchmarks/speed.py others       an epoch with augmentation, and a forward
                                 python benchmarks/speed.py scaling      in batch, tokens and width
                                 python benchmarks/speed.py compiled     steps against torch.compile, which needs g++

The rivals are minivit with threads and with processes, PyTorch eager, and the model's matrix products alone, which no
NumPy can beat; for `compiled` PyTorch's compiled model in place of the last. All use all cores, or --workers of them.
What they compute is compared before anything is timed. Printed are each rival's median milliseconds by the clock and of
the CPU, the median and the quartiles of its ratio to PyTorch eager's turn of the same round (below 1: faster), that of
the CPU's time (what to look at on a busy machine, with --workers 1), and the peak of its memory, whole and above what
the imports take. All of it is kept in benchmarks/results/, and scaling is drawn in docs/scaling.png.
"""

import argparse
import dataclasses
import json
import os
import platform
import statistics
from pathlib import Path

import numpy as np
from cases import OTHERS, SCALING, STEPS, Case
from rivals import RIVALS
from sides import Side

from minivit.devices.workers import cores

HERE = Path(__file__).parent
HEAD = "case            rival        wall ms   CPU ms  ratio   quartiles    CPU   peak MB   above  ratio"


def compare(name: str, case: Case, rivals: list[str], rounds: int) -> list[dict]:
    """One case: a row a rival, printed and returned. PyTorch eager is the first rival."""
    sides = {rival: Side("rivals.py", rival, case.to_json()) for rival in rivals}
    if case.work != "epoch":  # whose random numbers differ
        firsts = [side.facts["first"] for side in sides.values() if "first" in side.facts]
        assert max(firsts) - min(firsts) < 1e-3, f"what is computed differs: not the same model, {firsts}"
    for _ in range(rounds):
        for side in sides.values():
            side.turn()
    rows = []
    for rival, side in sides.items():
        side.turn_with_memory()
        side.close()
        eager = sides[rivals[0]]
        ratios = [mine["ms"] / theirs["ms"] for mine, theirs in zip(side.turns, eager.turns, strict=True)]
        low, ratio, high = (round(r, 3) for r in statistics.quantiles(ratios, n=4))
        row = {"case": name, "rival": rival, "ratio": ratio, "quartiles": [low, high]}
        turns = zip(side.turns, eager.turns, strict=True)
        row["cpu_ratio"] = round(statistics.median(mine["cpu_ms"] / theirs["cpu_ms"] for mine, theirs in turns), 3)
        row |= {key: round(statistics.median(turn[key] for turn in side.turns), 2) for key in ("ms", "cpu_ms")}
        row |= {"peak_mb": side.peak / 1e6, "above_mb": (side.peak - side.facts["imports"]) / 1e6}
        row["memory_ratio"] = side.peak / eager.peak
        rows.append(row)
        print(
            f"{name:<16}{rival:<11}{row['ms']:>9.1f}{row['cpu_ms']:>9.1f}{ratio:>7.2f}  {low:.2f}, {high:.2f}"
            f"{row['cpu_ratio']:>7.2f}{row['peak_mb']:>10.0f}{row['above_mb']:>8.0f}{row['memory_ratio']:>7.2f}",
            flush=True,
        )
    return rows


def machine() -> dict:
    """What the figures were measured on."""
    import torch

    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    versions = {"Python": platform.python_version(), "NumPy": np.__version__, "PyTorch": torch.__version__}
    return {"CPU": model, "cores": cores(), "load": round(os.getloadavg()[0], 2), **versions}


def draw(rows: list[dict], path: Path) -> None:
    """Ratios to PyTorch eager, against each size that was changed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, size in zip(figure.subplots(1, len(SCALING), sharey=True), SCALING, strict=True):
        for rival, colour in (("threads", "tab:orange"), ("processes", "tab:blue"), ("products", "tab:gray")):
            points = [(row["size"], row["ratio"]) for row in rows if row["rival"] == rival and row["scaled"] == size]
            axes.plot(*zip(*points, strict=True), "o-", color=colour, label=rival)
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(SCALING[size]), [f"{n}" for n in SCALING[size]])
        axes.minorticks_off()
        axes.set_xlabel(size)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("time of a step, PyTorch eager = 1")
    figure.axes[0].set_ylim(bottom=0)
    figure.axes[-1].legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("steps", "others", "scaling", "compiled"))
    parser.add_argument("--only", nargs="+", metavar="CASE", help="some of the cases; nothing is kept")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--workers", type=int, default=0, help="threads or processes of each rival, one a core if not given"
    )
    args = parser.parse_args()
    left_out = "products" if args.what == "compiled" else "compiled"
    rivals = [rival for rival in RIVALS if rival != left_out]
    facts, rows = machine(), []
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(HEAD)
    if args.what == "scaling":
        for scaled, cases in SCALING.items():
            for size, case in cases.items():
                rows += [
                    row | {"scaled": scaled, "size": size}
                    for row in compare(f"{scaled} {size}", case, rivals, args.rounds)
                ]
    else:
        cases = OTHERS if args.what == "others" else STEPS
        for name, case in cases.items():
            if args.only is None or name in args.only:
                case = dataclasses.replace(case, workers=args.workers)
                rows += compare(name, case, [r for r in rivals if case.work == "step" or r != "products"], args.rounds)
    if args.only is None:
        path = HERE / "results" / f"speed_{args.what}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"machine": facts, "rows": rows}, indent=1))
        if args.what == "scaling":
            draw(rows, HERE.parent / "docs" / "scaling.png")


if __name__ == "__main__":
    main()
