"""What every experiment leaves: a JSON row a run, appended to a file, so that a stopped script goes on where it was."""

import functools
import json
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results" / "family"
Row = dict[str, Any]


class Rows:
    """The rows of a file, which need not exist yet. A row is found by what its key says of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text("utf-8") if path.exists() else ""
        self.rows: list[Row] = [json.loads(line) for line in text.splitlines()]

    def select(self, **key: Any) -> list[Row]:
        """All rows with these values."""
        return [row for row in self.rows if key.items() <= _plain(row).items()]

    def add(self, row: Row) -> None:
        """At the end of the file, and with the commit that made it."""
        row = row | {"commit": commit()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.rows.append(json.loads(json.dumps(row)))
        print(json.dumps(row), flush=True)


def _plain(row: Row) -> Row:
    """What can stand in a key: no lists and dicts."""
    return {name: value for name, value in row.items() if not isinstance(value, list | dict)}


@functools.cache
def commit() -> str:
    """The checkout's, as it was when the script began; "unknown" outside of one."""
    told = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return told.stdout.strip() or "unknown"


@contextmanager
def cpu_seconds() -> Iterator[list[float]]:
    """User and system time of this process and of its children that have ended: with cpu_seconds() as spent: … then
    spent[0] is the number."""
    spent: list[float] = []
    before = _cpu()
    yield spent
    spent.append(round(_cpu() - before, 2))


def _cpu() -> float:
    of = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in of)
