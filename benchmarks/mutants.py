"""Who checks the tests? One small mistake at a time in minivit's source, and then the tests that run that line.

    python benchmarks/mutants.py map     once: which test runs which line (needs `pip install coverage`)
    python benchmarks/mutants.py run     plant, test, add a row each to results/mutants.jsonl; goes on where it stopped
    python benchmarks/mutants.py again   those that no test caught, with the tests of today; with --wide, by many
    python benchmarks/mutants.py table   what came of it, and the list of those that were never caught

What a mistake may be is in mutations.py. Chosen are so many of each package, by a seed. `run` meets a mistake by the
quickest tests that run its line (BUDGET seconds of them), --wide by all files of those that run it, and by WIDE. It is
caught where a test fails or takes ten times as long. What cannot be seen from outside is in mutants_equivalent.json,
with the reason. All of it happens in a copy of the working tree.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

from mutations import Mutation, mutations

ROOT = Path(__file__).parents[1]
ROWS = Path(__file__).parent / "results/mutants.jsonl"
EQUIVALENT = Path(__file__).parent / "results/mutants_equivalent.json"
CHOSEN = {"ops": 90, "layers": 30, "model": 45, "train": 65, "check": 35, "gradcheck.py": 10, "weights": 55}
CHECKS = "tests/test_learner_check.py tests/test_reasons.py tests/test_gradient_reasons.py tests/test_gradcheck.py"
REFUSED = "tests/test_refused_answers.py tests/tutorials/test_exercises.py"
MAPPED = f"tests/ops tests/layers tests/model tests/train tests/weights tests/inspect tests/family {CHECKS} {REFUSED}"
# The last look: what other processes run, or a module that is imported, is in no map.
WIDE = {
    "ops": "tests/ops tests/layers tests/model tests/family",
    "layers": "tests/layers tests/model tests/family",
    "model": "tests/model tests/weights tests/inspect tests/test_micro.py tests/test_command_line.py",
    "train": "tests/train tests/test_command_line.py tests/test_terminal.py",
    "check": f"{CHECKS} {REFUSED}",
    "gradcheck": f"{CHECKS} {REFUSED} tests/ops",
    "weights": "tests/weights tests/family tests/test_command_line.py",
}
BUDGET, FILES = 6.0, 8  # seconds of the processor, and files, of a first look


class Contexts:
    """For pytest: tells coverage which test runs, and how long each took."""

    def __init__(self, coverage: object) -> None:
        self.coverage, self.seconds = coverage, {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.coverage.switch_context(nodeid)
        self.started = time.process_time()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] = round(time.process_time() - self.started, 4)
        self.coverage.switch_context("")


def write_map(tests: list[str], out: Path) -> None:
    """Run the tests, and note which lines of minivit each of them runs."""
    import coverage
    import pytest

    watched = coverage.Coverage(include=[f"{ROOT}/minivit/*"], data_file=str(out.with_suffix(".coverage")))
    watched.erase()
    watched.start()
    contexts = Contexts(watched)
    pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests], plugins=[contexts])
    watched.stop()
    watched.save()
    data, nodes = watched.get_data(), list(contexts.seconds)
    number, lines = {node: i for i, node in enumerate(nodes)}, {}
    for file in sorted(data.measured_files()):
        by_line = data.contexts_by_lineno(file).items()
        found = {line: sorted(number[name] for name in names if name in number) for line, names in by_line}
        lines[str(Path(file).relative_to(ROOT / "minivit"))] = {line: tests for line, tests in found.items() if tests}
    out.write_text(json.dumps({"seconds": contexts.seconds, "lines": lines}))


class Tests:
    """The maps of a folder, joined: which tests run a line, quickest first, each file's in turn."""

    def __init__(self, folder: Path) -> None:
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path in sorted(folder.glob("map_*.json")):
            part = json.loads(path.read_text())
            nodes = list(part["seconds"])
            self.seconds |= part["seconds"]
            for file, lines in part["lines"].items():
                for line, tests in lines.items():
                    self.lines[file][int(line)] |= {nodes[i] for i in tests}

    def of(self, file: str, lines: Iterable[int]) -> list[str]:
        return self._in_turn({test for line in lines for test in self.lines[file].get(line, ())})

    def of_file(self, file: str) -> list[str]:
        return self._in_turn({test for tests in self.lines[file].values() for test in tests})

    def quickest(self, tests: list[str], near: str) -> list[str]:
        """As many as take BUDGET seconds, and one at least, of FILES files: of the folder `near` before others."""
        files = list(dict.fromkeys(test.split("::")[0] for test in tests))
        files = sorted(files, key=lambda file: not file.startswith(near))[:FILES]
        chosen, total = [], 0.0
        for test in tests:
            if test.split("::")[0] in files and (not chosen or total + self.seconds[test] <= BUDGET):
                chosen.append(test)
                total += self.seconds[test]
        return chosen

    def _in_turn(self, tests: set[str]) -> list[str]:
        place: Counter = Counter()
        order = []
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            order.append((place[test.split("::")[0]], self.seconds[test], test))
            place[test.split("::")[0]] += 1
        return [test for *_, test in sorted(order)]


def copy_tree(tree: Path) -> None:
    """The working tree, with its modules compiled: a test's process then compiles the changed one alone."""
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    subprocess.run([sys.executable, "-m", "compileall", "-q", "minivit"], cwd=tree, check=True)


