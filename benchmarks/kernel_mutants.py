"""Who checks the kernels' tests? One small mistake at a time in a kernel, and then its cases: are they still right?

    python benchmarks/kernel_mutants.py run            # so many of each function, by a seed; goes on where it stopped
    python benchmarks/kernel_mutants.py run --each 20  # more of them
    python benchmarks/kernel_mutants.py table

The kinds are those of mutation testing for GPU programs (Zhu and Zaidman, Massively parallel, highly efficient, but
what about the test suite quality?, ICST 2020): barriers, indices, shared memory, atomics, launch sizes; and the usual
ones of conditions and arithmetic. A mistake meets what tests/devices shows the kernel in tests/devices/kernel_cases.py:
the checker, as in test_kernels_checked.py, and the numbers, which may differ by 1e-10 of the largest, as in the others.
What cannot be seen from outside is in kernel_mutants_equivalent.json, with the reason.
"""

import argparse
import csv
import functools
import hashlib
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "devices"))

from kernel_cases import CASES, Case  # noqa: E402

from minivit import emulator  # noqa: E402
from minivit.devices.launch import KERNELS  # noqa: E402
from minivit.emulator.includes import flatten  # noqa: E402
from minivit.emulator.source import place_of_line, without_comments  # noqa: E402

ROWS = Path(__file__).parent / "results" / "kernel_mutants.csv"
EQUIVALENT = Path(__file__).parent / "results" / "kernel_mutants_equivalent.json"
COLUMNS = ("file", "line", "kernel", "kind", "mistake", "verdict", "digest")
EACH, SEED = 6, 0
BOUND = 1e-10  # of the largest number, as the tests of the kernels have it in double
FUNCTION = re.compile(r"__(?:global|device)__[^;{}]*?\b(\w+)\s*\([^;{}]*\)\s*(?:const\s*)?\{")

