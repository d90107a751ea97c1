"""A model that says the same of all images is noticed, and one that learns, however little, is not."""

import dataclasses

import numpy as np
import pytest

from minivit import TrainConfig, fit
from minivit.train.evaluation import is_silent, measure
from minivit.train.progress import SILENT

RECIPE = TrainConfig(epochs=2, batch_size=40, shard_size=16)  # as make_trainer's
LABELS = np.repeat(np.arange(4), [4, 3, 2, 1])


def measured(probabilities):
    """What `measure` would give of one answer (K,) for all ten images."""
    loss = -np.mean(np.log(probabilities)[LABELS])
    return {"test_loss": loss, "test_accuracy": np.mean(np.argmax(probabilities) == LABELS)}


@pytest.mark.parametrize("answer", [[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.1, 0.1, 0.7]])
def test_one_answer_for_all_is_silence(answer):
    assert is_silent(measured(np.array(answer)), LABELS)  # the first: the labels' own frequencies, the best there is


def test_a_better_loss_or_accuracy_is_none():
    best = measured(np.array([0.4, 0.3, 0.2, 0.1]))
    assert not is_silent(best | {"test_loss": best["test_loss"] - 1e-6}, LABELS)
    assert not is_silent(best | {"test_accuracy": 0.5}, LABELS)


def test_nothing_can_be_said_of_one_class_or_of_no_labels():
    assert not is_silent({"test_loss": 0.3, "test_accuracy": 1.0}, LABELS[:4])
    assert not is_silent({"test_loss": 0.3}, None)


@pytest.mark.parametrize(
    ("dead", "warmup", "warned"),
    [(True, 0.1, 2), (True, 0.5, 1), (False, 0.1, 0)],
    ids=["dead", "dead in the warm-up", "alive"],
)
def test_a_run_that_falls_silent_says_so(make_trainer, digits, capsys, dead, warmup, warned):
    trainer = make_trainer(count=800, recipe=dataclasses.replace(RECIPE, warmup=warmup))
    if dead:  # the head sees zeros and multiplies them by zeros: no gradient but its bias's
        params = trainer.params.views(trainer.params.buffer)
        params["norm.weight"][:] = params["head.weight"][:] = 0
    test = digits.test_images[:200], digits.test_labels[:200]
    fit(trainer, *test, workers=1)
    assert capsys.readouterr().out.count(SILENT) == warned
    assert is_silent(measure(trainer.model, *test), test[1]) == dead
