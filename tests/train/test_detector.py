"""Detectors in the one training loop: new canvases in every step, the same bits for any workers, and resumed."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from minivit import Trainer, fit, load, load_canvas, resume, save_checkpoint, train_detector
from minivit.__main__ import main
from minivit.data import Canvases
from minivit.devices.workers import worker_pool
from minivit.inspect import best_guesses
from minivit.model.targets import unpack_targets
from minivit.train import detector
from minivit.train.detection import evaluate_detector
from minivit.train.detector import DETECTORS, detector_trainer

SHORT = dict(epochs=2, steps_per_epoch=2, batch_size=8, shard_size=2)
TEST = load_canvas("test", 6)


def bits(trainer):
    return trainer.params.buffer.tobytes()


def trained(name, workers, parallel="threads"):
    trainer = detector_trainer(name, **SHORT)
    fit(trainer, *TEST, workers=workers, parallel=parallel, progress=False)
    return trainer


@pytest.fixture(scope="module", params=DETECTORS)
def one(request):
    return request.param, trained(request.param, workers=1)


def test_any_number_of_workers_gives_the_same_bits(one):
    name, alone = one
    assert bits(trained(name, workers=2)) == bits(trained(name, workers=4)) == bits(alone)
    assert bits(trained(name, workers=2, parallel="processes")) == bits(alone)
    assert alone.history[-1]["steps"] == 4 and 0 <= alone.history[-1]["test_ap50"] <= 1


def test_a_run_goes_on_to_the_same_bits(one, tmp_path):
    name, whole = one
    trainer = detector_trainer(name, **SHORT)
    with worker_pool(1) as pool:
        for _ in range(3):  # not at the end of an epoch
            trainer.step(pool)
    save_checkpoint(trainer, tmp_path / "c.npz")
    resumed = resume(tmp_path / "c.npz", Canvases("train", seed=0), None)
    fit(resumed, *TEST, workers=1, progress=False)
    assert bits(resumed) == bits(whole)
    with pytest.raises(ValueError, match="was trained on other images or labels"):
        resume(tmp_path / "c.npz", Canvases("train", seed=1), None)


def test_every_step_has_canvases_of_its_own():
    """Those of the run's seed, one after another."""
    trainer = detector_trainer("sparse", seed=3, **SHORT)
    images, targets = load_canvas("train", 24, seed=3)
    for step in (1, 3):
        rows = slice((step - 1) * 8, step * 8)
        its_images, packed = trainer.batches(step)
        assert np.array_equal(its_images, images[rows])
        for mine, theirs in zip(unpack_targets(packed), targets[rows], strict=True):
            assert np.array_equal(mine["labels"], theirs["labels"]) and np.array_equal(mine["boxes"], theirs["boxes"])


def test_a_shards_share_is_that_of_its_objects():
    """The gradient of a batch in one piece is the sum of its shards', however the objects are dealt out."""
    gradients = []
    for shard_size in (8, 3):
        trainer = detector_trainer("deformable", **SHORT | {"shard_size": shard_size})
        with worker_pool(1) as pool:
            loss = trainer.step(pool)
        gradients.append((loss, trainer.optimizer.mean.copy()))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-5)
    assert np.abs(gradients[0][1] - gradients[1][1]).max() <= 1e-4 * np.abs(gradients[0][1]).max()


def test_a_detector_learns_from_arrays_too_and_from_empty_images():
    images, targets = load_canvas("train", 16)
    targets[3] = {"labels": np.zeros(0, int), "boxes": np.zeros((0, 4))}
    images[3] = 0
    model = detector_trainer("deformable").model
    config = dataclasses.replace(DETECTORS["deformable"].train, epochs=1, batch_size=8, steps_per_epoch=None)
    trainer = Trainer(model, images, targets, config)
    history = fit(trainer, images, targets, workers=1, progress=False)
    assert history[0]["steps"] == 2 and np.isfinite(history[0]["train_loss"])


class Oracle:
    """A detector of pictures that are wider than high, which knows what there is; or half of it."""

    def __init__(self, model, answers):
        self.device, self.config, self.checked_targets = model.device, model.config, model.checked_targets
        self.answers = iter(answers)

    def detect(self, images):
        return [next(self.answers) for _ in images]


