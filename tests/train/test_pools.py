"""Threads or processes: who chooses, what a run of processes meets from outside, and that nothing is left of it."""

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minivit
from minivit import TrainConfig, ViT, fit
from minivit.devices import memory
from minivit.train import pools, train_mnist
from minivit.train.pools import shard_pools
from minivit.train.processes import AVAILABLE, ProcessPool, WorkerError

LINUX = sys.platform == "linux"


def chosen(trainer, steps=1000, workers=2, parallel=None):
    with shard_pools(trainer.task, steps, workers, parallel) as open_pool, open_pool() as pool:
        return "processes" if isinstance(pool, ProcessPool) else f"{pool._max_workers} threads"


# ---- the choice ------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_process_starts(monkeypatch):
    monkeypatch.setattr(ProcessPool, "__init__", lambda self, task, count: setattr(self, "_workers", [count]))
    monkeypatch.setattr(ProcessPool, "close", lambda self: None)


def test_processes_are_chosen_where_they_are_likely_to_win(make_trainer, no_process_starts, monkeypatch):
    trainer = make_trainer()  # three shards a batch
    assert chosen(trainer) == "processes"
    assert chosen(trainer, steps=pools.WORTH - 1) == "2 threads"
    assert chosen(trainer, workers=1) == "1 threads"
    assert chosen(trainer, workers=8, parallel="threads") == "3 threads"  # no more than a batch has shards
    assert chosen(make_trainer(recipe=TrainConfig(batch_size=40, shard_size=40))) == "1 threads"
    assert chosen(trainer, steps=1, parallel="processes") == "processes"
    trainer.task.teacher = len
    assert chosen(trainer) == "2 threads" and chosen(trainer, parallel="processes") == "processes"
    monkeypatch.setattr(pools, "AVAILABLE", False)
    assert chosen(make_trainer()) == "2 threads"


def test_one_worker_a_core_but_no_more_than_shards(make_trainer, no_process_starts, monkeypatch):
    for cores, expected in ((2, 2), (64, 3)):
        monkeypatch.setattr(pools, "cores", lambda cores=cores: cores)
        with shard_pools(make_trainer().task, 1, None, "processes") as open_pool, open_pool() as pool:
            assert pool._workers == [expected]


def test_threads_take_over_where_nobody_asked_for_processes_that_cannot_be(make_trainer, monkeypatch):
    class Local(ViT):  # no process but this one has it
        pass

    trainer = make_trainer()
    trainer.task.model = Local(trainer.model.config)
    assert chosen(trainer) == "2 threads"
    with pytest.raises(ValueError, match="the model or its teacher cannot be sent"):
        chosen(trainer, parallel="processes")
    monkeypatch.setattr(sys, "executable", "/no/python")
    assert chosen(make_trainer()) == "2 threads"
    if AVAILABLE:
        with pytest.raises(WorkerError, match="cannot start"):
            chosen(make_trainer(), parallel="processes")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parallel": "fibers"}, "parallel is 'fibers', expected one of 'threads', 'processes', or None"),
        ({"workers": 0}, "workers is 0, expected at least 1"),
        ({"workers": -1, "parallel": "processes"}, "workers is -1, expected at least 1"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_before_any_step(make_trainer, digits, options, message):
    trainer = make_trainer()
    with pytest.raises(ValueError, match=message):
        fit(trainer, digits.test_images[:50], digits.test_labels[:50], progress=False, **options)
    assert trainer.step_count == 0


def test_processes_are_refused_where_they_cannot_be(make_trainer, monkeypatch):
    monkeypatch.setattr(pools, "AVAILABLE", False)
    with pytest.raises(ValueError, match="'processes', which need device='cpu', and Linux or macOS: use 'threads'"):
        chosen(make_trainer(), parallel="processes")


# ---- what a model is in another process ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_goes_through_pickle(make_trainer, dtype):
    model = make_trainer(dtype=dtype).model
    again = pickle.loads(pickle.dumps(model))
    images = np.random.default_rng(0).standard_normal((3, *model.config.image_shape))
    assert type(again) is ViT and again.config == model.config
    assert (again.dtype, again.device.name, list(again.params)) == (model.dtype, "cpu", list(model.params))
    np.testing.assert_array_equal(again(images), model(images))
    again.params["head.bias"][...] = 7
    assert not (model.params["head.bias"] == 7).any()


# ---- what is changed in this process ---------------------------------------------------------------------------------


def test_only_a_run_tells_malloc_to_keep_memory(make_trainer, digits, monkeypatch):
    calls = []
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: calls.append(name) or memory.ctypes)  # has no mallopt
    trainer = make_trainer()
    minivit.evaluate(trainer.model, digits.test_images[:5], digits.test_labels[:5])
    with minivit.devices.workers.worker_pool(1) as pool:
        trainer.step(pool)
    assert calls == []
    fit(trainer, digits.test_images[:5], digits.test_labels[:5], progress=False)
    assert calls == [None]


# ---- a run of processes, from outside --------------------------------------------------------------------------------


