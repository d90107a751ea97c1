"""A training step of this checkout against another one's, in turns: did a change make it faster?

    git worktree add ../before <commit> && python benchmarks/against_checkout.py ../before

Each side runs in a process of its own and takes short turns; the median of the paired ratios is printed, of wall time
and of CPU time, and the peak memory of a step; below 1, this checkout is faster or smaller. glibc is told to keep freed
memory (else a step waits for page faults, thousands of them); --plain leaves that as it is.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
KEEP_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),  # the most that glibc takes; more is ignored
    "MALLOC_ARENA_MAX": "1",  # threads share one heap, whose end is not given back when one of them is done
}
CASES = ("default", "full", "28² in 4²")
SECONDS, ROUNDS = 0.6, 16  # of each side's turn, and turns


def serve(case: str, workers: int) -> None:
    """One side: a turn for each line that comes in; milliseconds of wall and CPU time a step go out."""
    import dataclasses

    import numpy as np

    from minivit import TrainConfig, Trainer, ViT

    try:
        from minivit.devices.workers import worker_pool
    except ImportError:  # where threads lay before
        from minivit.workers import worker_pool
    from minivit.train.mnist import PRESETS

    model, recipe = PRESETS["full" if case == "28² in 4²" else case]
    batch, shard = recipe.batch_size, recipe.shard_size
    if case == "28² in 4²":
        model, batch, shard = dataclasses.replace(model, patch_size=4), 128, 32
    rng = np.random.default_rng(0)
    images, labels = rng.random((batch, *model.image_shape), dtype=np.float32), rng.integers(0, model.classes, batch)
    config = TrainConfig(batch_size=batch, shard_size=shard, shift=0, rotation=0, scale=0)
    trainer = Trainer(ViT(model, init="fan_in"), images, labels, config)
    for _ in sys.stdin:
        with worker_pool(workers) as pool:
            trainer.step(pool)
            count, wall, cpu = 0, time.perf_counter(), time.process_time()
            while time.perf_counter() < wall + SECONDS:
                trainer.step(pool)
                count += 1
            times = [
                1e3 * (now - then) / count for now, then in ((time.perf_counter(), wall), (time.process_time(), cpu))
            ]
        print(json.dumps([*times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]), flush=True)


def compare(other: Path, case: str, workers: int, settings: dict[str, str]) -> None:
    sides = []
    for checkout in (HERE, other):
        environment = os.environ | settings | {"PYTHONPATH": str(checkout)}
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", case, "--workers", str(workers)]
        sides.append(
            subprocess.Popen(
                command, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )

    def turn(side: subprocess.Popen) -> list[float]:
        with contextlib.suppress(BrokenPipeError):
            side.stdin.write("\n")
            side.stdin.flush()
            if answer := side.stdout.readline():
                return json.loads(answer)
        raise SystemExit(f"a side has ended, see above: does {other} hold a minivit that has the recipe {case!r}?")

    turns = [[turn(side) for side in sides] for _ in range(ROUNDS)]
    for side in sides:
        side.stdin.close()
        side.wait()
    wall, cpu = (statistics.median(here[i] / there[i] for here, there in turns) for i in (0, 1))
    ms, before = (statistics.median(pair[i][0] for pair in turns) for i in (0, 1))
    here, there = (turns[-1][i][2] for i in (0, 1))
    print(
        f"{case:<12}{workers:>8}{ms:>10.1f}{before:>10.1f}{wall:>8.2f}{cpu:>8.2f}{here:>9.0f}{there:>9.0f}", flush=True
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", nargs="?", type=Path, help="the other checkout's folder")
    parser.add_argument("--plain", action="store_true", help="leave the allocator as it is")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--serve", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.workers)
    elif arguments.other is None or not (arguments.other / "minivit").is_dir():
        parser.error(f"{arguments.other} is no checkout of minivit: give its folder")
    else:
        print(f"{'model':<12}{'threads':>8}{'ms':>10}{'other ms':>10}{'wall':>8}{'CPU':>8}{'MiB':>9}{'other':>9}")
        for case in CASES:
            settings = {} if arguments.plain else KEEP_MEMORY
            compare(arguments.other.resolve(), case, arguments.workers, settings)
