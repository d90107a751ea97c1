"""Which test runs which line of minivit, and how long each takes: found once by coverage, kept for mutants.py."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
