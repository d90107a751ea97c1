"""The step clocks: do bank conflicts and sectors cost what the emulator counts? By the GPU's clock, no counter is read.

Without a GPU: are the turns and sectors that stand here those that the emulator counts?
"""

from pathlib import Path

import numpy as np

from minivit import emulator

from .findings import say

SOURCE = Path(__file__).with_name("clocks.cu")
THREADS, LOADS = 1024, 256  # as in the source
WIDEST = 32  # the largest stride in global memory
SHARED = [  # element, stride, lanes that share one -> turns of the banks for a warp's request
    ("int", 1, 1, 1), ("int", 2, 1, 2), ("int", 4, 1, 4), ("int", 8, 1, 8), ("int", 32, 1, 32), ("int", 33, 1, 1),
    ("int", 1, 32, 1), ("int4", 1, 1, 4), ("int4", 1, 2, 4), ("int4", 1, 4, 4),
]  # fmt: skip
GLOBAL = [(1, 4), (2, 8), (4, 16), (8, 32), (32, 32)]  # stride -> sectors of a warp's request


def clocks(dry: bool) -> None:
    ask = counted_by_emulator if dry else measured
    for element, stride, share, turns in SHARED:
        what = f"shared memory, {element}, stride {stride}" + (f", {share} lanes on one" if share > 1 else "")
        tell(what, "turns", turns, ask(f"shared_loads<{element}>", stride, share), dry)
    for stride, sectors in GLOBAL:
        tell(f"global memory, int, stride {stride}", "sectors", sectors, ask("global_loads", stride), dry)


def tell(what: str, unit: str, expected: int, got: float, dry: bool) -> None:
    if dry:
        say(got == expected, what, f"{got:g} {unit}" + ("" if got == expected else f", expected {expected}"))
    else:
        say(got > 0, what, f"{got:.2f} cycles a request, for {expected} {unit}: {got / expected:.2f} each")


def measured(kernel: str, *numbers: int) -> float:
    """Cycles that each warp's request took, when 32 warps ask."""
    import cupy

    launch = cupy.RawModule(
        code=SOURCE.read_text("utf-8"), options=("--std=c++17",), name_expressions=(kernel,)
    ).get_function(kernel)
    cycles, sums = cupy.zeros(1, np.int64), cupy.zeros(THREADS, np.int32)
    zeros = (cupy.zeros(THREADS * WIDEST, np.int32),) if kernel == "global_loads" else ()
    best = float("inf")
    for _ in range(5):
        launch((1,), (THREADS,), (cycles, sums, *zeros, *map(np.int32, numbers)))
        best = min(best, float(cycles[0]))
    return best / LOADS / (THREADS // 32)


def counted_by_emulator(kernel: str, *numbers: int) -> float:
    """Turns or sectors of each request, on average."""
    text = "#define clock64() 0ll\n" + SOURCE.read_text("utf-8")
    cycles, sums = np.zeros(1, np.int64), np.zeros(THREADS, np.int32)
    zeros = (np.zeros(THREADS * WIDEST, np.int32),) if kernel == "global_loads" else ()
    report = emulator.Module(text, "clocks.cu")[kernel].profile(1, THREADS, cycles, sums, *zeros, *numbers)
    asked = [line for line in report.lines if line.operation == "load" and line.requests >= LOADS * THREADS // 32]
    return sum(line.moved for line in asked) / sum(line.requests for line in asked)
