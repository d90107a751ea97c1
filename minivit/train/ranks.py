"""More machines than one: the ranks of an MPI job, which share the shards of every batch. The bits are one process's.

    mpiexec -n 4 python -m minivit train

Every rank is the same program: it reads the same images, starts from the same numbers, and takes the same steps. Of a
batch's shards it takes its own; all gradients are then sent to all, which add them in the shards' order. What must
happen once (evaluate, print, write) is rank 0's.
"""

import os
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np

from ..devices import DeviceError
from .shards import Gradient, Pool, Shard, ShardGradient

T = TypeVar("T")
SIZE = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")  # what MPICH's (and Intel's) and Open MPI's mpiexec tell a process
MISTAKES = (ValueError, OSError, FloatingPointError, DeviceError)  # whose message says all


class Job(Protocol):
    """What a run asks of the processes that take part in it, within `with`."""

    first: bool  # the one that evaluates, prints and writes
    workers: int | None  # that each has unless it is told; None: one a core

    def __enter__(self) -> "Job": ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None: ...

    def any(self, flag: bool) -> bool:
        """Does any of them want to stop?"""

    def once(self, function: Callable[[], T]) -> T:
        """What the first one's function gives, to all."""

    def check_same(self, **things: tuple | Iterable[np.ndarray]) -> None:
        """Raise ValueError, with the name, where one of them has other arrays, or another tuple of settings."""

    def pool(self, pool: Pool, workers: int | None) -> Pool:
        """Each one's own pool, of so many workers -> the one of all."""


def job(device: str = "cpu") -> Job:
    """The MPI job that this process is part of, or the process alone.

    Enter it early: what fails before that on one rank alone is not heard by the others, who wait for it for ever.
    Raises DeviceError where mpi4py is missing, ValueError for another device: a GPU takes a batch whole.
    """
    size = next((int(os.environ[name]) for name in SIZE if name in os.environ), 1)
    if size == 1:
        return Alone()
    if device != "cpu":
        raise ValueError(f"several ranks need device='cpu', not {device!r}")
    return _ranks(size)


class Alone:
    """A job of one process."""

    first = True
    workers = None

    def __enter__(self) -> "Alone":
        return self

    def __exit__(self, *error: object) -> None: ...

    def any(self, flag: bool) -> bool:
        return flag

    def once(self, function: Callable[[], T]) -> T:
        return function()

    def check_same(self, **things: tuple | Iterable[np.ndarray]) -> None: ...

    def pool(self, pool: Pool, workers: int | None) -> Pool:
        return pool


class Ranks:
    """A job of several. An error on one of them ends all of them, since the others would wait for it for ever."""

    workers = 1  # there are as many ranks as somebody wanted to have processes

    def __init__(self, world: Any) -> None:
        self.world, self.first = world, world.rank == 0
        self._stopping = False  # all have agreed on it

    def __enter__(self) -> "Ranks":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and not self._stopping:
            form = traceback.format_exception_only if isinstance(error, MISTAKES) else traceback.format_exception
            sys.stdout.flush()
            told = " ".join((f"minivit: rank {self.world.rank} of {self.world.size} ends the job:", *form(error)))
            sys.stderr.write(told)
            sys.stderr.flush()
            time.sleep(0.5)  # mpiexec passes words on by and by, and none after an abort
            self.world.Abort(1)
            os._exit(1)  # MPICH comes back from it, and is ended a moment later

    def any(self, flag: bool) -> bool:
        self._stopping = any(self.world.allgather(flag))
        return self._stopping

    def once(self, function: Callable[[], T]) -> T:
        return self.world.bcast(function() if self.first else None)

    def check_same(self, **things: tuple | Iterable[np.ndarray]) -> None:
        digests = self.world.allgather({name: _digest(thing) for name, thing in things.items()})
        for rank, digest in enumerate(digests):
            if others := [name for name in things if digest[name] != digests[0][name]]:
                raise ValueError(f"rank {rank} has other {' and '.join(others)} than rank 0: all must start alike")

    def pool(self, pool: Pool, workers: int | None) -> Pool:
        return RankPool(self.world, pool, workers or 1)


class RankPool:
    """Each rank takes `width` shards at a time, with a pool of its own; then all get the gradients of all."""

    def __init__(self, world: Any, pool: Pool, width: int) -> None:
        self._world, self._pool, self._width = world, pool, width

    def map(self, task: ShardGradient, shards: Iterable[Shard]) -> Iterator[Gradient]:
        """As shards.Pool says, on every rank: all must call it with the same shards."""
        world, params, shards = self._world, task.params.buffer, iter(shards)
        while group := list(islice(shards, world.size * self._width)):
            parts = [group[rank * self._width :][: self._width] for rank in range(world.size)]  # the last may be empty
            mine, told = np.empty((len(parts[world.rank]), len(params)), params.dtype), []
            for row, (loss, grads, buffers) in zip(mine, self._pool.map(task, parts[world.rank]), strict=True):
                row[:] = grads
                told.append((loss, buffers))
            everyones = np.empty((len(group), len(params)), params.dtype)
            world.Allgatherv(mine, (everyones, [len(part) * len(params) for part in parts]))
            all_told = [pair for of_one in world.allgather(told) for pair in of_one]
            for (loss, buffers), grads in zip(all_told, everyones, strict=True):
                yield Gradient(loss, grads, buffers)


@cache
def _ranks(size: int) -> Ranks:
    """One for all who enter: what is agreed in the loop holds outside it, too."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # not there, or without an MPI
        raise DeviceError(f'several ranks need mpi4py ({error}): pip install "minivit[mpi]"') from error
    if MPI.COMM_WORLD.size != size:  # each would take itself for the only one
        library = " ".join(MPI.Get_library_version().splitlines()[0].partition(",")[0].split())
        raise DeviceError(f"mpiexec has started {size} ranks, but mpi4py knows of 1: it needs the mpiexec of {library}")
    return Ranks(MPI.COMM_WORLD)


def _digest(things: tuple | Iterable[np.ndarray]) -> list[int]:
    if isinstance(things, tuple):
        return [zlib.crc32(repr(things).encode())]
    return [zlib.crc32(np.ascontiguousarray(array)) for array in things]
