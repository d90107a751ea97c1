"""Runs the steps of a part, each in a process of its own, under a limit of its own; one that fails stops no other.

What came out is kept in records.json, a record a step, so that two visits to a GPU make one page; all output in log.txt.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from .page import write_page
from .plan import PATIENCE, ROOM, ROOT, Step, plan, tests

LEAST = 5  # seconds: with less there is no time for a step
SHOWN = 150  # lines of a step on the page
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
    lines: list[str] = field(default_factory=list)
    before: str = ""  # how it had ended in an earlier run, if not well


def run(parts: Sequence[str], dry: bool, short: bool, folder: Path, only: Sequence[str] = ()) -> int:
    """Run them and write the page. Returns 1 where something failed, else 0."""
    folder.mkdir(parents=True, exist_ok=True)
    records = {} if parts == ("first", "second") and not only else load(folder)
    here = []
    for part in parts:
        end = time.monotonic() + ROOM[part] * (PATIENCE if dry else 1)
        steps = [
            step for step in plan(dry, short, folder) if (step.short or not short) and step.name in (only or step.name)
        ]
        of_part = [step for step in steps if step.part == part]
        if part == "second" and parts == ("second",) and not only:
            of_part = [step for step in steps if step.name == "env"] + again(steps, records) + of_part
        for step in of_part:
            record = run_step(step, folder, min(step.seconds * (PATIENCE if dry else 1), end - time.monotonic()))
            record.before = status_before(records.get(step.name))
            records[step.name] = record
            here.append(record)
            save(folder, records)
            print(f"{record.status:<9} {record.name:<10} {record.seconds:4.0f} s  {record.why}", flush=True)
    page = write_page(list(records.values()), dry, folder)
    missing = [record for record in here if record.status == "left out"]
    print("left out:", "; ".join(f"{record.name} ({record.why})" for record in missing) or "nothing")
    print(f"the page: {page}")
    return int(any(record.status in BAD for record in here))


def again(steps: list[Step], records: dict[str, Record]) -> list[Step]:
    """What had failed in the first part, to see whether it is mended; of the tests, those that had failed."""
    failed = [step for step in steps if step.part == "first" and status_before(records.get(step.name))]
    narrowed = []
    for step in failed:
        if step.name == "tests":
            found = (re.match(r"FAILED (\S+::.*?)(?: - |$)", line) for line in records["tests"].lines)
            names = tuple(match[1] for match in found if match)
            step = replace(step, command=tests(False, names)) if names else step
        narrowed.append(step)
    return narrowed


def status_before(record: Record | None) -> str:
    """How it had ended at first, if that was not well."""
    return record.before or (record.status if record.status in BAD else "") if record else ""


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
    lines = [line.rstrip()[:200] for line in output.splitlines() if re.search(step.shown, line)]
    if code != 0 and step.shown:
        lines += ["…", *(line.rstrip()[:200] for line in output.splitlines()[-12:])]
    record.lines = lines[-SHOWN:]
    return record


def finish(command: Sequence[str], limit: float) -> tuple[int | None, str]:
    """The exit status, None where the limit ended it; and all that it and its children printed."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=limit)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return None, output


def load(folder: Path) -> dict[str, Record]:
    path = folder / "records.json"
    if not path.is_file():
        return {}
    return {record["name"]: Record(**record) for record in json.loads(path.read_text("utf-8"))}


def save(folder: Path, records: dict[str, Record]) -> None:
    text = json.dumps([asdict(record) for record in records.values()], indent=1, ensure_ascii=False)
    (folder / "records.json").write_text(text + "\n", "utf-8")
