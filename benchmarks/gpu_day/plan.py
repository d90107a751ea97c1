"""What is done on a GPU, in which order, and how long each may take: two parts, each for one visit to a GPU.

The first asks whether everything is right; the second, how fast it is and whether the emulator counts as the hardware
does, the most telling first. The limits are upper ones: together they are more than a part has, and what is left when
its time is out is left out, by name.
"""

import importlib.util
import os
import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .ncu import KERNELS
from .tools import program

ROOT = Path(__file__).parents[2]
ROOM = {"first": 240, "second": 300}  # seconds
PATIENCE = 8  # times as long, where the emulator stands in
ON_A_GPU = "[gpu or -gpu- or -gpu]"  # the GPU's share of the tests, by their names
ON_THE_STAND_IN = "stand-in and plain"
TESTS = r"^(FAILED|ERROR)|passed|failed"
FOUND = r"SUMMARY|^========= (?!COMPUTE)"
SECTIONS = ("--section", "SpeedOfLight", "--section", "Occupancy", "--section", "WarpStateStats")
SECTIONS += ("--section", "MemoryWorkloadAnalysis")
DETAILS = r"^  \w.*\(|^ok|FAIL|ERR|Duration|Throughput|Achieved Occupancy|Warp Cycles|Hit Rate"

# What of a step stands in the page's first table: the last that this finds in its lines. Of the others, how many things
# that they looked at are as they should be.
GIST = {
    "env": r"^GPU: (.*)",
    "tests": r"(\d+ (?:passed|failed).*?)(?:, \d+ deselected)?(?:, \d+ warnings?)? in",
    "vitb": r"^PyTorch's time.*?([\d.]+)|: (\S+ ms a step)",
    "counters": r"(\d+ of \d+ counts.*)",
    **dict.fromkeys(("memcheck", "racecheck", "initcheck"), r"SUMMARY: (.*)"),
}


@dataclass(frozen=True)
class Step:
    """name       as in the records, and after --only
    asks       the question, which is its heading on the page
    seconds    that it may take
    command    to run from the checkout
    part       first or second
    shown      which lines of its output stand on the page, a regular expression
    short      also with --short
    left_out   why it is not run; "" if it is
    """

    name: str
    asks: str
    seconds: int
    command: tuple[str, ...]
    part: str
    shown: str = ""
    short: bool = False
    left_out: str = ""

    def told(self) -> str:
        """The command as a reader would write it."""
        program, *words = self.command
        words = [f"'{word}'" if set(word) & set(" |<>*[]()") else word for word in words]
        line = (
            " ".join((Path(program).name if program != sys.executable else program, *words))
            .replace(sys.executable, "python")
            .replace(f"{ROOT}/", "")
        )
        return re.sub(r" --out \S+", "", line.replace("python -m gpu_day step", "bash benchmarks/gpu_day.sh step"))


def plan(dry: bool, short: bool, folder: Path) -> list[Step]:
    """All steps in their order. folder: where files go that one step leaves to another."""
    flags = ("--dry",) * dry + ("--short",) * short + ("--out", str(folder))

    def ours(name: str, *more: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "gpu_day", "step", name, *more, *flags)

    sanitizer, ncu = program("compute-sanitizer"), program("ncu")
    no_sanitizer = "the stand-in has no addresses" if dry else "" if sanitizer else "compute-sanitizer is not installed"
    no_ncu = "" if ncu or dry else "ncu is not installed"

    def watched(name: str, *more: str) -> tuple[str, ...]:
        return (sanitizer or "compute-sanitizer", "--tool", name, "--error-exitcode", "9", *ours("small", *more))

    details = (ncu or "ncu", "--clock-control", "none", "-k", KERNELS, *SECTIONS, "--page", "details", *ours("main"))
    if dry:
        details = ours("main")
    race, unset = watched("racecheck", "--float"), watched("initcheck", "--float", "--unset")
    first, second = partial(Step, part="first"), partial(Step, part="second")
    return [
        first("env", "Which machine?", 30, ours("env"), short=True),
        first("tests", "Do the kernels' tests pass?", 130, tests(dry), shown=TESTS),
        first("model", "Is the model NumPy's?", 80, ours("model"), short=True),
        first("small", "Does every kernel write all that it should?", 50, ours("small"), short=True),
        first("memcheck", "Is every address right?", 70, watched("memcheck"), shown=FOUND, left_out=no_sanitizer),
        second("times", "How fast are the kernels?", 120, ours("times")),
        second("vitb", "How fast is a step of ViT-B/16?", 50, ours("vitb")),
        second("ncu", "What does the hardware count?", 70, ours("ncu"), left_out=no_ncu),
        second("counters", "Does the emulator count the same?", 20, ours("counters"), short=True, left_out=no_ncu),
        second("clocks", "Do banks and sectors cost what they should?", 30, ours("clocks")),
        second("large", "Arrays of more than 2³¹ numbers?", 50, ours("large")),
        second("chapters", "Do the tutorials run?", 60, ours("chapters")),
        second("racecheck", "Does any kernel race?", 50, race, shown=FOUND, left_out=no_sanitizer),
        second("initcheck", "Is anything read unwritten?", 50, unset, shown=FOUND, left_out=no_sanitizer),
        second("main", "What keeps the kernels from being faster?", 60, details, shown=DETAILS, left_out=no_ncu),
    ]  # fmt: skip


def tests(dry: bool, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    """pytest's command. only: the tests to run, where those that failed are run again."""
    several = ("-n", str(min(12, os.cpu_count() or 1))) if importlib.util.find_spec("xdist") and not dry else ()
    options = ("-o", "addopts=", "-q", "--tb=short", "-p", "no:cacheprovider", "--maxfail=40", *several)
    which = only or ("tests/devices", "-k", ON_THE_STAND_IN if dry else ON_A_GPU)
    return (sys.executable, "-m", "pytest", *options, *which)