KINDS = {  # of what is planted: what is replaced, and by what
    "barrier removed": [(r"__syncthreads\(\);", ";"), (r"__syncwarp\([^;]*\);", ";")],
    "barrier weakened": [(r"__syncthreads\(\)", "__syncwarp()")],
    "barrier in a branch": [(r"(if \([^;{}]*\)) ([^;{}()]+ [-+*/]?= [^;{}]+;)", r"\1 { \2 __syncthreads(); }")],
    "guard removed": [(r"if \([^;{}]*\) (?:return|continue);", ";")],
    "condition moved": [(r" < ", " <= "), (r" <= ", " < "), (r" >= ", " > "), (r"(?<!-)(?<!>)> (?!>)", ">= ")],
    "condition joined": [(r"&&", "||"), (r"\|\|", "&&")],
    "condition turned": [(r" == ", " != "), (r" != ", " == ")],
    "index replaced": [(r"threadIdx\.x", "threadIdx.y"), (r"blockIdx\.x", "threadIdx.x"),
                       (r"blockIdx\.x", "blockIdx.y"), (r"blockIdx\.y", "blockIdx.x"), (r"blockDim\.x", "gridDim.x")],
    "index moved": [(r"\b(threadIdx\.x|blockIdx\.[xy])", r"(\1 + 1)"), (r"\[(\w+)\]", r"[\1 + 1]"),
                    (r"\[(\w+)\]", r"[\1 - 1]")],
    "arithmetic": [(r" \+ ", " - "), (r" - ", " + "), (r" \* ", " / "), (r" / ", " * "), (r" % ", " / ")],
    "sum replaced": [(r" \+= ", " = "), (r" \+= ", " -= ")],
    "shared memory": [(r"(__shared__ [^;]*\[)([^\];]+)\]", r"\1(\2) / 2]"), (r"(__shared__ )(?!.*\[\])", "")],
    "atomic removed": [(r"atomicAdd\(&?([^,;]+), ([^;]+)\);", r"(\1) += (\2);")],
    "mask": [(r"0xffffffffu", "0xffffu")],
    "start left out": [(r"(?<=[\w\]]) = 0;", ";")],
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A mistake in a file's flattened text, or in a launch, and the kernel that is run to see it."""

    file: str
    line: int
    kernel: str
    kind: str
    mistake: str  # what stands there now
    source: str
    grid_less: int = 0
    shared_less: int = 0

    @functools.cached_property
    def digest(self) -> str:
        """Of the code alone, without comments and quoted texts: these change, and no row is old for it."""
        lines = (line.strip() for line in without_comments(self.source).splitlines())
        code = "\n".join(line for line in lines if line and not line.startswith("#line"))
        told = f"{code}{self.kernel}{self.grid_less}{self.shared_less}"
        return hashlib.sha256(told.encode()).hexdigest()[:12]


# ---- what may be planted ---------------------------------------------------------------------------------------------


def functions(code: str) -> dict[str, list[tuple[int, int]]]:
    """Where the bodies of functions of this name lie; code without comments."""
    found: dict[str, list[tuple[int, int]]] = {}
    for match in FUNCTION.finditer(code):
        depth, end = 1, match.end()
        while depth and end < len(code):
            depth += (code[end] == "{") - (code[end] == "}")
            end += 1
        found.setdefault(match[1], []).append((match.end(), end))
    return found


def kernels_of(file: str) -> list[str]:
    """Those that have cases."""
    return [name for name in CASES if CASES[name][0].launch.file == file]


def reached_from(kernel: str, code: str, bodies: dict[str, list[tuple[int, int]]]) -> set[str]:
    """The kernel and the functions that it calls, and that they call."""
    found, ahead = set(), [kernel]
    while ahead:
        name = ahead.pop()
        if name not in found and name in bodies:
            found.add(name)
            ahead += [
                w for start, end in bodies[name] for w in re.findall(r"\b\w+(?=\s*(?:<[^;()]*>)?\()", code[start:end])
            ]
    return found


def mutants(file: str, each: int, taken: set[tuple[str, str]]) -> Iterator[Mutant]:
    """So many of each function of a file that a kernel of it reaches, and of each launch. taken: functions of headers
    that another file has met."""
    source = flatten(KERNELS / file)
    code = without_comments(source)
    bodies = functions(code)
    kernels = kernels_of(file)
    places = {
        name: (place_of_line(source, code.count("\n", 0, spans[0][0]))[0], name) for name, spans in bodies.items()
    }
    for kernel in kernels:
        launch = chosen(kernel)[0].launch
        if launch.grid[0] > 1:
            yield Mutant(file, 0, kernel, "launch", "one block less", source, grid_less=1)
        if launch.shared:
            yield Mutant(file, 0, kernel, "launch", "128 bytes of shared memory less", source, shared_less=128)
        for name in sorted(reached_from(kernel, code, bodies)):
            if places[name] in taken:
                continue
            taken.add(places[name])
            found = sorted(set(of_function(file, kernel, source, code, bodies[name])), key=lambda m: m.digest)
            random.Random(f"{SEED} {file} {name}").shuffle(found)
            yield from spread(found)[:each]


def spread(found: list[Mutant]) -> list[Mutant]:
    """In turns, one of each kind, so that a few of them have many kinds."""
    rank: Counter = Counter()
    keyed = []
    for mutant in found:
        keyed.append((rank[mutant.kind], mutant))
        rank[mutant.kind] += 1
    return [mutant for _, mutant in sorted(keyed, key=lambda pair: pair[0])]


def of_function(file: str, kernel: str, source: str, code: str, bodies: list[tuple[int, int]]) -> Iterator[Mutant]:
    for start, end in bodies:
        for kind, changes in KINDS.items():
            for pattern, replacement in changes:
                for match in re.compile(pattern).finditer(code, start, end):
                    instead = match.expand(replacement)
                    changed = source[: match.start()] + instead + source[match.end() :]
                    number = source.count("\n", 0, match.start())
                    name, line = place_of_line(source, number)
                    yield Mutant(name, line, kernel, kind, changed.split("\n")[number].strip(), changed)


# ---- what becomes of it ----------------------------------------------------------------------------------------------


def chosen(kernel: str) -> list[Case]:
    """Cases in double, and then in float, one of each of the kernel's instances, with every argument and without those
    that may be left out: the first is checked, and the numbers of all compared."""
    double_first = sorted(CASES[kernel], key=lambda case: case.launch.dtype != np.float64)

    def kind(case: Case) -> tuple:
        return case.launch.kernel, *(name for name, value in case.values.items() if value is None)

    return list({kind(case): case for case in reversed(double_first)}.values())[::-1][:8]


def verdict_of(mutant: Mutant) -> str:
    """Who has seen it: "checker", "numbers" or nobody ("missed"); "no program" where it does not compile. What its own
    kernel does not see, another of the file may: functions are told by their names, which two structs may both have."""
    file = chosen(mutant.kernel)[0].launch.file
    module = emulator.Module(mutant.source, file)
    others = [kernel for kernel in kernels_of(file) if kernel != mutant.kernel and mutant.kind != "launch"]
    for name, number in ((kernel, n) for kernel in (mutant.kernel, *others) for n in range(len(chosen(kernel)))):
        case = wrong_case(mutant, chosen(name)[number])
        try:
            kernel = module[case.launch.kernel]
        except emulator.CompileError:
            return "no program"
        if number == 0 and not kernel.check(*case.call, shared=case.launch.shared, seconds=20).ok:
            return "checker"
        try:
            got = results(module, case)
        except emulator.LaunchError:
            return "checker"
        if differ(got, expected(name, number)):
            return "numbers"
    return "missed"


def wrong_case(mutant: Mutant, case: Case) -> Case:
    launch = case.launch
    grid = (max(launch.grid[0] - mutant.grid_less, 1), *launch.grid[1:])
    return replace(case, launch=replace(launch, grid=grid, shared=launch.shared - mutant.shared_less))


def results(module: emulator.Module, case: Case) -> list[np.ndarray]:
    values = {name: v.copy() if isinstance(v, np.ndarray) else v for name, v in case.values.items()}
    module[case.launch.kernel](*Case(case.launch, values).call, shared=case.launch.shared, seconds=20)
    return [value for value in values.values() if isinstance(value, np.ndarray)]


@functools.cache
def expected(kernel: str, number: int) -> list[np.ndarray]:
    case = chosen(kernel)[number]
    return results(emulator.load(KERNELS / case.launch.file), case)


def differ(got: list[np.ndarray], right: list[np.ndarray]) -> bool:
    for a, b in zip(got, right, strict=True):
        largest = np.abs(np.nan_to_num(b.astype(float))).max(initial=0) or 1
        if not np.allclose(a.astype(float), b.astype(float), rtol=0, atol=BOUND * largest, equal_nan=True):
            return True
    return False


# ---- the rows and the table ------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("command", choices=("run", "table"))
    parser.add_argument("--each", type=int, default=EACH, help="of each function; %(default)s if not given")
    parser.add_argument("--only", default="", help="files with this in their name")
    args = parser.parse_args()
    rows, taken = read_rows(), set()
    files = sorted({case[0].launch.file for case in CASES.values()}) if args.command == "run" else []
    if args.command == "run":
        rows = without_the_old(rows, files)
        write_rows(rows)
    sample = [(file, mutant) for file in files for mutant in mutants(file, args.each, taken)]
    for met_in, mutant in sample:
        if args.only not in met_in or mutant.digest in rows:
            continue
        verdict = verdict_of(mutant)
        values = mutant.file, mutant.line or "", mutant.kernel, mutant.kind, mutant.mistake, verdict, mutant.digest
        rows[mutant.digest] = dict(zip(COLUMNS, values, strict=True))
        write_rows(rows)
        if verdict == "missed":
            where = f"{mutant.digest} {mutant.file}:{mutant.line} {mutant.kernel}"
            print(f"{where}, {mutant.kind}: {mutant.mistake}", flush=True)
    print(table(list(rows.values())))
    return 0


def read_rows() -> dict[str, dict[str, str]]:
    if not ROWS.exists():
        return {}
    with ROWS.open(newline="", encoding="utf-8") as file:
        return {row["digest"]: row for row in csv.DictReader(file)}


def without_the_old(rows: dict[str, dict[str, str]], files: list[str]) -> dict[str, dict[str, str]]:
    """Those of kernels as they are today."""
    taken: set[tuple[str, str]] = set()
    today = {mutant.digest for file in files for mutant in mutants(file, sys.maxsize, taken)}
    return {digest: row for digest, row in rows.items() if digest in today}


def write_rows(rows: dict[str, dict[str, str]]) -> None:
    new = ROWS.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows.values(), key=lambda row: (row["file"], int(row["line"] or 0), row["digest"])))
    new.replace(ROWS)


def table(rows: list[dict[str, str]]) -> str:
    """Markdown: of each kind how many were seen, by whom. What cannot be seen does not count."""
    unseen = json.loads(EQUIVALENT.read_text(encoding="utf-8")) if EQUIVALENT.exists() else {}
    rows = [row for row in rows if row["verdict"] != "no program"]
    count = Counter((row["kind"], "cannot be seen" if row["digest"] in unseen else row["verdict"]) for row in rows)
    lines = ["| | planted | by the checker | by the numbers | missed | cannot be seen |", "|---|---|---|---|---|---|"]
    for kind in [*sorted({row["kind"] for row in rows}), ""]:
        of = [sum(n for (k, v), n in count.items() if k == (kind or k) and v == verdict)
              for verdict in ("checker", "numbers", "missed", "cannot be seen")]  # fmt: skip
        lines.append(f"| {kind or 'all'} | {sum(of)} | " + " | ".join(map(str, of)) + " |")
    seen, missed = sum(of[:2]), of[2]
    return "\n".join([*lines, "", f"{seen} of {seen + missed} caught: {seen / max(seen + missed, 1):.1%}"])


if __name__ == "__main__":
    sys.exit(main())
