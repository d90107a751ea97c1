"""Runs the steps of a part, each in a process of its own, under a limit of its own; one that fails stops no other.

What came out is kept in records.json, a record a step, so that two visits to a GPU make one page; their output in
log.txt.
"""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from .page import write_page
from .plan import GIST, PATIENCE, ROOM, ROOT, Step, plan, tests

LEAST = 5  # seconds: with less there is no time for a step
SHOWN, WIDEST = 90, 220  # lines of a step on the page, and letters of a line
BAD = ("failed", "stopped")


@dataclass
class Record:
    """What came of a step. status: passed, failed, stopped (by its limit) or left out."""

    name: str
    asks: str
    part: str
    command: str
    status: str
    why: str = ""
    seconds: float = 0
    limit: float = 0
    date: str = ""
    gist: str = ""
    lines: list[str] = field(default_factory=list)
    before: str = ""  # how it had ended in an earlier run, if not well


def run(
    parts: Sequence[str], dry: bool, short: bool, folder: Path, only: Sequence[str] = (), before: Path | None = None
) -> int:
    """Run them and write the page. Returns 1 where something failed, else 0.

    before: the records of an earlier visit, which this one goes on with; those in `folder`, unless told otherwise. Who
    does everything begins anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    goes_on = before or len(parts) == 1 or only
    records = load(before or folder / "records.json") if goes_on else {}
    steps = [step for step in plan(dry, short, folder) if (step.short or not short) and (not only or step.name in only)]
    here = []
    for part in parts:
        end = time.monotonic() + ROOM[part] * (PATIENCE if dry else 1)
        first = again(steps, records) if parts == ("second",) and not only else []
        for step in first + [step for step in steps if step.part == part]:
            record = run_step(step, folder, min(step.seconds * (PATIENCE if dry else 1), end - time.monotonic()))
            remember(record, records)
            here.append(record)
            save(folder, records)
            print(f"{record.status:<9} {record.name:<10} {record.seconds:4.0f} s  {record.why}", flush=True)
    page = write_page(list(records.values()), dry, folder)
    missing = [f"{record.name} ({record.why})" for record in here if record.status == "left out"]
    print(f"left out: {'; '.join(missing) or 'nothing'}\nthe page: {page}")
    return int(any(record.status in BAD for record in here))


def again(steps: Sequence[Step], records: dict[str, Record]) -> list[Step]:
    """What the second part begins with: the machine, and what had failed in the first, to see whether it is mended.

    Of the tests, those that had failed.
    """
    chosen = []
    for step in steps:
        bad = step.name in records and records[step.name].status in BAD
        if step.part != "first" or not (bad or step.name == "env"):
            continue
        if step.name == "tests":
            found = (re.match(r"FAILED (\S+::.*?)(?: - |$)", line) for line in records["tests"].lines)
            names = tuple(match[1] for match in found if match)
            step = replace(step, command=tests(False, names)) if names else step
        chosen.append(step)
    return chosen


def remember(record: Record, records: dict[str, Record]) -> None:
    """With what it had said before, if it had failed."""
    earlier = records.get(record.name)
    if earlier and earlier.status in BAD:
        record.before = earlier.status
        record.lines = [*earlier.lines, "", "and then, run again:", "", *record.lines]
    records[record.name] = record


def run_step(step: Step, folder: Path, limit: float) -> Record:
    record = Record(step.name, step.asks, step.part, step.told(), "left out", step.left_out, limit=max(0, round(limit)))
    record.date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if step.left_out or limit < LEAST:
        record.why = step.left_out or f"no time was left of the part's {ROOM[step.part]} s"
        return record
    began = time.monotonic()
    code, output = finish(step.command, limit)
    record.seconds = round(time.monotonic() - began, 1)
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"==== {record.date} {step.name}: {step.told()}\n{output}\n")
    record.status = "stopped" if code is None else "failed" if code else "passed"
    record.why = f"after its {limit:.0f} s" if code is None else f"exit status {code}" if code else ""
    everything = [line.rstrip()[:WIDEST] for line in output.splitlines()]
    lines = [line for line in everything if re.search(step.shown, line)]
    record.gist = gist(step, lines)
    if code != 0 and not lines:
        lines = everything[-12:]
    more = len(lines) - SHOWN
    record.lines = [*([f"… {more} lines more: log.txt", "…"] if more > 0 else []), *lines[-SHOWN:]]
    return record


def gist(step: Step, lines: Sequence[str]) -> str:
    """In a few words. Of a step that looks at several things: how many are as they should be."""
    if pattern := GIST.get(step.name):
        found = [match for line in lines if (match := re.search(pattern, line))]
        return next(filter(None, found[-1].groups())) if found else ""
    looked = [line[:4] == "ok  " for line in lines if line[:4] in ("ok  ", "FAIL")]
    return f"{sum(looked)} of {len(looked)} as they should be" if len(looked) > 1 else lines[-1][5:] if looked else ""


def finish(command: Sequence[str], limit: float) -> tuple[int | None, str]:
    """The exit status, None where the limit ended it; and all that it and its children printed."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        except BaseException:  # Ctrl-C is not the child's, which is in a session of its own
            os.killpg(process.pid, signal.SIGKILL)
            raise
        if code is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return code, output.read()


def load(path: Path) -> dict[str, Record]:
    if not path.is_file():
        return {}
    return {record["name"]: Record(**record) for record in json.loads(path.read_text("utf-8"))}


def save(folder: Path, records: dict[str, Record]) -> None:
    text = json.dumps([asdict(record) for record in records.values()], indent=1, ensure_ascii=False)
    (folder / "records.json").write_text(text + "\n", "utf-8")