def test_who_knows_all_has_a_precision_of_one_and_who_knows_half_a_half():
    targets = [
        {"labels": np.array([2, 3]), "boxes": np.array([[0.5, 0.5, 0.2, 0.4], [0.1, 0.2, 0.1, 0.2]])} for _ in range(20)
    ]
    all_of_it = {
        "scores": np.array([0.9, 0.8]),
        "labels": np.array([2, 3]),
        "boxes": np.array([[32.0, 9, 48, 21], [4, 3, 12, 9]]),
    }
    model, images = detector_trainer("sparse").model, np.zeros((20, 30, 80, 1), np.uint8)
    half = {name: array[:1] for name, array in all_of_it.items()}
    for answer, expected in ((all_of_it, 1), (half, 0.5)):
        found = evaluate_detector(Oracle(model, [answer] * 20), images, targets, workers=1)
        assert found.ap == pytest.approx(expected) and found.ap50 == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"shift": 2.0}, "a detector's recipe has shift, which would not move its boxes"),
        ({"label_smoothing": 0.1}, "a detector's recipe has label_smoothing"),
        ({"steps_per_epoch": None}, "has no end: the recipe needs steps_per_epoch"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        detector_trainer("sparse", **changes)


def test_data_that_makes_no_sense_is_refused():
    images, targets = load_canvas("train", 16)
    trainer = detector_trainer("sparse", **SHORT)
    for given, told in (
        ((images.repeat(3, axis=3), targets), r"expected \(n, height, width, 1\)"),
        ((images, targets[:5]), "5 targets for 16 images"),
        ((Canvases(), targets), "which brings its own"),
    ):
        with pytest.raises(ValueError, match=told):
            Trainer(trainer.model, *given, trainer.config)
    with pytest.raises(ValueError, match="detector is 'yolo', expected one of 'deformable'"):
        detector_trainer("yolo")


@pytest.fixture
def short(monkeypatch):
    """Recipes of a second."""
    for name, recipe in DETECTORS.items():
        monkeypatch.setitem(DETECTORS, name, recipe._replace(train=dataclasses.replace(recipe.train, **SHORT)))
    monkeypatch.setattr(detector, "TEST", 6)


PICTURES = {"curves.png", "detections.png", "precision_recall.png", "queries.png", "rounds.png"}
OWN = {"detr": {"attention.png"}, "deformable": {"sampling.png"}, "sparse": set()}


@pytest.mark.parametrize("name", DETECTORS)
def test_the_command_line_trains_resumes_and_detects(name, short, tmp_path, capsys, request):
    out = tmp_path / "run"
    assert main(["train", "--architecture", name, "--workers", "1", "--out", str(out)]) == 0
    assert "AP50 on canvases with digits that it has not seen: 0." in capsys.readouterr().out
    names = {path.name for path in out.iterdir()}
    assert names == {"model.npz", "history.json", "checkpoint.npz"} | PICTURES | OWN[name]
    history = json.loads((out / "history.json").read_text())
    model = load(out / "model.npz")
    assert history[-1]["test_ap50"] == evaluate_detector(model, *TEST).ap50

    request.getfixturevalue("unpainted")  # from here on
    assert main(["train", "--resume", str(out / "checkpoint.npz"), "--out", str(out)]) == 0  # it is done already
    assert json.loads((out / "history.json").read_text()) == history
    assert main(["train", "--resume", str(out / "checkpoint.npz"), "--data", "full"]) == 2
    assert "a detector learns from canvases of the digits that ship: leave out --data" in capsys.readouterr().err

    assert main(["eval", "--model", str(out / "model.npz")]) == 0
    assert capsys.readouterr().out.startswith(f"AP50 {history[-1]['test_ap50']:.3f}, AP75")

    picture, drawn = tmp_path / "canvas.png", tmp_path / "boxes.png"
    Image.fromarray(TEST[0][1, ..., 0]).save(picture)
    assert main(["detect", str(picture), "--model", str(out / "model.npz"), "--sure", "0", "--out", str(drawn)]) == 0
    found = best_guesses(model.detect(TEST[0][1:2])[0])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{picture}: {len(found['labels'])} found"
    x0, y0, x1, y1 = found["boxes"][0]
    assert main(["predict", str(picture), "--model", str(out / "model.npz")]) == 2
    assert "use `minivit detect`" in capsys.readouterr().err
    first = f"{found['labels'][0]:>4}  {found['scores'][0]:6.1%}  x {x0:.0f} to {x1:.0f}, y {y0:.0f} to {y1:.0f}"
    assert lines[1].strip() == first.strip()
    with Image.open(drawn) as image:
        assert min(image.size) > 500


@pytest.mark.usefixtures("unpainted")
def test_boxes_are_told_in_the_pixels_of_the_picture_that_was_given(short, tmp_path, capsys):
    train_detector("sparse", workers=1, out=tmp_path, progress=False)
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    Image.fromarray(TEST[0][0, ..., 0]).save(small)
    Image.new("RGB", (640, 320), "white").save(large)
    model = str(tmp_path / "model.npz")
    assert main(["detect", str(large), "--model", model, "--sure", "0", "--out", str(tmp_path / "d.png")]) == 0
    (blank,) = load(model).detect([np.zeros((32, 64, 1), np.uint8)])
    assert f"x {10 * blank['boxes'][0][0]:.0f} to" in capsys.readouterr().out.splitlines()[1]


@pytest.mark.usefixtures("unpainted")
def test_a_checkpoint_of_something_else_and_a_second_run_are_refused(short, tmp_path):
    result = train_detector("deformable", workers=1, out=tmp_path / "a", progress=False)
    assert result.precision.ap50 == result.history[-1]["test_ap50"]
    with pytest.raises(FileExistsError, match="earlier run"):
        train_detector("deformable", out=tmp_path / "a", progress=False)
    with pytest.raises(ValueError, match="is a run of 'deformable', not of 'sparse'"):
        train_detector("sparse", resume=tmp_path / "a" / "checkpoint.npz", progress=False)
    with pytest.raises(ValueError, match="leave out seed"):
        train_detector(seed=1, resume=tmp_path / "a" / "checkpoint.npz", progress=False)
