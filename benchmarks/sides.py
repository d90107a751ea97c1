"""Rivals that take turns: each in a process of its own, so that threads, allocators and peaks of memory are its own.

A side is a script that calls `serve(work)`; whoever compares starts it as `Side(script, …)` and asks for turns.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 0.5  # of a turn


def serve(work: Callable[[], object], **facts: object) -> None:
    """The side's part: `facts` first, then for each line of standard input the mean milliseconds of `work`, by the
    clock and by the CPU, its children's included."""
    work()
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        work()  # the others' threads come to rest
        count, start, cpu = 0, time.perf_counter(), _cpu_seconds()
        while time.perf_counter() < start + SECONDS:
            work()
            count += 1
        wall, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
        print(json.dumps({"ms": 1e3 * wall / count, "cpu_ms": 1e3 * cpu / count}), flush=True)


class Side:
    """A script with its arguments, running. `facts` are what it served; `peak` the most memory that it had in a turn,
    `idle` what it has between turns: bytes, a page that several processes share counted in parts (PSS), of all its
    processes together. prefix: of its command, such as mpiexec's."""

    def __init__(
        self, script: str, *arguments: str, environment: dict[str, str] | None = None, prefix: tuple[str, ...] = ()
    ) -> None:
        command = [*prefix, sys.executable, str(Path(__file__).with_name(script)), *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | (environment or {})
        )
        self.facts, self.turns, self.peak = self._answer(), [], 0

    def turn(self) -> dict[str, float]:
        """One turn: {"ms", "cpu_ms"} of each piece of work."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self.turns.append(self._answer())
        return self.turns[-1]

    def turn_with_memory(self) -> None:
        """One turn that does not count, since the memory is looked at meanwhile."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                self.peak = max(self.peak, proportional_memory(self._process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            self.turn()
            self.turns.pop()
        finally:
            over.set()
            watcher.join()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._process.args)} ended with status {self._process.wait()}")
        return json.loads(line)


def proportional_memory(pid: int) -> int:
    """PSS of a process and all that it has started, in bytes (Linux)."""
    rollup = _read(f"/proc/{pid}/smaps_rollup")
    own = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
    return (1024 * int(own[1]) if own else 0) + sum(map(proportional_memory, _children(pid)))


def _cpu_seconds() -> float:
    """Of this process and its living children."""
    return time.process_time() + sum(map(_seconds_of, _children(os.getpid())))


def _seconds_of(pid: int) -> float:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*")
    return [int(child) for thread in threads for child in _read(thread / "children").split()]


def _read(path: str | Path) -> str:
    """Nothing, where the process or thread has just ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