def workers_of(pid):
    """Those of a run that have become programs of their own."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(pid) for pid in children if b"train.processes" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def left_behind(pids, folder):
    """Of these processes and the shared memory, after at most a hundred seconds."""
    end = time.monotonic() + 100
    while any(map(is_there, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return [pid for pid in pids if is_there(pid)] + [name for name in os.listdir("/dev/shm") if "minivit" in name]


@pytest.fixture
def run_of_processes(tmp_path):
    """python -m minivit train with two workers and one, which has begun: the process, its worker, its checkpoint."""
    if not LINUX:
        pytest.skip("looks at what Linux tells of processes")
    command = [sys.executable, "-u", "-m", "minivit", "train", "quick", "--epochs", "400"]
    options = ["--parallel", "processes", "--workers", "2", "--out", str(tmp_path)]
    with subprocess.Popen(
        command + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert "images to train" in process.stdout.readline(), process.stderr.read()
            while process.poll() is None and not (workers := workers_of(process.pid)):
                time.sleep(0.02)
            yield process, workers, tmp_path / "checkpoint.npz"
        finally:
            process.kill()


def test_one_ctrl_c_saves_and_leaves_nothing_behind(run_of_processes):
    process, workers, checkpoint = run_of_processes
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it, to all that stand in its foreground
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130 and err == ""
    assert "stopped after step " in out and f"--resume {checkpoint}" in out
    assert len(workers) == 1 and left_behind(workers, checkpoint.parent) == []


def test_two_ctrl_c_end_it_at_once(run_of_processes):
    process, workers, checkpoint = run_of_processes
    os.kill(workers[0], signal.SIGSTOP)  # the first is heard after the step, which now never ends
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 130 and err == "" and time.monotonic() - started < 5
    assert left_behind(workers, checkpoint.parent) == [] and minivit.ViT.load(checkpoint)


def test_a_killed_worker_ends_the_run_in_words(run_of_processes):
    process, workers, checkpoint = run_of_processes
    os.kill(workers[0], signal.SIGKILL)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 2 and f"saved {checkpoint}" in out and f"--resume {checkpoint}" in out
    assert err.startswith("minivit: a worker process was killed by signal 9, as Linux does") and err.count("\n") == 1
    assert left_behind(workers, checkpoint.parent) == []


def test_workers_end_with_a_run_that_is_killed(run_of_processes):
    process, workers, checkpoint = run_of_processes
    process.kill()
    assert left_behind(workers, checkpoint.parent) == [] and len(workers) == 1


@pytest.mark.skipif(not AVAILABLE, reason="no processes here")
def test_blas_s_threads_change_no_bit_between_threads_and_processes():
    """As users have it: all BLAS threads outside the steps, and an evaluation of a single shard that may use them."""
    program = """
import sys, minivit
digits = minivit.load_mnist()
config = minivit.ViTConfig(image_size=28, patch_size=7, channels=1, classes=10, width=96, depth=1, heads=2)
recipe = minivit.TrainConfig(epochs=1, batch_size=64, shard_size=32)
trainer = minivit.Trainer(minivit.ViT(config), digits.train_images[:128], digits.train_labels[:128], recipe)
minivit.fit(trainer, digits.test_images[:40], digits.test_labels[:40], workers=2, parallel=sys.argv[1], progress=False)
from threadpoolctl import threadpool_info
blas = max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
print(trainer.params.buffer.tobytes().hex()[:4000], trainer.history[0]["test_loss"], blas)
"""
    free = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    threads, processes = (
        subprocess.run([sys.executable, "-c", program, way], capture_output=True, text=True, check=True, env=free)
        for way in ("threads", "processes")
    )
    assert threads.stdout == processes.stdout


def test_the_evaluation_between_steps_has_all_of_blas(make_trainer, monkeypatch):
    """A run of processes gives BLAS back between its epochs, as one of threads does: test losses are the same bits."""
    from threadpoolctl import threadpool_info, threadpool_limits

    def blas():  # NumPy's: SciPy, where a test has loaded it, brings one of its own, which nobody here uses
        found = [library for library in threadpool_info() if library["user_api"] == "blas"]
        return {library["num_threads"] for library in found if "scipy.libs" not in library["filepath"]}

    with threadpool_limits(2, user_api="blas"), shard_pools(make_trainer().task, 1, 2, "processes") as open_pool:
        assert blas() == {2}
        with open_pool():
            assert blas() == {1}
        assert blas() == {2}


def test_train_mnist_hands_the_choice_on(monkeypatch):
    seen = {}
    monkeypatch.setattr("minivit.train.mnist.fit", lambda *data, **options: seen.update(options))
    config, recipe = minivit.train.mnist.PRESETS["quick"]
    monkeypatch.setitem(minivit.train.mnist.PRESETS, "quick", (dataclasses.replace(config, depth=1), recipe))
    train_mnist("quick", workers=3, parallel="processes", progress=False)
    assert (seen["workers"], seen["parallel"]) == (3, "processes")
