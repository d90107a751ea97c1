"""Ctrl-C in a step: the step is finished and saved, and nothing else is lost. A second one does not wait."""

import signal

import pytest

from minivit import fit
from minivit.train import resume
from minivit.train.interrupt import deferred_interrupt

pytestmark = pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="sends itself a signal")


def interrupted_in(trainer, step, times):
    """Ctrl-C, so many times, in the middle of a step: when the gradient is there, before the update."""
    update = trainer.optimizer.step

    def interrupted(grads, rate):
        if trainer.step_count + 1 == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        update(grads, rate)

    trainer.optimizer.step = interrupted
    return trainer


def run(trainer, digits, **options):
    return fit(trainer, digits.test_images[:50], digits.test_labels[:50], workers=1, progress=False, **options)


def numbers(trainer):
    history = [{k: v for k, v in record.items() if "second" not in k} for record in trainer.history]
    return trainer.params.buffer.tobytes(), trainer.optimizer.square.tobytes(), trainer.epoch_losses, history


@pytest.mark.parametrize("step", [3, 5, 7], ids=["in an epoch", "in its last step", "in the next epoch"])
def test_what_ctrl_c_saves_is_the_whole_step(make_trainer, digits, tmp_path, step):
    stopped, path = interrupted_in(make_trainer(), step, 1), tmp_path / "c.npz"
    with pytest.raises(KeyboardInterrupt):
        run(stopped, digits, checkpoint=path)
    assert stopped.step_count == step
    saved = resume(path, stopped.images, stopped.labels)
    assert saved.step_count == step and numbers(saved) == numbers(stopped)
    assert len(saved.epoch_losses) == (step - 1) % 5 + 1  # an epoch that is not measured yet is not in the history
    never = make_trainer()
    run(never, digits)
    run(saved, digits)
    assert numbers(saved) == numbers(never)


def test_a_second_ctrl_c_ends_it_in_the_middle_of_the_step(make_trainer, digits, tmp_path):
    trainer = interrupted_in(make_trainer(), 3, 2)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(trainer, digits, checkpoint=tmp_path / "c.npz")
    assert trainer.step_count == 2 and len(trainer.epoch_losses) == 2
    assert not (tmp_path / "c.npz").exists()  # nothing is written by who was told to leave at once
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_is_heard_only_within():
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupt() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupt() as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert not interrupted() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_without_a_file_saves_nothing_and_is_no_other_error(make_trainer, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(interrupted_in(make_trainer(), 2, 1), digits)
    assert list(tmp_path.iterdir()) == []
