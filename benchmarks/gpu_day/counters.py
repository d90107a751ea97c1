"""The step counters: what the emulator's profiler says that the kernels ask of memory, and what the hardware counted.

gpu_day.json holds the emulator's counts of the launches in kernels.py: `bash benchmarks/gpu_day.sh predict` writes it
anew. ncu counts the same launches on a GPU; without one, the emulator counts them again, in ncu's place and format.
"""

import json
from itertools import islice
from pathlib import Path

from minivit import emulator
from minivit.devices.launch import KERNELS, Launch

from .findings import say
from .kernels import counted, every_count, in_short
from .ncu import COUNTERS, number, read_ncu, write_as_ncu

PREDICTED = Path(__file__).parents[1] / "gpu_day.json"
ALIKE = 0.02  # so far may they be apart
HEAD = "what the emulator's profiler counts: bash benchmarks/gpu_day.sh predict"
TITLES = ("global loads", "sectors", "stores", "sectors", "shared loads", "turns", "stores", "turns")
TITLES += ("copies", "sectors", "into shared", "turns")
COPIES = "async_copy.cuh"  # this file has nothing but cp.async: a read of global memory, and a write of shared


def emulated(short: bool = False) -> list[dict]:
    """A row a launch: its sizes, kernel and counts."""
    rows = []
    for sizes, launches, values in counted(short):
        rows += [{"sizes": sizes, "kernel": launch.kernel, **counts(launch, values)} for launch in launches]
    return rows


def counts(launch: Launch, values: dict[str, object]) -> dict[str, int]:
    kernel = emulator.load(KERNELS / launch.file)[launch.kernel]
    arguments = launch.typed([values[name] for name in launch.names])
    report = kernel.profile(launch.grid, launch.block, *arguments, shared=launch.shared)
    sums = dict.fromkeys(COUNTERS, 0)
    for line in report.lines:
        operation = "copy" if line.file == COPIES else line.operation
        sums[f"{line.space} {operation} requests"] += line.requests
        sums[f"{line.space} {operation} moved"] += line.moved
    return sums


def predict() -> None:
    """Write gpu_day.json."""
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in emulated())
    PREDICTED.write_text(f'{{"made": {json.dumps(HEAD)}, "launches": [\n{rows}\n]}}\n', "utf-8")


def predicted(short: bool = False) -> list[dict]:
    rows = json.loads(PREDICTED.read_text("utf-8"))["launches"]
    left = iter(rows)
    groups = [(launches, list(islice(left, len(launches)))) for _, launches, *_ in every_count()]
    return [row for launches, some in groups for row in some if not short or in_short(launches)]


def compare(path: Path, short: bool = False) -> None:
    """A line a launch. One number: both say it, within 2 %; two: the emulator's, and the hardware's."""
    rows, measured = predicted(short), read_ncu(path)
    say(len(rows) == len(measured), f"{len(rows)} launches were predicted, {len(measured)} measured")
    lines, same, total = [("kernel", "sizes", *TITLES)], 0, 0
    for ours, theirs in zip(rows, measured, strict=False):
        base = ours["kernel"].partition("<")[0]
        if base not in theirs["Kernel Name"]:
            say(False, f"the order of the launches: expected {base}, ncu has {theirs['Kernel Name']}")
            return
        cells = []
        for name, counter in COUNTERS.items():
            here, there = ours[name], number(theirs.get(counter))
            alike = abs(there - here) <= ALIKE * max(here, there)  # false for NaN, too
            if here or there > 0:  # two zeros are no agreement
                same, total = same + alike, total + 1
            cells.append(f"{here:,}" if alike else f"{here:,} / {there:,.0f}")
        lines.append((ours["kernel"], ours["sizes"], *cells))
    print(aligned(lines))
    print("predicted / counted, where they are more than 2 % apart")
    say(same == total, f"{same} of {total} counts agree within 2 %")


def aligned(rows: list[tuple[str, ...]]) -> str:
    """Two columns of words, and then numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: tuple[str, ...]) -> str:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join(map(line, rows))


def counters(dry: bool, short: bool, folder: Path) -> None:
    """Of ncu's file in `folder`. Without a GPU: is the prediction what the emulator says today?"""
    path = folder / ("emulated.csv" if dry else "ncu.csv")
    if dry:
        write_as_ncu(emulated(short), path)
    if path.is_file() and read_ncu(path):
        compare(path, short)
    else:
        say(False, f"{path.name} holds no counts: was ncu allowed to read them?")
