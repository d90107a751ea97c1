"""The page of results: what came out of every step, with its command."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .plan import ROOT, plan

if TYPE_CHECKING:
    from .run import Record

RESULTS = ROOT / "benchmarks" / "results"
DRY_NAME = "a stand-in for a GPU"
DRY = (
    "No GPU was used: the steps ran on the tests' stand-in for CuPy, with the emulator behind it and small sizes. So\n"
    "times, rates and ratios say nothing.\n"
)
MACHINE = ("driver_version", "CUDA of the driver", "NVRTC", "cupy-cuda13x", "cupy-cuda12x", "torch", "numpy", "Python")


def write_page(records: Sequence["Record"], dry: bool, folder: Path) -> Path:
    """Write the page into `folder`; of a real GPU into benchmarks/results, too. Returns its path."""
    order = [step.name for step in plan(dry, False, folder)]
    records = sorted(records, key=lambda record: order.index(record.name))
    machine = facts(records)
    name = DRY_NAME if dry else machine.get("GPU", "an unknown GPU")
    text = page(records, name, machine, dry)
    file = f"gpu_{'stand_in' if dry else short_name(name)}.md"
    (folder / file).write_text(text, "utf-8")
    if dry:
        return folder / file
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / file).write_text(text, "utf-8")
    return RESULTS / file


def short_name(gpu: str) -> str:
    """ "NVIDIA H100 80GB HBM3" is h100_80gb_hbm3."""
    return re.sub(r"[^a-z0-9]+", "_", gpu.lower().replace("nvidia", "")).strip("_")


def facts(records: Sequence["Record"]) -> dict[str, str]:
    """The "name: value" lines of the step env."""
    lines = [line for record in records if record.name == "env" for line in record.lines]
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def page(records: Sequence["Record"], name: str, machine: dict[str, str], dry: bool) -> str:
    known = [f"{key} {machine[key]}" for key in MACHINE if key in machine]
    dates = sorted({record.date[:10] for record in records if record.date})
    parts = [f"# minivit on {name}\n"]
    if dry:
        parts.append(DRY)
    parts.append(f"{', '.join(dates)}, commit {machine.get('commit', '?')}. {', '.join(known)}.\n")
    parts += [verdict(records), table(records)]
    for record in records:
        if record.status != "left out":
            parts.append(section(record))
    return "\n".join(parts)


def verdict(records: Sequence["Record"]) -> str:
    done = [record for record in records if record.status != "left out"]
    bad = [record.name for record in done if record.status != "passed"]
    left = [record.name for record in records if record.status == "left out"]
    told = (
        f"**{len(bad)} of {len(done)} steps did not pass: {', '.join(bad)}.**"
        if bad
        else f"All {len(done)} steps passed."
    )
    return f"{told} Left out: {', '.join(left) or 'nothing'}.\n"


def table(records: Sequence["Record"]) -> str:
    rows = ["| step | what it asks | what came out | s |", "|---|---|---|---:|"]
    for record in records:
        came = ": ".join(filter(None, (record.status, record.gist or record.why)))
        came += f" ({record.before} at first)" if record.before and record.status == "passed" else ""
        seconds = f"{record.seconds:.0f}" if record.status != "left out" else ""
        rows.append(f"| {record.name} | {record.asks} | {came} | {seconds} |")
    return "\n".join(rows) + "\n"


def section(record: "Record") -> str:
    why = f", {record.why}" if record.why else ""
    head = f"## {record.asks}\n\n`{record.command}`: {record.status}{why} ({record.seconds:.0f} s).\n"
    return head + ("\n```\n" + "\n".join(record.lines) + "\n```\n" if record.lines else "")
