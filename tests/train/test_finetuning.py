"""Fine-tuning: positions resized, a head of zeros for other classes, a frozen backbone; and it learns."""

import dataclasses
import io

import numpy as np
import pytest

from minivit import TrainConfig, ViT, ViTConfig, finetune
from minivit.train.finetuning import FINETUNE, for_task
from minivit.train.optimizer import FlatParameters
from minivit.train.probe import PROBE
from minivit.train.progress import Progress
from minivit.train.sgd import SGD

SIZES = dict(image_size=28, patch_size=14, channels=1, classes=10, width=16, depth=2, heads=2, mlp_ratio=2)
CONFIG = ViTConfig(**SIZES, image_mean=0.13, image_std=0.31)
SHORT = dataclasses.replace(FINETUNE, epochs=2, batch_size=50)


def model(**changes):
    return ViT(dataclasses.replace(CONFIG, **changes), seed=1, init="fan_in")


def split(digits, train=400, test=200, size=28):
    """Images and labels to train and to test; size 42: every pixel is one and a half."""
    images = [digits.train_images[:train], digits.test_images[:test]]
    if size != 28:
        places = np.arange(size) * 28 // size
        images = [x[:, places][:, :, places] for x in images]
    return images[0], digits.train_labels[:train], images[1], digits.test_labels[:test]


def snapshot(model):
    return {name: array.tobytes() for name, array in model.params.items()}


def test_sgd_equals_its_formula_and_momentum_goes_on_without_a_gradient():
    params = FlatParameters({"a.weight": np.array([[1.0, -2.0]]), "a.bias": np.array([3.0])})
    optimizer = SGD(params, momentum=0.5, decay=0.1)
    optimizer.step(np.array([1.0, 2.0, 4.0]), learning_rate=0.1)
    np.testing.assert_allclose(params.buffer, [1 - 0.01 - 0.1, -2 + 0.02 - 0.2, 3 - 0.4])  # decay spares the bias
    before = params.buffer.copy()
    SGD.step(optimizer, np.zeros(3), learning_rate=0.2)
    np.testing.assert_allclose(params.buffer, before - 0.2 * 0.5 * np.array([1, 2, 4]) - 0.02 * before * [1, 1, 0])


def test_a_new_task_gets_a_head_of_zeros_and_keeps_all_else():
    old = model(representation_size=12)
    new = for_task(old, classes=4)
    assert new.config == dataclasses.replace(old.config, classes=4, representation_size=None)
    assert new.params["head.weight"].shape == (16, 4) and not new.params["head.weight"].any()
    assert not new.params["head.bias"].any() and "pre_logits.fc.weight" not in new.params
    for name in new.params.keys() - {"head.weight", "head.bias"}:
        np.testing.assert_array_equal(new.params[name], old.params[name])
        assert not np.shares_memory(new.params[name], old.params[name])
    same = for_task(old, classes=10)
    assert same.config == old.config and snapshot(same) == snapshot(old)


def test_a_model_without_a_head_gets_one():
    new = for_task(model(classes=0), classes=10)
    assert new.params["head.weight"].shape == (16, 10) and not new.params["head.weight"].any()


def test_both_heads_of_a_distilled_model_are_replaced():
    new = for_task(model(distilled=True), classes=4)
    for name in ("head", "head_dist"):
        assert new.params[f"{name}.weight"].shape == (16, 4) and not new.params[f"{name}.weight"].any()


def test_at_another_size_the_positions_are_resized_by_the_rule_asked_for():
    old = model()
    tables = {}
    for rule in (None, "bilinear", "bicubic_align_corners"):
        new = for_task(old, image_size=42, position_resize=rule)
        assert new.config.image_size == (42, 42) and new.params["pos_embed"].shape == (1, 10, 16)
        tables[rule] = new.params["pos_embed"]
    grid = tables["bicubic_align_corners"][0, 1:].reshape(3, 3, 16)
    np.testing.assert_allclose(grid[::2, ::2].reshape(4, 16), old.params["pos_embed"][0, 1:], atol=1e-6)
    assert np.abs(tables[None] - tables["bilinear"]).max() > 1e-4


def test_it_learns_and_the_model_given_stays_as_it_was(digits):
    old = model()
    before = snapshot(old)
    new, history = finetune(old, *split(digits), recipe=dataclasses.replace(SHORT, epochs=4), progress=False)
    assert snapshot(old) == before
    assert history[-1]["train_loss"] < history[0]["train_loss"] and history[-1]["test_accuracy"] > 0.3
    assert new.config == old.config


def test_it_trains_at_another_size(digits):
    old = model()
    new, history = finetune(old, *split(digits, size=42), image_size=42, recipe=SHORT, progress=False)
    assert new.config.image_size == (42, 42) and history[1]["train_loss"] < history[0]["train_loss"]
    with pytest.raises(ValueError, match=r"images have shape \(400, 28, 28, 1\), expected \(B, 42, 42, 1\)"):
        finetune(old, *split(digits), image_size=42, progress=False)


