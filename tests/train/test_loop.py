"""A run gives the same bits for any number of workers and through any stop; bad ends are told, not hidden."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from minivit import TrainConfig, ViT, fit
from minivit.devices.workers import worker_pool
from minivit.train import resume, save_checkpoint
from minivit.train.evaluation import evaluate
from minivit.train.shards import batch_gradient


def run(trainer, digits, **options):
    fit(trainer, digits.test_images[:100], digits.test_labels[:100], progress=False, **options)
    return trainer


def results(trainer):
    """What must be the same to the last bit. Times are not."""
    history = [{k: v for k, v in r.items() if k not in ("seconds", "images_per_second")} for r in trainer.history]
    return trainer.params.buffer.tobytes(), trainer.optimizer.mean.tobytes(), history


def test_the_number_of_workers_changes_no_bit(make_trainer, digits):
    one, two, eight = (results(run(make_trainer(), digits, workers=n)) for n in (1, 2, 8))
    assert one == two == eight


def test_another_seed_is_another_run(make_trainer, digits):
    assert results(run(make_trainer(seed=3), digits)) != results(run(make_trainer(seed=4), digits))


@pytest.mark.parametrize(
    ("stop", "evaluated"),
    [(3, False), (5, False), (5, True), (7, True)],
    ids=["in an epoch", "before an evaluation", "after it", "in the next epoch"],
)
def test_a_resumed_run_gives_the_same_bits(make_trainer, digits, tmp_path, stop, evaluated):
    whole = run(make_trainer(), digits)
    part = make_trainer()
    with worker_pool(2) as pool:
        for _ in range(stop):
            part.step(pool)
            if part.step_count == part.steps_per_epoch and evaluated:  # as fit does it
                loss, accuracy, _ = evaluate(part.model, digits.test_images[:100], digits.test_labels[:100])
                part.end_epoch(test_loss=loss, test_accuracy=accuracy, seconds=0, images_per_second=0)
    save_checkpoint(part, tmp_path / "c.npz")
    resumed = resume(tmp_path / "c.npz", part.images, part.labels)
    assert results(resumed) == results(part)
    assert results(run(resumed, digits)) == results(whole)


def test_the_gradient_of_shards_is_that_of_the_batch(make_trainer):
    recipe = TrainConfig(batch_size=40, shard_size=16, shift=0, rotation=0, scale=0)
    config = dataclasses.replace(make_trainer().model.config, dropout=0.0, drop_path=0.0)
    trainer = make_trainer(recipe=recipe, config=config, dtype=np.float64)
    images, labels = trainer.images[:40], trainer.labels[:40]
    with worker_pool(2) as pool:
        loss, grads, _ = batch_gradient(pool, trainer.task, images, labels, (0, 1))
    expected_loss, expected = trainer.model.loss_and_grads(trainer.model.normalize(images), labels)
    assert abs(loss - expected_loss) < 1e-12
    assert np.abs(grads - trainer.params.flatten(expected)).max() < 1e-12


def test_every_image_is_seen_at_most_once_an_epoch_and_the_order_changes(make_trainer):
    trainer = make_trainer(count=210)
    epochs = [np.concatenate([trainer.batches.rows(e * 5 + step) for step in range(1, 6)]) for e in range(2)]
    assert all(len(set(epoch)) == 200 for epoch in epochs)
    assert not np.array_equal(*epochs)


def test_training_learns(make_trainer, digits):
    recipe = TrainConfig(epochs=3, batch_size=50, shard_size=50, shift=0, rotation=0, scale=0)
    trainer = run(make_trainer(count=2000, recipe=recipe), digits)
    losses = [record["train_loss"] for record in trainer.history]
    assert losses[2] < losses[1] < losses[0] and trainer.history[-1]["test_accuracy"] > 0.5


def test_a_loss_that_is_no_number_stops_the_run_and_spares_the_parameters(make_trainer, digits):
    trainer = make_trainer()
    trainer.params.views(trainer.params.buffer)["blocks.1.mlp.fc1.weight"][0, 0] = np.nan
    before = trainer.params.buffer.tobytes()
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 1 of 10 \(epoch 1, learning rate"):
        run(trainer, digits)
    assert trainer.params.buffer.tobytes() == before and trainer.step_count == 0


def test_a_checkpoint_is_a_model_too(make_trainer, digits, tmp_path):
    trainer = run(make_trainer(), digits, checkpoint=tmp_path / "c.npz")
    model = ViT.load(tmp_path / "c.npz")
    assert all(np.array_equal(model.params[name], trainer.model.params[name]) for name in model.params)


def test_resuming_refuses_other_data_and_other_files(make_trainer, tmp_path):
    trainer = make_trainer()
    save_checkpoint(trainer, tmp_path / "c.npz")
    trainer.model.save(tmp_path / "m.npz")
    with pytest.raises(ValueError, match="other images or labels"):
        resume(tmp_path / "c.npz", trainer.images, trainer.labels[::-1])
    with pytest.raises(ValueError, match=r"m\.npz is not a checkpoint"):
        resume(tmp_path / "m.npz", trainer.images, trainer.labels)


def test_too_little_data_is_refused(make_trainer):
    with pytest.raises(ValueError, match=r"30 images and 30 labels, expected .* one batch of 40"):
        make_trainer(count=30)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch_size": 1.5},
        {"learning_rate": -1.0},
        {"warmup": 1.0},
        {"shift": -1},
        {"elastic": -0.5},
        {"clip_norm": 0},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(options):
    (name,) = options
    with pytest.raises((ValueError, TypeError), match=f"{name} is .*, expected"):
        TrainConfig(**options)


def test_fit_runs_in_a_thread_where_no_signals_are_heard(make_trainer, digits):
    trainer = make_trainer()
    thread = threading.Thread(target=run, args=(trainer, digits))
    thread.start()
    thread.join()
    assert trainer.step_count == trainer.steps


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_saves_says_how_to_go_on_and_loses_nothing(tmp_path):
    train = [sys.executable, "-u", "-m", "minivit", "train"]
    process = subprocess.Popen(
        [*train, "quick", "--epochs", "3", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seen = ""
    for line in process.stdout:
        seen += line
        if line.startswith("epoch 1/3"):
            process.send_signal(signal.SIGINT)
    assert process.wait() == 130, seen
    checkpoint = tmp_path / "checkpoint.npz"
    assert f"python -m minivit train --resume {checkpoint}" in seen
    again = subprocess.run([*train, "--resume", str(checkpoint)], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "epoch 3/3" in again.stdout and "epoch 1/3" not in again.stdout
    assert (tmp_path / "model.npz").exists()


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ((50, 28, 28), [3] * 50, r"images have shape \(50, 28, 28\).*grey"),
        ((50, 1, 28, 28), [3] * 50, "channels come last"),
        ((50, 28, 28, 1), [5, 14] * 25, "labels go from 5 to 14, expected 0 … 9"),
        ((50, 28, 28, 1), [3] * 49, r"labels have shape \(49,\), expected \(50,\)"),
        ((0, 28, 28, 1), [], "the batch is empty"),
    ],
)
def test_bad_data_is_refused_before_any_work(make_trainer, images, labels, message):
    trainer = make_trainer()
    images, labels = np.zeros(images, np.uint8), np.array(labels, int)
    with pytest.raises(ValueError, match=message):
        evaluate(trainer.model, images, labels)
    with pytest.raises(ValueError, match=message):
        fit(trainer, images, labels, progress=False)
    assert trainer.step_count == 0


def test_no_workers_are_refused(make_trainer, digits):
    with pytest.raises(ValueError, match="workers is 0, expected at least 1"):
        evaluate(make_trainer().model, digits.test_images, digits.test_labels, workers=0)
