"""What keeps a training step from being faster: the matrix product, and the interpreter lock.

    pip install torch==2.13.0 && python benchmarks/limits.py

First the same product in NumPy and in PyTorch, on one core each. Then one shard of 64 images, forward and backward:
alone, two on two threads, and two in two processes, which have no lock in common.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from minivit import ViT
from minivit.train.mnist import PRESETS


def milliseconds(work: Callable[[], object], repeats: int = 60) -> float:
    work()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return 1e3 * (time.perf_counter() - start) / repeats


def product_rates() -> None:
    import torch  # here, since it starts threads, and the processes below do without

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1576, 192), dtype=np.float32)
    weight = rng.standard_normal((192, 768), dtype=np.float32)
    theirs = torch.from_numpy(x), torch.from_numpy(weight.T.copy())  # PyTorch's layout, (out, in)
    gigaflop = 2 * x.size * weight.shape[1] / 1e9
    for name, work in (("NumPy", lambda: x @ weight), ("PyTorch", lambda: torch.nn.functional.linear(*theirs))):
        print(f"(1576, 192) @ (192, 768) in {name:<8}{1e3 * gigaflop / milliseconds(work):6.0f} GFLOP/s on one core")


def shard() -> Callable[[], object]:
    config, _ = PRESETS["full"]
    model, rng = ViT(config, init="fan_in"), np.random.default_rng(0)
    images, labels = rng.standard_normal((64, *config.image_shape), dtype=np.float32), rng.integers(0, 10, 64)
    return lambda: model.loss_and_grads(images, labels)


def two_threads(work: Callable[[], object]) -> float:
    results = [0.0, 0.0]

    def run(i: int) -> None:
        results[i] = milliseconds(work)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(results)


def two_processes() -> float:
    command = [sys.executable, __file__, "alone"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return max(float(process.communicate()[0]) for process in processes)


if __name__ == "__main__":
    with threadpool_limits(1, user_api="blas"):
        if sys.argv[1:] == ["alone"]:
            print(milliseconds(shard()))
        else:
            print(f"a shard alone                  {milliseconds(shard()):5.1f} ms")
            print(f"two shards on two threads      {two_threads(shard()):5.1f} ms")
            print(f"two shards in two processes    {two_processes():5.1f} ms")
            product_rates()
