"""The end of a worker process, from its own fault or another's: told in words, and nothing is lost or left behind."""

import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from test_processes import student, with_processes

from minivit import Trainer, fit
from minivit.train import processes, resume
from minivit.train.processes import AVAILABLE, ProcessPool, WorkerError

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="workers get open files, which Windows does not hand on")


def pids(pool):
    return [worker._process.pid for worker in pool._workers]


def is_alive(pid):
    return Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_worker_that_is_killed_in_a_step_costs_only_that_step(make_trainer, digits, tmp_path, monkeypatch, capsys):
    test, path = (digits.test_images[:50], digits.test_labels[:50]), tmp_path / "c.npz"
    whole, broken, step = make_trainer(), make_trainer(), Trainer.step
    fit(whole, *test, progress=False)

    def kill_in_the_seventh(trainer, pool):
        if trainer.step_count == 6:
            before.append((trainer.params.buffer.tobytes(), trainer.epoch_losses[:], pids(pool)))
            os.kill(pids(pool)[-1], signal.SIGSTOP)  # its shard is sent, and it never answers
            os.kill(pids(pool)[-1], signal.SIGKILL)
        return step(trainer, pool)

    before, started = [], time.monotonic()
    monkeypatch.setattr(Trainer, "step", kill_in_the_seventh)
    with pytest.raises(
        WorkerError, match=r"killed by signal 9, as Linux does where memory runs out: try fewer workers"
    ):
        fit(broken, *test, workers=3, parallel="processes", checkpoint=path)
    assert time.monotonic() - started < 10 and f"saved {path}" in capsys.readouterr().out
    monkeypatch.undo()
    resumed = resume(path, broken.images, broken.labels)
    ((parameters, losses, workers),) = before
    assert (resumed.params.buffer.tobytes(), resumed.epoch_losses) == (parameters, losses)
    assert resumed.step_count == 6 and not any(map(is_alive, workers))
    fit(resumed, *test, progress=False)
    assert resumed.params.buffer.tobytes() == whole.params.buffer.tobytes()
    assert [r["train_loss"] for r in resumed.history] == [r["train_loss"] for r in whole.history]


def leave(pixels):
    """A teacher that ends its process, where that is a worker's: it has 16 images."""
    if len(pixels) == 16:
        sys.exit(7)
    return np.zeros((len(pixels), 10))


def test_a_worker_that_ends_by_itself_is_told_with_its_status(make_trainer):
    trainer = student(make_trainer, leave)
    with (
        closing(ProcessPool(trainer.task, 2)) as opened,
        opened.open() as pool,
        pytest.raises(WorkerError, match="a worker process ended with status 7: try"),
    ):
        trainer.step(pool)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PROGRAM", "import sys; sys.exit(3)", "a worker process ended with status 3: try"),
        ("sys.executable", "/no/python", r"a worker process cannot start \(.*/no/python.*\): try"),
    ],
)
def test_a_worker_that_cannot_start_is_told_and_no_other_is_left(make_trainer, monkeypatch, name, value, message):
    monkeypatch.setattr(processes, name, value) if name == "PROGRAM" else monkeypatch.setattr(sys, "executable", value)
    with pytest.raises(WorkerError, match=message):
        ProcessPool(make_trainer().task, 3)


def test_closing_ends_the_idle_and_kills_the_busy(make_trainer):
    trainer = make_trainer()
    pool = ProcessPool(trainer.task, 3)
    workers = pids(pool)
    assert len(workers) == 2 and all(map(is_alive, workers))
    os.kill(workers[0], signal.SIGSTOP)
    pool._workers[0].busy = True  # as an interrupt leaves it, in the middle of a shard
    started = time.monotonic()
    pool.close()
    assert not any(map(is_alive, workers)) and time.monotonic() - started < processes.SECONDS


def test_the_memory_of_a_pool_is_given_back(make_trainer):
    def shared():
        return Path("/proc/self/maps").read_text().count("memfd:minivit")

    if not Path("/proc/self/maps").exists():
        pytest.skip("looks at what Linux tells of a process")
    before, files = shared(), len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with_processes(make_trainer(), 2, 1)
    assert (shared(), len(os.listdir("/proc/self/fd"))) == (before, files)
    trainer = make_trainer()
    with closing(ProcessPool(trainer.task, 2)):
        assert shared() > before  # or there would be nothing to give back
