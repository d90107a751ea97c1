"""Who checks the tests? One small mistake at a time in minivit's source, and then the tests that run that line.

    python benchmarks/mutants.py map     once: which test runs which line (needs `pip install coverage`)
    python benchmarks/mutants.py run     plant, test, add a row each to results/mutants.jsonl; goes on where it stopped
    python benchmarks/mutants.py again   those that no test caught, with the tests of today; with --wide, by many
    python benchmarks/mutants.py sound   without a mistake, the tests that have caught one all pass
    python benchmarks/mutants.py table   what came of it, and the list of those that were never caught

What a mistake may be is in mutations.py. Chosen are so many of each package, by a seed. `run` meets a mistake by the
quickest tests that run its line (BUDGET seconds of them), --wide by all files of those that run it, and by WIDE. It is
caught where a test fails or takes ten times as long. What cannot be seen from outside is in mutants_equivalent.json,
with the reason. All of it happens in a copy of the working tree.
"""

import argparse
import fcntl
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
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy  # noqa: F401  what every test imports: a child has it from the start
import PIL.Image  # noqa: F401
import pytest
import threadpoolctl  # noqa: F401
from mutants_map import ROOT, Tests, write_map
from mutations import Mutation, mutations

ROWS = Path(__file__).parent / "results/mutants.jsonl"
EQUIVALENT = Path(__file__).parent / "results/mutants_equivalent.json"
SAID, PLUGINS = "said.txt", ("-p", "no:cacheprovider", "-p", "no:xdist")
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


def copy_tree(tree: Path) -> None:
    """The working tree, with its modules compiled: a test's process then compiles the changed one alone."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    for path in [path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts]:
        if str(path.relative_to(tree)) not in names:
            path.unlink()
    for name in names:
        if not (tree / name).exists() or (tree / name).read_bytes() != (ROOT / name).read_bytes():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    subprocess.run([sys.executable, "-m", "compileall", "-q", "minivit"], cwd=tree, check=True)


def caught(tree: Path, tests: list[str], seconds: float) -> str | None:
    """What caught it: the test that failed, "time", or "import"; None where all of them pass."""
    child = os.fork()  # what all tests import is there already
    if child == 0:
        _run_tests(tree, tests, seconds)
    ends = time.monotonic() + 60 + 30 * seconds  # many may share the processor
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > ends:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "time"
        time.sleep(0.05)
    code = os.waitstatus_to_exitcode(ended[1])
    if code in (0, 5):  # 5: no test was there to run
        return None
    said = (tree / SAID).read_text(errors="replace")
    failed = [line.split(maxsplit=1)[1] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if failed:
        return failed[0].partition(" - ")[0]
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "time"
    if code == 4 and "minivit" not in said:
        raise RuntimeError(f"pytest does not know these tests:\n{said}")
    return "import"


def _run_tests(tree: Path, tests: list[str], seconds: float) -> None:
    """What a child does, and ends: pytest with the package in `tree`."""
    code = 3
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(20 + 10 * seconds),) * 2)
        os.chdir(tree)
        with open(SAID, "w") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        here = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "400"}
        os.environ.update(here)
        sys.dont_write_bytecode = True
        sys.path[0] = str(tree)  # where benchmarks/ was
        code = int(pytest.main(["-x", "-q", "--tb=no", "-rfE", "--assert=plain", *PLUGINS, *tests]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def meet(
    tree: Path, mutation: Mutation, tests: Tests, everywhere: bool = False, given: list[str] | None = None
) -> tuple[str | None, str]:
    """Plant it, test, take it out. What caught it, and how wide one looked."""
    path = tree / "minivit" / mutation.file
    right = path.read_bytes()
    path.write_bytes(mutation.of(right))
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
    try:
        if given:
            return caught(tree, given, 60.0), "given"
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


def plant(work: Path, seed: int, packages: list[str]) -> None:
    copy_tree(work / "tree")
    tests, met = Tests(work), {row["mistake"] for row in rows()}
    for mutation in chosen(seed):
        if mutation.name in met or not mutation.file.startswith(tuple(packages)):
            continue
        met.add(mutation.name)
        by, how = meet(work / "tree", mutation, tests)
        row = {"mistake": mutation.name, "kind": mutation.kind, "caught_by": by, "how": how}
        with ROWS.open("a") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(f"{by or 'SURVIVES'}  {mutation.name}", flush=True)


def plant_again(work: Path, everywhere: bool, own: list[str], only: str) -> None:
    """Survivors whose line stands as it stood are met once more: those that bear `only` in their name, by the tests
    that are given (`own`), else as --wide says."""
    copy_tree(work / "tree")
    tests, equivalent = Tests(work), json.loads(EQUIVALENT.read_text())
    for name in [row["mistake"] for row in rows() if row["caught_by"] is None and only in row["mistake"]]:
        source = (ROOT / "minivit" / name.split(":")[0]).read_bytes()
        same = [m for m in mutations(source, name.split(":")[0]) if m.name == name]
        if name in equivalent or not same:
            continue
        by, how = meet(work / "tree", same[0], tests, everywhere, own)
        print(f"{by or 'SURVIVES'}  {name}", flush=True)
        now = [row | {"caught_by": by, "how": how} if row["mistake"] == name else row for row in rows()]
        ROWS.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in now))


def check_sound(work: Path) -> None:
    """Without a mistake, all tests that have caught one pass."""
    copy_tree(work / "tree")
    by = sorted({row["caught_by"] for row in rows() if row["caught_by"] not in (None, "time", "import")})
    failed = caught(work / "tree", by, 600)
    print(f"{len(by)} tests have caught a mistake; without one " + (f"{failed} fails" if failed else "all pass"))


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
        numbers = (str(counts[name][kind]) for kind in ("mistakes", "equivalent", "caught", "survived"))
        print(f"| {name.removesuffix('.py')} | {' | '.join(numbers)} |")
    real = counts["all"]["mistakes"] - counts["all"]["equivalent"]
    print(f"\ncaught: {counts['all']['caught'] / max(1, real):.1%} of {real} that are not equivalent")
    for row in found:
        if row["caught_by"] is None:
            print(f"- {row['mistake']}: {equivalent.get(row['mistake'], 'SURVIVED')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("map", "run", "again", "sound", "table"))
    parser.add_argument("tests", nargs="*", help="map: those to run, in place of all; again: those to meet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", nargs="*", default=list(CHOSEN), help="run: of these alone")
    parser.add_argument("--only", default="", help="again: of these alone, a part of their names")
    parser.add_argument("--wide", action="store_true", help="again: look everywhere")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "minivit_mutants")
    given = parser.parse_intermixed_args()
    given.work.mkdir(parents=True, exist_ok=True)
    lock = open(given.work / "lock", "w")  # noqa: SIM115  till the end: two would plant in one tree
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if given.what == "map":
        write_map(given.tests or MAPPED.split(), given.work / f"map_{time.time_ns()}.json")
    elif given.what == "run":
        plant(given.work, given.seed, given.packages)
    elif given.what == "again":
        plant_again(given.work, given.wide, given.tests, given.only)
    elif given.what == "sound":
        check_sound(given.work)
    else:
        print_table()


if __name__ == "__main__":
    main()
