"""More machines than one: the ranks of an MPI job, which share the shards of every batch. The bits are one process's.

    mpiexec -n 4 python -m minivit train

Every rank is the same program: it reads the same images, starts from the same numbers, and takes the same steps. Of a
batch's shards it takes its own; all gradients are then sent to all, which add them in the shards' order. What must
happen once (evaluate, print, write) is rank 0's.
"""

import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Protocol, TypeVar

import numpy as np

from ..devices.device import Device
from .shards import Gradient, Pool, Shard, ShardGradient

T = TypeVar("T")
RANK = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")  # of MPICH and Intel's, and of Open MPI
SIZE = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")


def is_first() -> bool:
    """Is this process rank 0, or alone? MPI need not run yet: whoever starts a job tells each process its number."""
    return _number(RANK, 0) == 0


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

    def check_same(self, what: str, numbers: Iterable[np.ndarray]) -> None:
        """Raise RuntimeError where one of them has other numbers than the first."""

    def pool(self, pool: Pool, workers: int | None) -> Pool:
        """Each one's own pool, of so many workers -> the one of all."""


def job(device: Device) -> Job:
    """The MPI job that this process is part of, or the process alone. Raises ImportError where mpi4py is missing, and
    ValueError for a GPU."""
    if _number(SIZE, 1) == 1:
        return Alone()
    if device.name == "cuda":
        raise ValueError("several ranks need device='cpu' or 'emulator': a GPU takes a batch whole")
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(f'several ranks need mpi4py ({error}): pip install "minivit[mpi]"') from error
    return Ranks(MPI.COMM_WORLD)


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

    def check_same(self, what: str, numbers: Iterable[np.ndarray]) -> None: ...

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

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and not self._stopping:
            sys.stdout.flush()
            print(f"minivit: rank {self.world.rank} of {self.world.size}: {kind.__name__}: {error}", file=sys.stderr)
            sys.stderr.flush()
            self.world.Abort(1)

    def any(self, flag: bool) -> bool:
        self._stopping = any(self.world.allgather(flag))
        return self._stopping

    def once(self, function: Callable[[], T]) -> T:
        return self.world.bcast(function() if self.first else None)

    def check_same(self, what: str, numbers: Iterable[np.ndarray]) -> None:
        digests = self.world.allgather([zlib.crc32(np.ascontiguousarray(array)) for array in numbers])
        if others := [str(rank) for rank, digest in enumerate(digests) if digest != digests[0]]:
            raise RuntimeError(f"rank {', '.join(others)} has other {what} than rank 0")

    def pool(self, pool: Pool, workers: int | None) -> Pool:
        return RankPool(self.world, pool, workers or 1)


class RankPool:
    """Each rank takes `width` shards at a time, with a pool of its own; then all get the gradients of all."""

    def __init__(self, world: Any, pool: Pool, width: int) -> None:
        self._world, self._pool, self._width = world, pool, width

    def map(self, task: ShardGradient, shards: Iterable[Shard]) -> Iterator[Gradient]:
        """As shards.Pool says, on every rank: all must call it with the same shards."""
        shards, params = iter(shards), task.params.buffer
        start = self._world.rank * self._width
        while group := list(islice(shards, self._world.size * self._width)):
            mine = np.zeros((self._width, len(params)), params.dtype)
            told = []  # all that is no gradient
            for row, (loss, grads, buffers) in zip(
                mine, self._pool.map(task, group[start : start + self._width]), strict=False
            ):
                row[:] = grads
                told.append((loss, buffers))
            everyones = np.empty((self._world.size * self._width, len(params)), params.dtype)
            self._world.Allgather(mine, everyones)
            losses_and_buffers = [pair for of_one in self._world.allgather(told) for pair in of_one]
            for (loss, buffers), grads in zip(losses_and_buffers, everyones, strict=False):
                yield Gradient(loss, grads, buffers)


def _number(names: tuple[str, ...], otherwise: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), otherwise)
