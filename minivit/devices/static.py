"""What NVIDIA's compiler says about each kernel, on each kind of GPU, without having one: `python -m minivit kernels`.

Every kernel of the launch table is compiled to machine code. ptxas, the assembler in NVRTC, reports the registers, and
what did not fit into them: a stack frame or spills are local memory, which is slow global memory by another name.
"""

import importlib.util
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..emulator.includes import flatten
from ..emulator.ptx import nvrtc
from . import launches
from .launch import KERNELS, Launch
from .occupancy import LIMITS, Occupancy, occupancy

TOGETHER = 8  # kernels that are compiled at once: enough to read the file seldom, few enough to share the work


@dataclass(frozen=True)
class Facts:
    """What is known of one kernel on one kind of GPU."""

    launch: Launch
    capability: int  # 80 is compute capability 8.0
    registers: int  # a thread
    stack: int  # bytes a thread
    spills: int  # bytes that are stored and loaded for want of registers
    static_shared: int  # bytes a block, besides the launch's dynamic ones
    accesses: dict[int, int] | None  # loads and stores of global memory in its code, by bits; None: no disassembler

    @property
    def shared(self) -> int:
        return self.static_shared + self.launch.shared

    @property
    def occupancy(self) -> Occupancy:
        x, y, z = (*self.launch.block, 1, 1)[:3]
        return occupancy(self.capability, self.registers, x * y * z, self.shared)


def every_launch() -> list[Launch]:
    """A representative launch of each kernel in the table: of several versions, dtypes and widths."""
    found = [launch for file in launches.FILES for launch in file.every_launch()]
    return list({launch.kernel: launch for launch in found}.values())


def capabilities() -> list[int]:
    """The compute capabilities that NVRTC compiles for and whose limits are known."""
    return [capability for capability in LIMITS if capability in nvrtc.architectures()]


def examine(rows: Iterable[Launch], capabilities: Iterable[int], workers: int = 2) -> list[Facts]:
    """Compile the kernels of these launches for each compute capability that they can run on. Raises CompileError,
    NoCompilerError."""
    by_file = defaultdict(list)
    for launch in rows:
        by_file[launch.file].append(launch)
    jobs = [
        (file, found[start : start + TOGETHER], capability)
        for capability in capabilities
        for file, every in by_file.items()
        if (found := [launch for launch in every if launch.least <= capability])
        for start in range(0, len(found), TOGETHER)
    ]
    with ThreadPoolExecutor(workers) as pool:  # threads: NVRTC and nvdisasm do the work
        return [facts for found in pool.map(lambda job: _examine_file(*job), jobs) for facts in found]


def _examine_file(file: str, rows: list[Launch], capability: int) -> list[Facts]:
    names = tuple(launch.kernel for launch in rows)
    compiled = nvrtc.compile(
        flatten(KERNELS / file), file, f"sm_{capability}", names, ("--ptxas-options=-v", "-ftz=true")
    )
    reports = _ptxas_reports(compiled.log)
    accesses = _global_accesses(compiled.code)
    return [
        Facts(
            launch,
            capability,
            *reports[compiled.names[launch.kernel]],
            accesses and accesses[compiled.names[launch.kernel]],
        )
        for launch in rows
    ]


def _ptxas_reports(log: str) -> dict[str, tuple[int, int, int, int]]:
    """What `ptxas -v` says, by mangled name: registers, stack, spills, static shared memory."""
    reports = {}
    for part in log.split("Compiling entry function ")[1:]:
        stack, stores, loads = map(
            int, re.search(r"(\d+) bytes stack.* (\d+) bytes spill.* (\d+) bytes", part).groups()
        )
        shared = re.search(r"(\d+) bytes smem", part)
        registers = int(re.search(r"Used (\d+) registers", part)[1])
        reports[part.split("'")[1]] = registers, stack, stores + loads, int(shared[1]) if shared else 0
    return reports


def disassembler() -> Path | None:
    """nvdisasm, from the package nvidia-cuda-nvdisasm."""
    package = importlib.util.find_spec("nvidia")
    folders = package.submodule_search_locations if package else ()
    found = (Path(folder) / "cu13/bin/nvdisasm" for folder in folders)
    return next((path for path in found if path.is_file()), None)


def _global_accesses(cubin: bytes) -> dict[str, dict[int, int]] | None:
    """The loads and stores of global memory in a CUBIN: mangled name -> how many of 8, 16, 32, 64 and 128 bits."""
    program = disassembler()
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernels.cubin")
        path.write_bytes(cubin)
        text = subprocess.run([program, "-c", path], capture_output=True, text=True, check=True).stdout
    counts: dict[str, Counter] = {}
    current = Counter()
    for line in text.splitlines():
        if section := re.match(r"\.text\.(\S+):", line):
            current = counts[section[1]] = Counter()
        elif access := re.search(r"\b(?:LDG|STG)((?:\.\w+)+)", line):
            width = re.search(r"\.(?:U8|S8|U16|S16|64|128)\b", access[1])
            current[int(width[0].strip(".US")) if width else 32] += 1
    return {name: dict(sorted(count.items())) for name, count in counts.items()}