def caught(tree: Path, tests: list[str], seconds: float) -> str | None:
    """What caught it: the test that failed, "time", or "import"; None where all of them pass."""
    chosen = tree / "chosen_tests.txt"
    chosen.write_text("\n".join(tests))
    settings = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "400"}
    options = [
        "-x",
        "-q",
        "--tb=no",
        "-rfE",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        f"@{chosen}",
    ]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(20 + 10 * seconds),) * 2)

    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options], cwd=tree, env=os.environ | settings, preexec_fn=limit,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = run.communicate(timeout=60 + 20 * seconds)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return "time"
    if run.returncode in (0, 5):  # 5: no test was there to run
        return None
    failed = [line.split(maxsplit=1)[1] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if failed:
        return failed[0].partition(" - ")[0]
    if run.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return "time"
    if run.returncode == 4 and "ImportError while loading conftest" not in said and "minivit" not in said:
        raise RuntimeError(f"pytest does not know these tests:\n{said}")
    return "import"


def meet(tree: Path, mutation: Mutation, tests: Tests, everywhere: bool) -> tuple[str | None, str]:
    """Plant it, test, take it out. What caught it, and how wide one looked."""
    path = tree / "minivit" / mutation.file
    right = path.read_bytes()
    path.write_bytes(mutation.of(right))
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
    try:
        own = tests.of(mutation.file, mutation.lines) or tests.of_file(mutation.file)
        package = mutation.file.split("/")[0].removesuffix(".py")
        narrow = tests.quickest(own, f"tests/{package}")
        found = caught(tree, narrow, sum(tests.seconds[test] for test in narrow)) if narrow else None
        if found is not None or not everywhere:
            return found, "narrow"
        files = sorted({test.split("::")[0] for test in own})
        found = caught(tree, files, 60.0) if files else None
        if found is not None:
            return found, "files"
        return caught(tree, WIDE[package].split(), 120.0), "wide"
    finally:
        path.write_bytes(right)


def chosen(seed: int) -> Iterator[Mutation]:
    """So many of each package, in turn, by the seed."""
    picked = []
    for package, count in CHOSEN.items():
        top = ROOT / "minivit" / package
        files = [top] if top.is_file() else sorted(top.glob("*.py"))
        sources = {str(path.relative_to(ROOT / "minivit")): path.read_bytes() for path in files}
        found = [mutation for file, source in sources.items() for mutation in mutations(source, file)]
        found.sort(key=lambda mutation: sha256(f"{seed} {mutation.name}".encode()).digest())
        compiled = islice((m for m in found if m.compiles(sources[m.file])), count)
        picked += [(place / count, package, mutation) for place, mutation in enumerate(compiled)]
    yield from (mutation for *_, mutation in sorted(picked, key=lambda pick: pick[:2]))


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def write_rows(all_rows: list[dict]) -> None:
    ROWS.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in all_rows))


def plant(work: Path, seed: int, packages: list[str]) -> None:
    copy_tree(work / "tree")
    tests, met = Tests(work), {row["mistake"] for row in rows()}
    for mutation in chosen(seed):
        if mutation.name in met or not mutation.file.startswith(tuple(packages)):
            continue
        met.add(mutation.name)
        by, how = meet(work / "tree", mutation, tests, everywhere=False)
        row = {"mistake": mutation.name, "kind": mutation.kind, "caught_by": by, "how": how}
        with ROWS.open("a") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(f"{by or 'SURVIVES'}  {mutation.name}", flush=True)


def plant_again(work: Path, everywhere: bool) -> None:
    """Survivors whose line stands as it stood are met once more."""
    copy_tree(work / "tree")
    tests, equivalent, found = Tests(work), json.loads(EQUIVALENT.read_text()), rows()
    for row in found:
        if row["caught_by"] is not None or row["mistake"] in equivalent:
            continue
        source = (ROOT / "minivit" / row["mistake"].split(":")[0]).read_bytes()
        same = [m for m in mutations(source, row["mistake"].split(":")[0]) if m.name == row["mistake"]]
        if same:
            row["caught_by"], row["how"] = meet(work / "tree", same[0], tests, everywhere)
            print(f"{row['caught_by'] or 'SURVIVES'}  {row['mistake']}", flush=True)
            write_rows(found)


def print_table() -> None:
    found, equivalent = rows(), json.loads(EQUIVALENT.read_text())
    print("| package | mistakes | equivalent | caught | survived |\n|---|---|---|---|---|")
    counts: dict[str, Counter] = defaultdict(Counter)
    for row in found:
        package = re.split("[/:]", row["mistake"])[0]
        same = row["mistake"] in equivalent
        kind = "caught" if row["caught_by"] is not None else "equivalent" if same else "survived"
        for name in (package, "all"):
            counts[name].update([kind, "mistakes"])
    for name in (*CHOSEN, "all"):
        print(
            f"| {name} | "
            + " | ".join(str(counts[name][k]) for k in ("mistakes", "equivalent", "caught", "survived"))
            + " |"
        )
    real = counts["all"]["mistakes"] - counts["all"]["equivalent"]
    print(f"\ncaught: {counts['all']['caught'] / max(1, real):.1%} of {real} that are not equivalent")
    for row in found:
        if row["caught_by"] is None:
            print(f"- {row['mistake']}: {equivalent.get(row['mistake'], 'SURVIVED')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("map", "run", "again", "table"))
    parser.add_argument("tests", nargs="*", help="map: tests to add to the map, in place of all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", nargs="*", default=list(CHOSEN), help="run: of these alone")
    parser.add_argument("--wide", action="store_true", help="again: look everywhere")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "minivit_mutants")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    if given.what == "map":
        write_map(given.tests or MAPPED.split(), given.work / f"map_{time.time_ns()}.json")
    elif given.what == "run":
        plant(given.work, given.seed, given.packages)
    elif given.what == "again":
        plant_again(given.work, given.wide)
    else:
        print_table()


if __name__ == "__main__":
    main()
