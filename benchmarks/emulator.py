"""How long the emulator takes: attention forward and backward in float32, 8 images, 4 heads of width 32, 65 tokens.

    python benchmarks/emulator.py

Run mode, one core, compiled beforehand; the median of ten runs. NumPy's time for the same stands beside it.
"""

import statistics
import time

import numpy as np

from minivit import ops
from minivit.devices import get_device

rng = np.random.default_rng(0)
q, k, v, dout = (rng.standard_normal((8, 4, 65, 32), dtype=np.float32) for _ in range(4))


def seconds(space: object) -> float:
    times = []
    for _ in range(11):
        start = time.perf_counter()
        _, cache = space.attention_forward(q, k, v)
        space.attention_backward(dout, cache)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])  # the first compiles


if __name__ == "__main__":
    print(f"emulator {seconds(get_device('emulator').ops):.3f} s, NumPy {seconds(ops):.3f} s")
