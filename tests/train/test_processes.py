"""Worker processes give the threads' bits, tell their errors as threads would, and leave nothing behind."""

import dataclasses
import functools
import os
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from centred import CONFIG as CENTRED
from centred import MEAN, Centred, running_mean_backward, running_mean_forward

from minivit import TrainConfig, Trainer, ViT, fit, ops
from minivit.devices.workers import worker_pool
from minivit.train.processes import AVAILABLE, ProcessPool
from minivit.train.shards import batch_gradient

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="workers get open files, which Windows does not hand on")

# Five shards, the last of four images: 2 workers take them in three groups, 3 in two, 4 in two with one left over.
UNEVEN = TrainConfig(epochs=1, batch_size=40, shard_size=9)


def steps(trainer, pool, count=2):
    losses = [trainer.step(pool) for _ in range(count)]
    state = [getattr(trainer.optimizer, name).tobytes() for name in trainer.optimizer.state]
    buffers = {name: value.tobytes() for name, value in trainer.model.buffers.items()}
    return losses, trainer.params.buffer.tobytes(), state, buffers


def with_threads(trainer, count=2):
    with worker_pool(2) as pool:
        return steps(trainer, pool, count)


def with_processes(trainer, workers, count=2):
    with closing(ProcessPool(trainer.task, workers)) as opened, opened.open() as pool:
        return steps(trainer, pool, count)


# ---- the same bits ---------------------------------------------------------------------------------------------------


def test_any_number_of_workers_gives_the_bits_of_threads(make_trainer):
    expected = with_threads(make_trainer(recipe=UNEVEN))
    for workers in (1, 2, 3, 4):
        assert with_processes(make_trainer(recipe=UNEVEN), workers) == expected, workers


def test_float64_sgd_and_images_of_float32_too(make_trainer):
    recipe = dataclasses.replace(UNEVEN, optimizer="sgd", learning_rate=0.05)

    def trainer():
        whole = make_trainer(recipe=recipe, dtype=np.float64)
        raw = (whole.images / 255).astype(np.float32)
        return Trainer(whole.model, raw, whole.labels, recipe, seed=3)

    assert with_processes(trainer(), 2) == with_threads(trainer())


def test_a_buffer_is_handed_to_the_workers_and_comes_back(digits, monkeypatch):
    """Its operation is this test's own: the workers, which import minivit anew, must have it, too."""
    monkeypatch.setattr(ops, "running_mean_forward", running_mean_forward, raising=False)
    monkeypatch.setattr(ops, "running_mean_backward", running_mean_backward, raising=False)

    def trainer():
        model = Centred(CENTRED, init="fan_in", seed=2)
        return Trainer(model, digits.train_images[:200], digits.train_labels[:200], UNEVEN, seed=3)

    expected = with_threads(trainer())
    assert with_processes(trainer(), 2) == expected and list(expected[3]) == [MEAN]


def half_forward(x, **options):
    return x / 2, None


def half_backward(dy, cache):
    return dy / 2


def test_an_operation_of_this_program_s_is_that_of_the_workers(make_trainer, monkeypatch):
    monkeypatch.setattr(ops, "gelu_forward", half_forward)
    monkeypatch.setattr(ops, "gelu_backward", half_backward)
    assert with_processes(make_trainer(), 2, 1) == with_threads(make_trainer(), 1)


def test_an_operation_that_only_this_program_has_is_not_replaced_in_silence(make_trainer, monkeypatch):
    monkeypatch.setattr(ops, "gelu_forward", lambda x, **options: (x, None))
    with pytest.raises(ValueError, match=r"cannot be sent to worker processes \(.*lambda.*use threads"):
        ProcessPool(make_trainer().task, 2)


def test_a_new_value_of_the_parameters_reaches_the_workers(make_trainer):
    trainer = make_trainer(recipe=UNEVEN)
    with closing(ProcessPool(trainer.task, 2)) as opened, opened.open() as pool:
        batch = trainer.images[:40], trainer.labels[:40], (3, 1)
        before = batch_gradient(pool, trainer.task, *batch).grads
        trainer.params.buffer *= 0.5
        after = batch_gradient(pool, trainer.task, *batch).grads
    with worker_pool(1) as pool:
        expected = batch_gradient(pool, trainer.task, *batch).grads
    np.testing.assert_array_equal(after, expected)
    assert not np.array_equal(before, after)


def test_a_pool_serves_one_task(make_trainer):
    with (
        closing(ProcessPool(make_trainer().task, 1)) as pool,
        pytest.raises(ValueError, match="started for another task"),
    ):
        next(pool.map(make_trainer().task, []))


# ---- errors of the task ----------------------------------------------------------------------------------------------


class Odd(Exception):
    """It cannot be made anew from its arguments."""

    def __init__(self, one, two):
        super().__init__(one)


def vote(pixels, *, fail_in=None, error=ValueError):
    """A teacher that worker processes can import; it fails where a shard has so many images."""
    if len(pixels) == fail_in:
        mistake = error("no", 1) if error is Odd else error("no vote today")
        mistake.add_note("a note")
        raise mistake
    return np.eye(10)[np.full(len(pixels), 3)]


