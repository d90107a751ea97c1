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
from pathlib import Path

from .ncu import METRICS
from .tools import program

ROOT = Path(__file__).parents[2]
ROOM = {"first": 240, "second": 300}  # seconds
PATIENCE = 8  # times as long, where the emulator stands in
ON_A_GPU = "[gpu- or -gpu- or -gpu]"  # the GPU's share of the tests, by their names
ON_THE_STAND_IN = "stand-in and plain"
KERNELS = "regex:attention|layernorm|gelu|patchify|cross_entropy|adamw|relative"
SUMMARY = r"SUMMARY|^========= (?!COMPUTE)"


@dataclass(frozen=True)
class Step:
    """name       as in the records, and after --only
    asks       the question, which is its heading on the page
    part       first or second
    seconds    that it may take
    command    to run from the checkout
    shown      which lines of its output stand on the page, a regular expression
    short      also with --short
    left_out   why it is not run; "" if it is
    """

    name: str
    asks: str
    part: str
    seconds: int
    command: tuple[str, ...]
    shown: str = ""
    short: bool = False
    left_out: str = ""

    def told(self) -> str:
        """The command as a reader would write it."""
        words = [f"'{word}'" if set(word) & set(" |<>*[]()") else word for word in self.command]
        line = " ".join(words).replace(sys.executable, "python").replace(METRICS, "…").replace(f"{ROOT}/", "")
        return re.sub(r" --out \S+", "", line.replace("python -m gpu_day step", "bash benchmarks/gpu_day.sh step"))


def plan(dry: bool, short: bool, folder: Path) -> list[Step]:
    """All steps in their order. folder: where files go that one step leaves to another."""
    flags = ("--dry",) * dry + ("--short",) * short + ("--out", str(folder))

    def ours(name: str, *more: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "gpu_day", "step", name, *more, *flags)

    sanitizer, ncu = program("compute-sanitizer"), program("ncu")
    no_sanitizer = "the stand-in has no addresses" if dry else "" if sanitizer else "compute-sanitizer is not installed"
    no_ncu = "the emulator counts in its place" if dry else "" if ncu else "ncu is not installed"

    def sanitized(tool: str, *more: str) -> tuple[str, ...]:
        return (sanitizer or "compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *ours("small", *more))

    race, init = sanitized("racecheck", "--float"), sanitized("initcheck", "--float")
    count = (ncu or "ncu", "--clock-control", "none", "--csv", "--page", "raw", "--log-file", f"{folder}/ncu.csv")
    count += ("-k", KERNELS, "--metrics", METRICS, *ours("profile"))
    return [
        Step("env", "Which machine?", "first", 30, ours("env"), short=True),
        Step("tests", "Do the kernels' tests pass there?", "first", 130, tests(dry), r"^(FAILED|ERROR)|passed|failed"),
        Step("model", "Is the model NumPy's?", "first", 80, ours("model"), short=True),
        Step("small", "Does every kernel write all that it should?", "first", 50, ours("small"), short=True),
        Step("memcheck", "Is every address right?", "first", 70, sanitized("memcheck"), SUMMARY, False, no_sanitizer),
        Step("times", "How fast are the kernels?", "second", 120, ours("times")),
        Step("vitb", "How fast is a step of ViT-B/16?", "second", 50, ours("vitb")),
        Step("ncu", "What does the hardware count?", "second", 70, count, "ERR|FAIL|^ok", False, no_ncu),
        Step("counters", "Does the emulator count the same?", "second", 20, ours("counters"), short=True),
        Step("clocks", "Do banks and sectors cost what they should?", "second", 30, ours("clocks")),
        Step("large", "Arrays of more than 2³¹ bytes?", "second", 50, ours("large")),
        Step("chapters", "Do the tutorials run?", "second", 60, ours("chapters")),
        Step("racecheck", "Does any kernel race?", "second", 50, race, SUMMARY, False, no_sanitizer),
        Step("initcheck", "Is anything read unwritten?", "second", 50, init, SUMMARY, False, no_sanitizer),
    ]  # fmt: skip


def tests(dry: bool, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    """pytest's command. only: the tests to run, where those that failed are run again."""
    several = ("-n", str(min(12, os.cpu_count() or 1))) if importlib.util.find_spec("xdist") and not dry else ()
    options = ("-o", "addopts=", "-q", "--tb=short", "-p", "no:cacheprovider", "--maxfail=40", *several)
    which = only or ("tests/devices", "-k", ON_THE_STAND_IN if dry else ON_A_GPU)
    return (sys.executable, "-m", "pytest", *options, *which)
