"""Threads or processes: which of them take a run's shards. The result is the same, to the bit."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

from ..devices.memory import keep_freed_memory
from ..devices.workers import cores, worker_pool
from ..messages import choices
from .processes import AVAILABLE, ProcessPool, WorkerError
from .shards import Pool, ShardGradient

PARALLEL = ("threads", "processes")
WORTH = 200  # steps: fewer are over before processes have made up for their start, a quarter of a second


@contextmanager
def shard_pools(
    task: ShardGradient, steps: int, workers: int | None, parallel: str | None
) -> Iterator[Callable[[], AbstractContextManager[Pool]]]:
    """What opens the pool for some steps of a run that has so many before it. Between them, and outside, BLAS and the
    cores are free for other work, such as an evaluation.

    workers: one a core if not given, and no more than a batch has shards. parallel:

    "threads"    of this process, which start at once and share all memory, but wait for each other in Python;
    "processes"  are faster by a tenth to a third where a step is many small operations, as in minivit's own presets.
                 Each costs about 30 MB, the parameters and their gradient, and a quarter of a second in the beginning;
    None         processes where they are likely to win: on a CPU where two or more share a batch, for 200 steps or
                 more, unless there is a teacher, who may know what no other process can; and threads where the model
                 cannot be sent, or no process can start.

    On a CPU, malloc keeps what is freed from now on (devices/memory.py), in this process, too.
    Raises ValueError for another name, or where processes are asked for and cannot be had.
    """
    if parallel not in (None, *PARALLEL):
        raise ValueError(f"parallel is {parallel!r}, {choices(parallel, PARALLEL, 'or None')}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}, expected at least 1")
    device, config = task.model.device, task.config
    shards = 1 if device.whole_batches else -(-config.batch_size // config.shard_size)
    count, asked = min(workers or cores(), shards), parallel == "processes"
    possible = AVAILABLE and device.name == "cpu"
    if asked and not possible:
        raise ValueError("parallel is 'processes', which need device='cpu', and Linux or macOS: use 'threads'")
    if device.name == "cpu":
        keep_freed_memory()
    likely = parallel is None and possible and count > 1 and steps >= WORTH and task.teacher is None
    if asked or likely:
        try:
            pool = ProcessPool(task, count)
        except (ValueError, WorkerError):
            if asked:
                raise
        else:
            with closing(pool):
                yield pool.open
            return
    yield lambda: worker_pool(count)