def student(make_trainer, teacher, **options):
    config = dataclasses.replace(make_trainer().model.config, distilled=True)
    model = ViT(config, seed=3, init="fan_in")
    recipe = TrainConfig(epochs=1, batch_size=40, shard_size=24, distillation="hard")  # the worker's has 16 images
    whole = make_trainer()
    return Trainer(model, whole.images, whole.labels, recipe, seed=3, teacher=teacher, **options)


def in_other_shards(trainer):
    """None of 16 or 24 images, so that nobody fails."""
    trainer.task.config = dataclasses.replace(trainer.config, shard_size=21)
    return trainer


@pytest.mark.parametrize(("fail_in", "error"), [(16, ValueError), (16, Odd), (24, ValueError)])
def test_an_error_arrives_with_type_and_notes_and_the_pool_still_works(make_trainer, fail_in, error):
    trainer = student(make_trainer, functools.partial(vote, fail_in=fail_in, error=error))
    with closing(ProcessPool(trainer.task, 2)) as opened, opened.open() as pool:
        with pytest.raises(RuntimeError if error is Odd else error) as caught:
            trainer.step(pool)
        assert str(caught.value) == ("Odd: no" if error is Odd else "no vote today")
        notes = "\n".join(caught.value.__notes__)
        assert notes.startswith("a note")
        assert (fail_in == 24) != ("in a worker process" in notes and "test_processes.py" in notes)
        again = steps(in_other_shards(trainer), pool, 1)
    assert again == with_threads(in_other_shards(student(make_trainer, vote)), 1)


def test_bad_labels_in_a_worker_s_shard_are_told_as_in_any_other(make_trainer):
    trainer = make_trainer(recipe=TrainConfig(batch_size=40, shard_size=24))
    with closing(ProcessPool(trainer.task, 2)) as opened, opened.open() as pool:
        images, labels = trainer.images[:40], trainer.labels[:40].copy()
        labels[30] = 12  # in the worker's shard
        with pytest.raises(ValueError, match="labels go from 0 to 12, expected 0 … 9"):
            batch_gradient(pool, trainer.task, images, labels, (3, 1))


# ---- a teacher, and what cannot be sent ------------------------------------------------------------------------------


def test_teachers_that_can_be_sent_give_the_bits_of_threads(make_trainer):
    for teacher in (vote, ViT(make_trainer().model.config, seed=9)):
        expected = with_threads(student(make_trainer, teacher), 1)
        assert with_processes(student(make_trainer, teacher), 2, 1) == expected


def test_teachers_that_cannot_be_sent_are_refused_in_words(make_trainer):
    answers = np.zeros(10)

    def closure(pixels):
        return np.tile(answers, (len(pixels), 1))

    for teacher in (closure, lambda pixels: np.zeros((len(pixels), 10))):
        trainer = student(make_trainer, teacher)
        with pytest.raises(ValueError, match=r"model or its teacher cannot be sent to worker processes \(.*threads"):
            fit(trainer, trainer.images, trainer.labels, workers=2, parallel="processes", progress=False)
        assert trainer.step_count == 0
        with_threads(trainer, 1)


# ---- whole programs --------------------------------------------------------------------------------------------------

SCRIPT = """
import minivit
{teacher}
digits = minivit.load_mnist()
images, labels = digits.train_images[:200], digits.train_labels[:200]
size = dict(image_size=28, patch_size=14, channels=1, classes=10, width=16, depth=1, heads=2)
config = minivit.ViTConfig(**size, distilled={d})
recipe = minivit.TrainConfig(epochs=1, batch_size=40, shard_size=20, distillation={d} and "hard" or None)
trainer = minivit.Trainer(minivit.ViT(config), images, labels, recipe{given})
print("once")
minivit.fit(trainer, images, labels, workers=2, parallel="processes", progress=False)
print(trainer.history[-1]["train_loss"])
"""


def run_script(folder, text):
    (folder / "script.py").write_text(text)
    (folder / "votes.py").write_text("import numpy as np\ndef ask(pixels): return np.zeros((len(pixels), 10))\n")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, os.path.relpath(folder / "script.py", elsewhere)]
    return subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize("teacher", [None, "votes.ask"])
def test_a_script_without_a_guard_in_another_folder_runs_once(tmp_path, teacher):
    given = f", teacher={teacher}" if teacher else ""
    text = SCRIPT.format(teacher="import votes" if teacher else "", d=bool(teacher), given=given)
    done = run_script(tmp_path, text)
    once, loss = done.stdout.split()
    assert once == "once" and float(loss) > 0 and done.returncode == 0, done.stderr


def test_a_teacher_of_main_is_refused_in_words(tmp_path):
    teacher = "def ask(pixels): return [[0.0] * 10] * len(pixels)"
    done = run_script(tmp_path, SCRIPT.format(teacher=teacher, d=True, given=", teacher=ask"))
    assert done.returncode == 1 and done.stdout == "once\n"
    assert "ValueError: the model or its teacher cannot be sent to worker processes (" in done.stderr
