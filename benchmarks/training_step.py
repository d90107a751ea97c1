"""A training step of minivit against PyTorch's: same model, same weights, same batch, same machine, in turns.

    pip install torch==2.13.0 && python benchmarks/training_step.py [--compile] [--cases default full] [--rounds 8]

Each step: forward, cross-entropy, backward, clipping by norm, AdamW; no augmentation. The losses of the first steps are
compared before anything is timed. Both use all cores. The sides: threads and processes of minivit's, PyTorch eager and
compiled, and the model's matrix products alone in NumPy, forward and backward, which no NumPy can beat.

Prints each side's median, and the median and the quartiles of its ratio to PyTorch eager's turn of the same round
(below 1: faster); then the peak of memory (PSS of all its processes), whole and above what the imports take.
"""

import argparse
import dataclasses
import os
import statistics
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
from sides import Side, proportional_memory, serve

from minivit import TrainConfig, Trainer, ViT, ViTConfig
from minivit.devices.workers import cores, worker_pool
from minivit.train.mnist import PRESETS
from minivit.train.pools import shard_pools

_, DIGITS = PRESETS["default"]
CASES = {name: (config, DIGITS.batch_size, DIGITS.shard_size) for name, (config, _) in PRESETS.items()} | {
    "28² in 4²": (dataclasses.replace(PRESETS["full"][0], patch_size=4), 128, 32),
    "ViT-Ti/16": (ViTConfig(image_size=224, patch_size=16, width=192, depth=12, heads=3), 16, 8),
}
del CASES["quick"]  # the same model as "default"
SIDES = ("torch", "threads", "processes", "products")


def serve_side(name: str, case: str) -> None:
    """Child process: serve steps of one side."""
    model_config, batch, shard = CASES[case]
    config = TrainConfig(batch_size=batch, shard_size=shard, shift=0, rotation=0, scale=0)
    rng = np.random.default_rng(0)
    images = rng.random((batch, *model_config.image_shape), dtype=np.float32)
    labels = rng.integers(0, model_config.classes, batch)
    model = ViT(model_config, init="fan_in")
    if name in ("torch", "compiled"):
        from torch_vit import torch_step

        imports = proportional_memory(os.getpid())
        step = torch_step(model, config, images, labels, compiled=name == "compiled")
        serve(step, loss=step(), imports=imports)
    elif name == "products":
        imports = proportional_memory(os.getpid())
        with worker_pool() as pool:
            serve(products(model_config, batch, shard, pool), imports=imports)
    else:
        imports = proportional_memory(os.getpid())
        trainer = Trainer(model, images, labels, config)
        with shard_pools(trainer.task, steps=0, workers=None, parallel=name) as open_pool, open_pool() as pool:
            serve(lambda: trainer.step(pool), loss=trainer.step(pool), imports=imports)


def products(config: ViTConfig, batch: int, shard: int, pool: Executor) -> Callable[[], object]:
    """A step's matrix products, forward and backward, and nothing else: a shard a thread, as minivit takes them."""
    rng = np.random.default_rng(0)
    D, H, M, N, L = config.width, config.heads, config.mlp_width, config.tokens, config.depth
    pixels = config.channels * config.patch_size[0] * config.patch_size[1]

    def random(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    def dense(rows: int, n_in: int, n_out: int, times: int = 1) -> list[tuple[np.ndarray, np.ndarray, int]]:
        x, weight, dy = random(rows, n_in), random(n_in, n_out), random(rows, n_out)
        return [(x, weight, times), (dy, weight.T, times), (x.T, dy, times)]  # y, dx, dW

    B = shard
    q, k, weights = random(B, H, N, D // H), random(B, H, N, D // H).swapaxes(-1, -2), random(B, H, N, N)
    attention = [(q, k, 2), (weights, q, 2), (weights.swapaxes(-1, -2), q, 2)]  # S, dP; out, dQ; dV, dK
    work = dense(B * (N - 1), pixels, D)
    for n_in, n_out in ((D, 3 * D), (D, D), (D, M), (M, D)):
        work += dense(B * N, n_in, n_out, L - 1)
    work += [(a, b, times * (L - 1)) for a, b, times in attention]
    work += dense(B * N, D, 2 * D)  # of the last block, what the class token needs
    for n_in, n_out in ((D, D), (D, D), (D, M), (M, D)):
        work += dense(B, n_in, n_out)

    def one(_: int) -> None:
        for a, b, times in work:
            for _ in range(times):
                a @ b

    return lambda: list(pool.map(one, range(-(-batch // shard))))


def compare(case: str, names: list[str], rounds: int) -> None:
    """One case: all sides in turns, so that all meet the same weather."""
    sides = {name: Side("training_step.py", "--side", name, "--case", case) for name in names}
    losses = [side.facts["loss"] for side in sides.values() if "loss" in side.facts]
    assert max(losses) - min(losses) < 1e-4, f"the first losses differ: not the same model, {losses}"
    for _ in range(rounds):
        for side in sides.values():
            side.turn()
    for side in sides.values():
        side.turn_with_memory()
        side.close()
    eager = sides["torch"]
    for name, side in sides.items():
        wall = statistics.median(turn["ms"] for turn in side.turns)
        cpu = statistics.median(turn["cpu_ms"] for turn in side.turns)
        ratios = [a["ms"] / b["ms"] for a, b in zip(side.turns, eager.turns, strict=True)]
        low, ratio, high = statistics.quantiles(ratios, n=4)
        peak, above = side.peak / 1e6, (side.peak - side.facts["imports"]) / 1e6
        print(
            f"{case:<11}{name:<11}{wall:>9.1f}{cpu:>9.1f}{ratio:>9.2f}  {low:.2f} to {high:.2f}"
            f"{peak:>9.0f}{above:>9.0f}{side.peak / eager.peak:>8.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--compile", action="store_true", help="PyTorch compiled, too: it takes minutes to compile")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        serve_side(args.side, args.case)
        return
    print(f"NumPy {np.__version__}, {cores()} cores; milliseconds, and MB of memory")
    print(
        f"{'model':<11}{'side':<11}{'wall':>9}{'CPU':>9}{'ratio':>9}  quartiles   {'peak':>9}{'above':>9}{'ratio':>8}"
    )
    for case in args.cases:
        compare(case, [*SIDES, *(["compiled"] if args.compile else [])], args.rounds)


if __name__ == "__main__":
    main()
