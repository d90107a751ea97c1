"""A checkpoint gives back what was saved, and one that was tampered with is refused by name."""

import json
import re

import numpy as np
import pytest

from minivit import TrainConfig, train_detector
from minivit.devices.workers import worker_pool
from minivit.files import read_npz, write_npz
from minivit.train import checkpoint, resume, save_checkpoint


def spoilt_state(**changes):
    """The training state with some entries replaced, or taken away where the new value is None."""

    def spoil(state):
        return json.dumps({name: value for name, value in (state | changes).items() if value is not None})

    return {"train": spoil}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": lambda state: "{}"}, "config is None, expected dict"),
        ({"train": lambda state: "[]"}, "it is a list, expected a dict"),
        ({"train": lambda state: '{"config": '}, "Expecting value"),
        ({"train": lambda state: "[" * 100_000}, ""),
        (spoilt_state(seed=None), "seed is None, expected int"),
        (spoilt_state(history={}), "history is {}, expected list"),
        (
            spoilt_state(order=["head.weight"]),
            r"order is \['head.weight'\], expected the names of the model's parameters",
        ),
        (spoilt_state(order=7), "order is 7, expected the names of the model's parameters"),
        (spoilt_state(order=[1, "head.weight"]), "order is .*, expected the names of the model's parameters"),
        (spoilt_state(config={"colour": "red"}), "colour"),
        (spoilt_state(config={"epochs": 0}), "epochs is 0, expected at least 1"),
        ({"mean": lambda mean: np.zeros(1, np.float32)}, r"mean is float32 \(1,\), expected float32 \("),
        ({"mean": lambda mean: mean.astype(np.float64)}, r"mean is float64 \(.*, expected float32 \("),
        ({"square": lambda square: square[:-1]}, r"square is float32 \(.*, expected float32 \("),
        (
            {"mean": lambda mean: np.append(mean[1:], np.float32(np.nan))},
            r"mean holds 1 numbers of [\d,]+ that are NaN or infinite$",
        ),
        (
            {"square": lambda square: np.full_like(square, np.inf)},
            r"square holds ([\d,]+) numbers of \1 that are NaN or infinite$",
        ),
        ({"steps": lambda steps: np.array(-1)}, "steps is -1, expected 0 to 10"),
        ({"steps": lambda steps: np.array(11)}, "steps is 11, expected 0 to 10"),
        ({"steps": lambda steps: np.array([1, 2])}, r"steps is int64 \(2,\), expected int64 \(\)"),
    ],
)
def test_a_training_state_that_cannot_be_is_refused(make_trainer, tmp_path, changes, message):
    trainer, path = make_trainer(), tmp_path / "c.npz"
    save_checkpoint(trainer, path)
    arrays = read_npz(path)
    for name, change in changes.items():
        old = arrays[f"minivit.{name}"]
        arrays[f"minivit.{name}"] = np.asarray(change(json.loads(str(old)) if name == "train" else old))
    write_npz(path, arrays)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: its training state cannot be read: .*{message}"):
        resume(path, trainer.images, trainer.labels)


def test_the_optimizers_numbers_are_found_in_any_order(make_trainer, tmp_path):
    """A file says in which order its parameters are; one of another version may have another."""
    trainer, path = make_trainer(), tmp_path / "c.npz"
    with worker_pool(1) as pool:
        trainer.step(pool)
        save_checkpoint(trainer, path)
        arrays, places = read_npz(path), trainer.params.places
        order = sorted(places, reverse=True)
        for name in ("mean", "square"):
            array = arrays[f"minivit.{name}"]
            arrays[f"minivit.{name}"] = np.concatenate([array[places[parameter][0]] for parameter in order])
        arrays["minivit.train"] = np.asarray(
            spoilt_state(order=order)["train"](json.loads(str(arrays["minivit.train"])))
        )
        write_npz(path, arrays)
        resumed = resume(path, trainer.images, trainer.labels)
        assert resumed.optimizer.mean.tobytes() == trainer.optimizer.mean.tobytes()
        assert trainer.step(pool) == resumed.step(pool)
    assert trainer.params.buffer.tobytes() == resumed.params.buffer.tobytes()


