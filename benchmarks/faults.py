"""Page faults of a training step, and its CPU time, where malloc gives freed memory back and where it keeps it.

    python benchmarks/faults.py

Each case of speed.py on two threads, for a second a process: five without and five with `keep_freed_memory`, in turns.
Printed are the medians.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

from cases import STEPS

from minivit import Trainer, ViT
from minivit.devices.memory import keep_freed_memory
from minivit.devices.workers import worker_pool

SECONDS, PROCESSES = 1.0, 5


def steps(case: str, kept: bool) -> dict[str, float]:
    """Faults and milliseconds of the CPU a step, in this process."""
    if kept:
        keep_freed_memory()
    case = STEPS[case]
    trainer = Trainer(ViT(case.model, init="fan_in"), *case.data(case.batch), case.recipe)
    with worker_pool(2) as pool:
        for _ in range(3):
            trainer.step(pool)
        before, count = resource.getrusage(resource.RUSAGE_SELF), 0
        start = time.perf_counter()
        while time.perf_counter() < start + SECONDS or count < 3:
            trainer.step(pool)
            count += 1
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"faults": (after.ru_minflt - before.ru_minflt) / count, "ms": 1e3 * cpu / count}


def main() -> None:
    print("case          faults a step: given back    kept    CPU ms a step: given back    kept")
    for case in STEPS:
        told: dict[str, list[dict]] = {"": [], "kept": []}
        for _ in range(PROCESSES):
            for kept, turns in told.items():
                turns.append(json.loads(subprocess.check_output([sys.executable, __file__, case, kept])))
        median = {
            (key, kept): statistics.median(t[key] for t in told[kept]) for key in ("faults", "ms") for kept in told
        }
        print(
            f"{case:<14}{median['faults', '']:>27,.0f}{median['faults', 'kept']:>8,.0f}"
            f"{median['ms', '']:>29.1f}{median['ms', 'kept']:>8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(steps(sys.argv[1], kept=bool(sys.argv[2]))))
    else:
        main()
