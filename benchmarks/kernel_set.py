"""The checker's recall and its false alarms, on kernels and programs written after what people post.

    python benchmarks/kernel_set.py            # checks what has changed since the last time, and prints the table
    python benchmarks/kernel_set.py --all      # everything anew

Each file of tests/emulator/set is right as it stands. Under a line there may be a mistake that people make with it:

    __syncthreads();
    //- race @read                     without that line there is a race, which names a line that ends in //@read
    if (i < n) y[i] = x[i];            //@read
    //= out of bounds @bad: if (i <= n) y[i] = x[i];  //@bad       and this stands in its place

A right one must be silent, remarks included; of a wrong one a finding of that kind must name that line.
"""

import argparse
import csv
import hashlib
import os
import re
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minivit import emulator
from minivit.emulator.command import launch_values
from minivit.emulator.launch_text import launch_in, parse_launch
from minivit.emulator.posted import has_main
from minivit.emulator.program import run_program

SET = Path(__file__).parents[1] / "tests" / "emulator" / "set"
ROWS = Path(__file__).parent / "results" / "kernel_set.csv"
COLUMNS = ("file", "line", "mistake", "verdict", "digest")
INSTEAD = re.compile(r"\s*//= (?P<kind>[\w -]+?) @(?P<where>\w+): (?P<code>.*?)\s*$")
GONE = re.compile(r"\s*//- (?P<kind>[\w -]+?) @(?P<where>\w+)\s*$")
LABEL = re.compile(r"//@(\w+)\s*$")


@dataclass(frozen=True)
class Case:
    """A file as it is (kind ""), or with one mistake: what kind of finding is due, and the lines that it may name."""

    file: str
    line: int  # that is wrong, or 0
    kind: str
    named: frozenset[int]  # empty: no line is to blame
    source: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.kind}{sorted(self.named)}{self.source}".encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        return f"{self.file}:{self.line} {self.kind}" if self.kind else f"{self.file} is right"


def cases(path: Path) -> list[Case]:
    """The right file first, then each of its mistakes. Raises ValueError for a label that no line has."""
    lines = path.read_text(encoding="utf-8").splitlines()
    bare = ["" if INSTEAD.match(line) or GONE.match(line) else line for line in lines]
    found = [Case(path.name, 0, "", frozenset(), "\n".join(bare) + "\n")]
    last = 0  # the line of code above
    for number, line in enumerate(lines):
        gone, instead = GONE.match(line), INSTEAD.match(line)
        if not gone and not instead:
            last = number
            continue
        match = gone or instead
        wrong = list(bare)
        wrong[last] = "" if gone else with_label(instead["code"], bare[last])
        where, named = match["where"], frozenset()
        if where != "none":
            named = frozenset(i for i, text in enumerate(wrong, 1) if where in LABEL.findall(text))
            if not named:
                raise ValueError(f"{path.name}:{number + 1}: no line ends in //@{where}")
        found.append(Case(path.name, last + 1, match["kind"].strip(), named, "\n".join(wrong) + "\n"))
    return found


def with_label(code: str, before: str) -> str:
    """The label of a line stays with what comes into its place."""
    label = LABEL.search(before)
    return code if LABEL.search(code) or not label else f"{code}  {label[0]}"


def every_case() -> list[Case]:
    return [case for path in sorted(SET.glob("*.cu")) for case in cases(path)]


def findings(case: Case) -> list:
    """What the checker finds, and remarks, where it is a program."""
    module = emulator.Module(case.source, case.file)
    launch = launch_in(case.source)
    if launch is None and has_main(case.source):
        with quiet():
            report = run_program(module, mode="check", seconds=60)
        return [*report.findings, *report.remarks]
    launch = parse_launch(launch)
    kernel = module[launch.kernel]
    values, outputs = launch_values(kernel, launch)
    seconds = 1 if case.kind == "endless loop" else 60
    where = launch.grid, launch.block
    return kernel.check(*where, *values, shared=launch.shared, outputs=outputs, seconds=seconds).findings


def verdict_of(case: Case) -> str:
    """ "silent" of a right one, "named" of a wrong one, or what came instead."""
    try:
        found = findings(case)
    except emulator.CompileError as error:
        return f"refused: {error}".splitlines()[0]
    if not case.kind:
        return f"accused of {found[0].kind}" if found else "silent"
    if any(f.kind == case.kind and (not case.named or {f.line, f.other_line} & case.named) for f in found):
        return "named"
    return f"called {found[0].kind} in line {found[0].line}" if found else "missed"


@contextmanager
def quiet() -> Iterator[None]:
    """What a program prints goes nowhere."""
    kept, nowhere = (os.dup(1), os.dup(2)), os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for number, before in enumerate(kept, 1):
            os.dup2(before, number)
            os.close(before)
        os.close(nowhere)


# ---- the rows and the table ------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--all", action="store_true", help="check also what has not changed")
    parser.add_argument("--only", default="", help="files with this in their name")
    args = parser.parse_args()
    known = {row["digest"]: row for row in read_rows()} if not args.all else {}
    rows = []
    for case in every_case():
        row = known.get(case.digest)
        if row is None and args.only in case.file:
            row = dict(
                zip(COLUMNS, (case.file, case.line or "", case.kind, verdict_of(case), case.digest), strict=True)
            )
            if row["verdict"] not in ("silent", "named"):
                print(f"{case.title}: {row['verdict']}", flush=True)
        if row is not None:
            rows.append(row)
            known[case.digest] = row
            write_rows(rows if args.all else sorted(known.values(), key=order))
    if not args.only:
        write_rows(rows)  # without what is gone
    print(table(rows))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"\n{used.ru_utime + used.ru_stime:.0f} seconds of the CPU")
    return 0


def order(row: dict[str, str]) -> tuple:
    return row["file"], int(row["line"] or 0), row["mistake"]


def read_rows() -> list[dict[str, str]]:
    if not ROWS.exists():
        return []
    with ROWS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(rows: list[dict[str, str]]) -> None:
    new = ROWS.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    new.replace(ROWS)


def table(rows: list[dict[str, str]]) -> str:
    """Markdown: recall by kind, and the right ones."""
    due, named = Counter(), Counter()
    for row in rows:
        due[row["mistake"]] += 1
        named[row["mistake"]] += row["verdict"] in ("silent", "named")
    right, silent = due.pop("", 0), named.pop("", 0)
    lines = [
        "| | | |", "|---|---|---|",
        f"| right kernels and programs | {right} | {right - silent} accused |",
        f"| wrong ones | {due.total()} | {named.total()} named, with the line: {named.total() / due.total():.1%} |",
        "", "| of the wrong ones | | named |", "|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {kind} | {count} | {named[kind]} |" for kind, count in sorted(due.items(), key=lambda i: (-i[1], i[0]))
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
