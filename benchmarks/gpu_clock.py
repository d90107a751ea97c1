"""The GPU's clock: how long a call takes there, without the time that Python takes to ask for it, and without the
cache's help. And the limits: what a copy and a product take by the same clock. gpu.py fills its table with it.
"""

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache, partial

import cupy

ROUNDS = 10
CALLS, ROUND = 50, 0.02  # calls in a round, at most; and the seconds that a round of long calls may take
AHEAD = 16  # products that the GPU is given to do while Python queues the calls, at most
PRODUCT = 4096  # the side of their matrices
CACHES = 4  # arrays that take turns are together so many times as large as the GPU's cache

Run = Callable[[], object]


def seconds(*runs: Run) -> float:
    """A call's median time on the GPU. `runs` do the same with different arrays, and take turns.

    The calls of a round are queued while products keep the GPU busy, so that they run one right after the other. (Who
    reads a number back waits for the GPU in each call, whatever was queued: that is in its time.) How long queueing
    takes is measured without waiting for the GPU, so that long calls are not given needless products.
    """
    kept: deque[object] = deque(maxlen=len(runs))  # so that results take turns, too: a pool gives freed memory at once
    turn = 0

    def call(count: int) -> None:
        nonlocal turn
        for _ in range(count):
            kept.append(runs[turn]())
            turn = (turn + 1) % len(runs)

    call(max(3, len(runs)))
    calls = min(CALLS, max(1, int(ROUND / timed(lambda: call(1))[0])))
    _, queueing = timed(lambda: call(calls))
    products = min(AHEAD, 1 + math.ceil(queueing / product_seconds()))
    return statistics.median(timed(lambda: call(calls), products)[0] for _ in range(ROUNDS)) / calls


def timed(work: Run, products: int = 0) -> tuple[float, float]:
    """Seconds on the GPU, and seconds until Python had asked for all of it; `products` are done before."""
    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    multiply(products)
    start.record()
    began = time.perf_counter()
    work()
    asked = time.perf_counter() - began
    end.record()
    end.synchronize()
    return cupy.cuda.get_elapsed_time(start, end) / 1e3, asked


@cache
def _matrix() -> cupy.ndarray:
    return cupy.ones((PRODUCT, PRODUCT), cupy.float32)


def multiply(times: int) -> None:
    for _ in range(times):
        _matrix() @ _matrix()


@cache
def product_seconds() -> float:
    """A float32 product of two square matrices of PRODUCT rows."""
    multiply(3)
    return statistics.median(timed(partial(multiply, 2))[0] / 2 for _ in range(ROUNDS))


def product_rate() -> float:
    """FLOP a second."""
    return 2 * PRODUCT**3 / product_seconds()


@cache
def copy_seconds(moved: int) -> float:
    """A copy that moves so many bytes, half of them read and half written."""
    pairs = sets(moved, cupy.zeros(moved // 8, cupy.float32), cupy.zeros(moved // 8, cupy.float32))
    return seconds(*(partial(cupy.copyto, y, x) for x, y in pairs))


def sets(moved: int, *arrays: cupy.ndarray) -> Sequence[tuple[cupy.ndarray, ...]]:
    """These arrays and copies of them: so many that calls which move `moved` bytes, and take turns with them, ask for
    CACHES times more than the GPU's cache holds."""
    in_cache = cupy.cuda.runtime.getDeviceProperties(0)["l2CacheSize"]
    return [arrays, *(tuple(a.copy() for a in arrays) for _ in range(CACHES * in_cache // moved))]
