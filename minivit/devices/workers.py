"""Shards on threads: NumPy releases the interpreter lock inside its loops and products, so they run side by side, each
with one BLAS thread (Apple's Accelerate cannot be told so). Shards are fixed, so any number of workers gives the same.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock

import numpy as np
from threadpoolctl import ThreadpoolController

from .device import Device

_POOL_IS_OPEN = Lock()


@contextmanager
def worker_pool(workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Threads to run shards on, one a core unless told otherwise. Within, every BLAS call uses one thread.

    While one pool is open, any other (a teacher's, that is asked on a worker) has one thread only. The number of BLAS's
    threads is the whole process's: a pool that another thread opened first gives them back when it closes, and what
    comes after may differ in its last digits.
    """
    _check(workers)
    if not _POOL_IS_OPEN.acquire(blocking=False):
        with ThreadPoolExecutor(1) as pool:
            yield pool
        return
    try:
        with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(workers or cores()) as pool:
            yield pool
    finally:
        _POOL_IS_OPEN.release()


def in_shards(
    device: Device, function: Callable[[np.ndarray], np.ndarray], images: np.ndarray, size: int, workers: int | None
) -> np.ndarray:
    """function(images), `size` images at a time, side by side: (n, …).

    A single shard may use all of BLAS's threads, whose number can show in its last digits.
    A GPU is fed from the calling thread, whose device and stream CuPy uses; they are each thread's own.
    """
    _check(workers)
    shards = [images[i : i + size] for i in range(0, max(1, len(images)), size)]
    if device.threads == 1 or len(shards) == 1:
        return np.concatenate([function(shard) for shard in shards])
    with worker_pool(workers) as pool:
        return np.concatenate(list(pool.map(function, shards)))


def cores() -> int:
    """Those that this process may use, where the system tells; else all that the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}, expected at least 1")


@cache
def _libraries() -> ThreadpoolController:
    """Looking for the libraries that are loaded takes milliseconds; NumPy's BLAS stays."""
    return ThreadpoolController()