def test_numpy_numbers_in_a_recipe_change_no_bit_of_a_resumed_run(make_trainer, tmp_path):
    numbers = dict(learning_rate=np.float64(3e-3), betas=np.array([0.9, 0.999]), epochs=np.int64(2))
    trainer = make_trainer(recipe=TrainConfig(batch_size=40, shard_size=16, **numbers))
    save_checkpoint(trainer, tmp_path / "c.npz")
    resumed = resume(tmp_path / "c.npz", trainer.images, trainer.labels)
    with worker_pool(1) as pool:
        for _ in range(2):
            assert trainer.step(pool) == resumed.step(pool)
    assert trainer.params.buffer.tobytes() == resumed.params.buffer.tobytes()
    assert trainer.params.buffer.dtype == np.float32


def test_a_run_with_sgd_is_resumed_to_the_same_bits(make_trainer, tmp_path):
    trainer = make_trainer(recipe=TrainConfig(batch_size=40, shard_size=16, optimizer="sgd", learning_rate=0.03))
    with worker_pool(1) as pool:
        trainer.step(pool)
        save_checkpoint(trainer, tmp_path / "c.npz")
        resumed = resume(tmp_path / "c.npz", trainer.images, trainer.labels)
        assert resumed.optimizer.velocity.any() and trainer.step(pool) == resumed.step(pool)
    assert trainer.params.buffer.tobytes() == resumed.params.buffer.tobytes()


def test_the_state_of_another_optimizer_is_refused(make_trainer, tmp_path):
    trainer, path = make_trainer(recipe=TrainConfig(batch_size=40, optimizer="sgd")), tmp_path / "c.npz"
    save_checkpoint(trainer, path)
    arrays = read_npz(path)
    arrays["minivit.train"] = np.array(str(arrays["minivit.train"]).replace('"sgd"', '"adamw"'))
    write_npz(path, arrays)
    with pytest.raises(ValueError, match="it lacks mean, which the optimizer 'adamw' needs"):
        resume(path, trainer.images, trainer.labels)


def test_resuming_reads_the_file_once(make_trainer, tmp_path, monkeypatch):
    trainer, reads = make_trainer(dtype=np.float64), []
    save_checkpoint(trainer, tmp_path / "c.npz")
    monkeypatch.setattr(checkpoint, "read_npz", lambda path: reads.append(path) or read_npz(path))
    resumed = resume(tmp_path / "c.npz", trainer.images, trainer.labels)
    assert len(reads) == 1
    assert resumed.model.dtype == np.float64
    assert resumed.params.buffer.tobytes() == trainer.params.buffer.tobytes()


def test_parameters_that_are_no_numbers_are_refused(make_trainer, tmp_path):
    trainer, path = make_trainer(), tmp_path / "c.npz"
    save_checkpoint(trainer, path)
    arrays = read_npz(path)
    arrays["head.bias"][2] = -np.inf
    write_npz(path, arrays)
    said = rf"^{re.escape(str(path))}: head.bias holds 1 numbers of [\d,]+ that are NaN or infinite$"
    with pytest.raises(ValueError, match=said):
        resume(path, trainer.images, trainer.labels)


def test_a_velocity_that_is_no_number_is_refused(make_trainer, tmp_path):
    trainer, path = make_trainer(recipe=TrainConfig(batch_size=40, optimizer="sgd")), tmp_path / "c.npz"
    save_checkpoint(trainer, path)
    arrays = read_npz(path)
    arrays["minivit.velocity"][0] = np.nan
    write_npz(path, arrays)
    with pytest.raises(
        ValueError, match=rf"^{re.escape(str(path))}: .*: velocity holds 1 numbers of [\d,]+ that are NaN"
    ):
        resume(path, trainer.images, trainer.labels)


def test_a_classifiers_run_is_not_a_detectors(make_trainer, tmp_path):
    save_checkpoint(make_trainer(), tmp_path / "c.npz")
    with pytest.raises(ValueError, match=r"c\.npz is a run of a ViT, expected a detector's on canvases"):
        train_detector(resume=tmp_path / "c.npz", progress=False)


def test_a_detector_is_started_as_it_was_asked_for(monkeypatch):
    def noted(name, seed=0, part="train", device="cpu", **changes):
        raise ValueError(f"{name}, {seed}, {device}, {changes}")

    monkeypatch.setattr("minivit.train.detector.detector_trainer", noted)
    with pytest.raises(ValueError, match=r"^detr, 3, emulator, {'epochs': 2}$"):
        train_detector("detr", seed=3, epochs=2, device="emulator", progress=False)
    with pytest.raises(ValueError, match=r"^deformable, 0, cpu, {}$"):
        train_detector(progress=False)