def test_the_first_loss_of_a_new_task_is_log_k(digits):
    images, labels, *test = split(digits)
    tiny = dataclasses.replace(SHORT, epochs=1, batch_size=400, learning_rate=1e-9)
    _, history = finetune(model(), images, labels % 3, test[0], test[1] % 3, classes=3, recipe=tiny, progress=False)
    assert history[0]["train_loss"] == pytest.approx(np.log(3), abs=1e-6)


def test_without_a_recipe_it_is_the_papers(digits, monkeypatch):
    seen = []
    monkeypatch.setattr("minivit.train.finetuning.fit", lambda trainer, *test, **options: seen.append(trainer) or [])
    finetune(model(), *split(digits))
    finetune(model(), *split(digits, train=600))
    assert [trainer.config.batch_size for trainer in seen] == [400, 512]
    assert all(isinstance(trainer.optimizer, SGD) and trainer.optimizer.momentum == 0.9 for trainer in seen)
    assert all(trainer.config.weight_decay == 0 and trainer.config.clip_norm == 1 for trainer in seen)


@pytest.mark.parametrize("options", [{}, {"distilled": True}, {"pool": "gap"}], ids=str)
def test_a_frozen_backbone_stays_and_its_head_learns(digits, options):
    old = model(**options)
    recipe = dataclasses.replace(PROBE, epochs=10)
    new, history = finetune(old, *split(digits), freeze="backbone", recipe=recipe, progress=False)
    heads = {f"{name}.{kind}" for name in ("head", "head_dist") for kind in ("weight", "bias")} & new.params.keys()
    for name in new.params:
        assert np.array_equal(new.params[name], old.params[name]) == (name not in heads)
    assert history[-1]["test_accuracy"] > 0.3 and history[-1]["train_loss"] < history[0]["train_loss"]


def test_a_probe_says_how_its_features_come_along_and_no_rate_of_images(digits, capsys):
    recipe = dataclasses.replace(PROBE, epochs=2)
    _, history = finetune(model(), *split(digits), freeze="backbone", recipe=recipe)
    first, *epochs = capsys.readouterr().out.splitlines()
    images = len(split(digits)[0]) + len(split(digits)[2])
    assert first.startswith(f"features of {images}/{images} images  ") and first.endswith(" images/s")
    assert len(epochs) == 2 and not any("images/s" in line for line in epochs)
    assert all("images_per_second" not in record for record in history)


def test_the_moving_line_counts_the_features_of_a_probe():
    stream = io.StringIO()
    stream.isatty = lambda: True
    show = Progress(1, stream=stream)
    show.last -= 1  # as if it were time
    show.features(100, 400)
    assert stream.getvalue().startswith("\rfeatures of 100/400 images  ")


@pytest.mark.parametrize("distilled", [False, True])
def test_the_probes_accuracy_is_the_models(digits, distilled):
    """The head that was trained on standardised features does the same on the features themselves."""
    data = split(digits)
    recipe = dataclasses.replace(PROBE, epochs=3)
    new, history = finetune(
        model(distilled=distilled), *data, freeze="backbone", classes=10, recipe=recipe, progress=False
    )
    probabilities = new.predict(data[2])
    assert np.mean(probabilities.argmax(axis=1) == data[3]) == history[-1]["test_accuracy"]
    loss = -np.log(probabilities[np.arange(200), data[3]]).mean()
    assert loss == pytest.approx(history[-1]["test_loss"], rel=1e-4)


def test_the_probe_repeats_itself_for_any_number_of_workers(digits):
    recipe = dataclasses.replace(PROBE, epochs=2)
    options = dict(freeze="backbone", classes=10, recipe=recipe, progress=False)
    one, two = (finetune(model(), *split(digits), **options, workers=n)[0] for n in (1, 2))
    assert snapshot(one) == snapshot(two)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": "head"}, "freeze is 'head', expected None or 'backbone'"),
        ({"freeze": "backbone", "recipe": TrainConfig()}, "shift, rotation and scale must be 0"),
        ({"freeze": "backbone", "recipe": dataclasses.replace(PROBE, optimizer="adamw")}, "the optimizer 'sgd'"),
        ({"freeze": "backbone", "checkpoint": "c.npz"}, "no teacher and no checkpoint"),
        ({"classes": 3}, "labels go from 0 to 9, expected 0 … 2"),
        ({"image_size": 30}, "height 30 is not a multiple of 14"),
        ({"image_size": 42, "position_resize": "nearest"}, "method is 'nearest', expected one of"),
    ],
)
def test_what_does_not_fit_is_refused(digits, options, message):
    with pytest.raises(ValueError, match=message):
        finetune(model(), *split(digits), progress=False, **options)


def test_a_probe_needs_a_head(digits):
    with pytest.raises(ValueError, match="no head: give the number of classes"):
        finetune(model(classes=0), *split(digits), freeze="backbone", progress=False)
