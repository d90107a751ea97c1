"""A training step of several MPI ranks against one process: same batch, same bits, one thread each, in turns.

    pip install ".[mpi]" && python benchmarks/ranks.py [--ranks 2] [--cases default full] [--rounds 8]

Prints each side's median, and the efficiency, the time of one over (ranks × the time of all): the median and the
quartiles over the rounds. 1 is perfect, and needs a core a rank. All that a step of `fit` asks of the others is timed:
the gradients that go round, and whether anybody wants to stop.
"""

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cases import STEPS
from sides import Side, serve

from minivit import Trainer, ViT
from minivit.train.pools import shard_pools
from minivit.train.ranks import Ranks, job


def serve_side(case: str) -> None:
    """On each rank: rank 0 serves steps, the others go along."""
    timed = STEPS[case]
    trainer = Trainer(ViT(timed.model, init="fan_in"), *timed.data(timed.batch), timed.recipe)
    with job() as ranks, shard_pools(trainer.task, 0, 1, "threads") as open_pool, open_pool() as pool:
        pool = ranks.pool(pool, 1)

        def step() -> None:
            trainer.step(pool)
            ranks.any(False)

        if not ranks.first:
            follow(ranks, step)
            return
        others = range(1, ranks.world.size) if isinstance(ranks, Ranks) else ()

        def call(go: bool) -> None:
            for rank in others:
                ranks.world.send(go, rank)

        def step_of_all() -> None:
            call(True)
            step()

        serve(step_of_all, losses=trainer.epoch_losses)  # of the one step before the first turn
        call(False)


def follow(ranks: Ranks, step: Callable[[], None]) -> None:
    """Take a step whenever rank 0 says so. Between turns, which are the other side's, sleep instead of asking."""
    idle = time.perf_counter()
    while True:
        while not ranks.world.iprobe(source=0):
            if time.perf_counter() - idle > 0.1:
                time.sleep(0.005)
        if not ranks.world.recv(source=0):
            return
        step()
        idle = time.perf_counter()


def compare(case: str, ranks: int, rounds: int) -> None:
    mpiexec = shutil.which("mpiexec", path=Path(sys.executable).parent) or "mpiexec"
    one = Side("ranks.py", "--side", "--cases", case)
    all_ = Side("ranks.py", "--side", "--cases", case, prefix=(mpiexec, "-n", str(ranks)))
    assert one.facts == all_.facts, f"the first losses differ: {one.facts}, {all_.facts}"
    for _ in range(rounds):
        one.turn(), all_.turn()
    one.close(), all_.close()
    times = [(a["ms"], b["ms"]) for a, b in zip(one.turns, all_.turns, strict=True)]
    alone, together = (statistics.median(column) for column in zip(*times, strict=True))
    low, efficiency, high = statistics.quantiles([a / (ranks * b) for a, b in times], n=4)
    print(f"{case:<11}{alone:>9.1f}{together:>9.1f}{efficiency:>12.2f}  {low:.2f} to {high:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=STEPS, default=list(STEPS), metavar="CASE", help=", ".join(STEPS))
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        serve_side(*args.cases)
        return
    print(f"{'model':<11}{'1 rank':>9}{f'{args.ranks} ranks':>9}{'efficiency':>12}  quartiles   (milliseconds a step)")
    for case in args.cases:
        compare(case, args.ranks, args.rounds)


if __name__ == "__main__":
    main()
