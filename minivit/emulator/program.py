"""A whole program, host code and kernels, run on the CPU: in a process of its own, with limits of time and memory.

It is no sandbox: the host's code has the rights of whoever runs it, as after any compiler.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import CompileError, LaunchError
from .module import Module
from .posted import has_main
from .source import lines_of_one_call, source_lines
from .trace.check import CheckReport
from .trace.findings import Finding, refuse_without_room
from .trace.launch import Launched, title_of
from .trace.profile import ProfileReport, profile_report
from .trace.program_worker import Call, Launch, Over, ProgramRequest, Returned
from .trace.traced import CHECK, PROFILE

SECONDS, MEMORY = 120, 4 << 30  # what a program may take, if nobody says otherwise
START = "import sys; sys.path[:] = {path!r}; from minivit.emulator.trace.program_worker import main; main()"
MODES = {"run": 0, "check": CHECK, "profile": PROFILE}


@dataclass(frozen=True)
class ProgramReport:
    """What came of a program: its exit status, a report of each launch, and what was found in the host's code.

    ok: no error was found; remarks (memory that is never freed, an error that nobody asks for) are none.
    """

    status: int
    launches: list[CheckReport | ProfileReport]
    errors: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)
    stopped: str = ""  # the launch after which nothing ran

    @property
    def findings(self) -> list[Finding]:
        """Of all launches and of the host's code, without the remarks; the same of the same line once."""
        of_launches = [f for report in self.launches if isinstance(report, CheckReport) for f in report.findings]
        return _once([*of_launches, *self.errors])

    @property
    def ok(self) -> bool:
        return not self.findings

    def __str__(self) -> str:
        if self.launches and isinstance(self.launches[0], ProfileReport):
            return "\n\n".join(map(str, self.launches))
        number, wrong = len(self.launches), self.findings
        head = f"{number} launch{'es' * (number != 1)}: "
        head += "nothing wrong was found" if not wrong else f"{len(wrong)} mistake{'s' * (len(wrong) != 1)}"
        lines = [head, *map(str, wrong)]
        if self.stopped:
            lines.append(
                f"{self.stopped} did not come to its end: later launches fail, as on a GPU, and are not checked."
            )
        return "\n".join([*lines, *(f"remark: {str(remark).splitlines()[0]}" for remark in _once(self.remarks))])


def _once(findings: Sequence[Finding]) -> list[Finding]:
    kept = {}
    for finding in findings:  # of the host's code, which names no thread, the words tell two of a line apart
        what = finding.message if finding.thread is None else finding.array
        kept.setdefault((finding.kind, finding.file, finding.line, finding.other_line, what), finding)
    return list(kept.values())


def run_program(
    module: Module,
    arguments: Sequence[str] = (),
    mode: str = "run",
    seconds: float = SECONDS,
    memory: int = MEMORY,
    order: int = 0,
    aside: bool = False,
) -> ProgramReport:
    """Run the main() of a file with host code; what it prints goes where this process prints, or, if `aside`, all of
    it to the standard error.

    mode: "run", "check" or "profile". seconds, memory (bytes): what it may take. order: see Kernel.__call__.
    Raises CompileError where there is no main; LaunchError where the limits were reached.
    """
    if not module.hosted or not has_main(module.source):
        raise CompileError(f"{module.name} has no main()")
    library = module.compile_program("run" if mode == "run" else "trace")
    return carry_out(module, library, arguments, mode, seconds, memory, order, aside)[0]


def carry_out(
    module: Module,
    library: Path,
    arguments: Sequence[str],
    mode: str,
    seconds: float,
    memory: int,
    order: int,
    aside: bool = False,
    call: Call | None = None,
) -> tuple[ProgramReport, Returned | None]:
    """Run a compiled program, or call one of its functions: the report, and what came back of the call."""
    lines = source_lines(module.source)
    launching = {place for place, text in lines.items() if "<<<" in text}  # they are not the kernel's own
    request = ProgramRequest(
        library, (module.name, *arguments), MODES[mode], int(seconds), memory, order, module.variables(),
        frozenset(file for file, _ in lines), lines_of_one_call(module.source) | launching, call,
    )  # fmt: skip
    status, messages = _carry_out(request, seconds, aside)
    launches: list = []
    errors, remarks, stopped, returned = [], [], "", None
    for message in messages:
        if isinstance(message, Launch):
            launched = _launched(message, lines)
            refuse_without_room(message.reply.facts)
            stopped = stopped or (launched.title if message.reply.error is not None else "")
            if mode == "check":
                launches.append(CheckReport(launched.title, launched.findings()))
            elif mode == "profile":
                launches.append(profile_report(launched))
        elif isinstance(message, Returned):
            returned = message
        else:
            for told in message.told:
                source = lines.get((told.file, told.line), "")
                finding = Finding(told.kind, told.text, file=told.file, line=told.line, source=source)
                (remarks if told.remark else errors).append(finding)
    return ProgramReport(status, launches, errors, remarks, stopped), returned


def _launched(message: Launch, lines: dict[tuple[str, int], str]) -> Launched:
    arrays = []
    for name, size, kind, width in message.memories:
        dtype = np.dtype(f"{kind}{width}")
        arrays.append((name, (size // dtype.itemsize,), dtype))
    arrays += [(name, (size // 4,), np.dtype("u4")) for name, size in message.reply.variables]
    title = title_of(message.name, message.grid, message.block, message.shared)
    return Launched(title, message.grid, message.block, arrays, lines, message.shared, message.reply, True)


def _carry_out(request: ProgramRequest, seconds: float, aside: bool) -> tuple[int, list[Launch | Returned | Over]]:
    """Start the process, and collect what it tells until it ends. Its own output is this process's."""
    path = [*filter(None, sys.path), str(Path(__file__).parents[2])]
    ours, theirs = os.pipe()
    sys.stdout.flush()
    with tempfile.TemporaryFile() as file:
        pickle.dump(request, file)
        file.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-c", START.format(path=path), str(theirs), str(file.fileno())],
            pass_fds=(theirs, file.fileno()),
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdout=2 if aside else None,
        )
    os.close(theirs)
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    messages: list[Launch | Returned | Over] = []
    try:
        with os.fdopen(ours, "rb") as told:
            while True:
                try:
                    messages.append(pickle.load(told))
                except (EOFError, pickle.UnpicklingError):
                    break
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        timed_out = not timer.is_alive()
        timer.cancel()
    if status == -signal.SIGKILL and timed_out:
        raise LaunchError(f"the program was still running after {seconds:g} seconds: --seconds gives it more")
    return (128 - status if status < 0 else status), messages
