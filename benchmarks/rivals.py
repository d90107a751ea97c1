"""Those that are timed, a process each: minivit with threads and with processes, PyTorch eager and compiled, and the
model's matrix products alone.

    python benchmarks/rivals.py RIVAL CASE        serves turns of a case's work (see sides.py); started by speed.py
"""

import contextlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
from cases import Case
from sides import proportional_memory, serve

from minivit import Trainer, ViT, evaluate
from minivit.devices.memory import keep_freed_memory
from minivit.devices.workers import cores, worker_pool
from minivit.train.processes import ProcessPool

RIVALS = ("torch", "threads", "processes", "products", "compiled")


def main(rival: str, case: Case) -> None:
    model = ViT(case.model, init="fan_in")
    if rival in ("torch", "compiled"):
        import torch
        from torch_vit import torch_work

        if case.workers:
            torch.set_num_threads(case.workers)
        imports = proportional_memory(os.getpid())
        work = torch_work(model, case, compiled=rival == "compiled")
        serve(work, first=work(), imports=imports)
        return
    imports = proportional_memory(os.getpid())
    with contextlib.ExitStack() as stack:
        if rival == "products":
            work = products(case, stack.enter_context(worker_pool(case.workers or None)))
            serve(work, imports=imports)
        else:
            work = minivit_work(model, case, rival, stack)
            serve(work, first=work(), imports=imports)


def minivit_work(model: ViT, case: Case, parallel: str, stack: contextlib.ExitStack) -> Callable[[], float]:
    """A piece of work, which returns a loss or a logit for comparison; `stack` closes what it opens."""
    images, labels = case.data(case.images or case.batch)
    keep_freed_memory()
    if case.work == "forward":
        images = model.normalize(images)
        return lambda: float(model(images)[0, 0])
    trainer = Trainer(model, images, labels, case.recipe)
    workers = min(case.workers or cores(), -(-case.batch // case.shard))
    if parallel == "processes":
        pool = stack.enter_context(stack.enter_context(contextlib.closing(ProcessPool(trainer.task, workers))).open())
    else:
        pool = stack.enter_context(worker_pool(workers))
    if case.work == "step":
        return lambda: trainer.step(pool)
    tested = len(images) // 4

    def epoch() -> float:
        losses = [trainer.step(pool) for _ in range(trainer.steps_per_epoch)]
        evaluate(model, images[:tested], labels[:tested])
        return losses[0]

    return epoch


def products(case: Case, pool: Executor) -> Callable[[], object]:
    """A step's matrix products, forward and backward, and nothing else: a shard a thread, as minivit takes them."""
    rng, config = np.random.default_rng(0), case.model
    D, H, M, N, L = config.width, config.heads, config.mlp_width, config.tokens, config.depth
    pixels = config.channels * config.patch_size[0] * config.patch_size[1]

    def random(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    def dense(rows: int, n_in: int, n_out: int, times: int = 1) -> list[tuple[np.ndarray, np.ndarray, int]]:
        x, weight, dy = random(rows, n_in), random(n_in, n_out), random(rows, n_out)
        return [(x, weight, times), (dy, weight.T, times), (x.T, dy, times)]  # y, dx, dW

    B = case.shard
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

    return lambda: list(pool.map(one, range(-(-case.batch // case.shard))))


if __name__ == "__main__":
    main(sys.argv[1], Case.from_json(sys.argv[2]))
