"""Several processes: each has an interpreter of its own, so none waits for another's lock. The bits are the threads'.

This process takes shards itself; beside it, workers do, programs of their own (nothing is forked, and no script needs
`if __name__ == "__main__"`), which end with their pipe. Parameters and gradients lie in memory that all of them share;
a shard's images go through the pipe.
"""

import contextlib
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import BinaryIO

import numpy as np

from ..devices.memory import keep_freed_memory
from ..devices.workers import worker_pool
from ..files import keep_standard_files
from ..layers import Arrays
from .shards import Gradient, Shard, ShardGradient

AVAILABLE = os.name == "posix"  # Windows hands no open file to a new process
PROGRAM = "import sys; from minivit.train.processes import work; work(*map(int, sys.argv[1:]))"
SECONDS = 5.0  # that a worker has to end by itself
CURE = "try fewer workers, or threads (parallel='threads')"


class WorkerError(ChildProcessError):
    """A worker process cannot start, or has ended before its time."""


class ProcessPool:
    """This process and count − 1 workers, which all do one task: `pool.map(task, shards)`, as shards.Pool says.

    A worker costs about 30 MB (a Python with NumPy), the parameters twice, and what a shard needs. Raises WorkerError
    where none can start, and ValueError where the task cannot be sent: the model's class and operations, and a
    teacher's, must be what a worker can import.
    """

    def __init__(self, task: ShardGradient, count: int) -> None:
        keep_standard_files()  # else the memory below may have the number of a worker's standard input
        self._task, self._workers = task, []
        message = _pickled(task)
        with _nameless_file() as file:
            file.truncate(count * task.params.buffer.nbytes)
            self._params, *slots = _rows(file.fileno(), count, task.params.buffer)
            try:
                for row, slot in enumerate(slots, start=1):
                    self._workers.append(_Worker(file.fileno(), row, count, slot))
                for worker in self._workers:
                    worker.send(message)
                for worker in self._workers:
                    worker.receive()
            except BaseException:
                self.close()
                raise

    def map(self, task: ShardGradient, shards: Iterable[Shard]) -> Iterator[Gradient]:
        if task is not self._task:
            raise ValueError("these processes were started for another task")
        for worker in self._workers:
            if worker.busy:  # an exception ended the last call, and nobody waits for this answer any more
                with contextlib.suppress(Exception):
                    worker.receive()
        self._params[:] = task.params.buffer
        shards = iter(shards)
        while group := list(islice(shards, 1 + len(self._workers))):
            mine, *others = group
            for worker, shard in zip(self._workers, others, strict=False):
                worker.send(pickle.dumps((shard, task.model.buffers), pickle.HIGHEST_PROTOCOL))
            yield task(mine)
            for worker in self._workers[: len(others)]:
                loss, buffers = worker.receive()
                yield Gradient(loss, worker.grads, buffers)

    @contextlib.contextmanager
    def open(self) -> Iterator["ProcessPool"]:
        """For some steps: within, this process has one thread for BLAS and for shards, as its workers always have."""
        with worker_pool(1):
            yield self

    def close(self) -> None:
        """End the workers: at once those that are still at work."""
        for worker in self._workers:
            worker.end(kill=worker.busy)


class _Worker:
    """This side of a worker: the pipe to it, and its row of the shared memory, where it leaves its gradients."""

    def __init__(self, memory: int, row: int, rows: int, grads: np.ndarray) -> None:
        self.grads, self.busy = grads, False  # busy: it owes an answer
        self._pipe, theirs = Pipe()
        with theirs:
            numbers = theirs.fileno(), memory, row, rows
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", PROGRAM, *map(str, numbers)],
                    pass_fds=numbers[:2],
                    stdin=subprocess.DEVNULL,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C is for this process alone
                )
            except OSError as error:
                raise WorkerError(f"a worker process cannot start ({error}): {CURE}") from error

    def send(self, message: bytes) -> None:
        self.busy = True
        with self._naming_death():
            self._pipe.send_bytes(message)

    def receive(self) -> tuple[float, Arrays]:
        """Its answer; an exception of its own is raised here."""
        with self._naming_death():
            answer = self._pipe.recv()
        self.busy = False
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self, kill: bool) -> int:
        """Its exit status, below 0 where a signal ended it."""
        self._pipe.close()  # the end of its pipe is the end of a worker
        if kill:
            self._process.kill()
        try:
            return self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    @contextlib.contextmanager
    def _naming_death(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:  # its pipe has ended, perhaps in a message
            status = self.end(kill=False)
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            why = ", as Linux does where memory runs out" if status == -9 else ""
            raise WorkerError(f"a worker process {how}{why}: {CURE}") from error


def work(pipe: int, memory: int, row: int, rows: int) -> None:
    """A worker, from its start to its end: first it gets the task, then shards."""
    keep_freed_memory()
    with contextlib.suppress(EOFError, OSError), Connection(pipe) as channel, worker_pool(1):  # till nobody is there
        message = channel.recv_bytes()
        try:
            task, operations = pickle.loads(message)
        except Exception as error:  # what a module that cannot be imported raises is its own affair; it is told
            channel.send(ValueError(_cannot_be_sent(error)))
            return
        vars(task.model.device.ops).update(operations)
        shared = _rows(memory, rows, task.params.buffer)
        task.params.buffer = shared[0]
        task.model.params.update(task.params.views(shared[0]))
        channel.send(None)
        while True:
            shard, buffers = pickle.loads(channel.recv_bytes())
            task.model.buffers |= buffers
            try:
                loss, _, buffers = task(shard, out=shared[row])
            except Exception as error:  # a task's own error: it is raised where the task was given
                channel.send(_sendable(error))
            else:
                channel.send((loss, buffers))


def _pickled(task: ShardGradient) -> bytes:
    """The task, and the operations by name: where a program has some of its own, a worker must not go on without."""
    operations = {name: value for name, value in vars(task.model.device.ops).items() if name.endswith("ward")}
    try:
        return pickle.dumps((task, operations), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # whatever a stranger's __reduce__ raises
        raise ValueError(_cannot_be_sent(error)) from error


def _cannot_be_sent(why: object) -> str:
    return (
        f"the model or its teacher cannot be sent to worker processes ({why}): make it a class or a function of a "
        "module, which they can import, or use threads (parallel='threads')"
    )


def _sendable(error: Exception) -> Exception:
    """The exception itself, where it survives the way, else what it says; with a note of where it was raised."""
    error.add_note("in a worker process:\n" + "".join(traceback.format_tb(error.__traceback__)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a stranger's exception that needs arguments of its own
        told = RuntimeError(f"{type(error).__name__}: {error}")
        told.__notes__ = error.__notes__
        return told
    return error


def _nameless_file() -> BinaryIO:
    """An open file of which nothing is left, come what may; on Linux it is memory, of which /dev/shm may be short."""
    return open(os.memfd_create("minivit"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile()


def _rows(file: int, rows: int, like: np.ndarray) -> np.ndarray:
    """An open file's memory as (rows, P), each row like `like` (P,): what one process writes, all read."""
    return np.frombuffer(mmap.mmap(file, rows * like.nbytes), like.dtype).reshape(rows, -1)


def _environment() -> dict[str, str]:
    """A worker finds what this process can import, and has one thread in any library."""
    threads = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path if isinstance(entry, str))
    return os.environ | dict.fromkeys(threads, "1") | {"PYTHONPATH": path}
