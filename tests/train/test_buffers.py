"""What training changes without a gradient: a model with a running mean is trained, saved, resumed and copied."""

import numpy as np
import pytest
from centred import CONFIG, MEAN, Centred, describe, running_mean_backward, running_mean_forward

from minivit import TrainConfig, Trainer, ViT, ViTConfig, fit, ops
from minivit.devices.workers import worker_pool
from minivit.layers.parts import dense
from minivit.model.model import Model
from minivit.model.parameters import start
from minivit.train import resume, save_checkpoint
from minivit.train.evaluation import evaluate
from minivit.train.finetuning import for_task
from minivit.train.shards import batch_gradient

RECIPE = TrainConfig(epochs=2, batch_size=40, shard_size=16, learning_rate=0.01)  # the third shard has 8 images


@pytest.fixture(autouse=True)
def operation(monkeypatch):
    monkeypatch.setattr(ops, "running_mean_forward", running_mean_forward, raising=False)
    monkeypatch.setattr(ops, "running_mean_backward", running_mean_backward, raising=False)


class CentredViT(ViT):
    """The same for those who take ViTs alone."""

    describe = staticmethod(describe)


@pytest.fixture
def make(digits):
    def make(recipe=RECIPE, **options):
        model = Centred(CONFIG, **{"init": "fan_in", "seed": 2} | options)
        return Trainer(model, digits.train_images[:200], digits.train_labels[:200], recipe, seed=3)

    return make


def bits(trainer):
    return trainer.params.buffer.tobytes(), trainer.model.buffers[MEAN].tobytes()


def test_a_buffer_is_no_parameter():
    model = Centred(CONFIG)
    assert list(model.buffers) == [MEAN] and MEAN not in model.params
    np.testing.assert_array_equal(model.buffers[MEAN], np.full(6, 0.5, np.float32))
    assert repr(model).endswith("1,252 parameters, float32)") and str(model.layers).endswith(" 1,252")
    assert "centre.mean (6,) buffer" in str(model.layers)


def test_the_optimizer_has_parameters_alone(make):
    trainer = make()
    assert sorted(trainer.params.places) == ["embed.bias", "embed.weight", "head.bias", "head.weight"]
    assert trainer.params.buffer.size == 1252


def test_training_hands_a_new_value_back_and_no_call_changes_the_old():
    model = Centred(CONFIG, seed=2)
    images = np.random.default_rng(0).standard_normal((5, *CONFIG.image_shape)).astype(np.float32)
    own = dense("embed", 196, 6)(ops, model.params, ops.patchify_forward(images, (14, 14))[0]).mean(axis=(0, 1))
    _, grads = model.loss_and_grads(images, np.arange(5), np.random.default_rng(1))
    assert list(grads) == [*model.params, MEAN]
    np.testing.assert_allclose(grads[MEAN], 0.75 * 0.5 + 0.25 * own, rtol=1e-6)
    _, grads = model.loss_and_grads(images, np.arange(5))
    assert list(grads) == list(model.params)  # evaluation has none
    model(images), model.features(images), model.predict(np.clip(images, 0, 1))
    np.testing.assert_array_equal(model.buffers[MEAN], np.full(6, 0.5, np.float32))


def test_evaluation_reads_the_running_value():
    model = Centred(CONFIG, seed=2)
    images = np.random.default_rng(0).standard_normal((5, *CONFIG.image_shape)).astype(np.float32)
    before = model(images)
    assert not np.array_equal(before, model.forward(images, np.random.default_rng(1))[0])
    model.buffers[MEAN] = model.buffers[MEAN] + 1
    assert not np.array_equal(before, model(images))


def test_a_batchs_value_is_the_mean_over_its_shards_in_their_order(make):
    trainer = make(TrainConfig(batch_size=40, shard_size=16, shift=0, rotation=0, scale=0))
    model, images, labels = trainer.model, trainer.images[:40], trainer.labels[:40]
    with worker_pool(2) as pool:
        _, _, new = batch_gradient(pool, trainer.task, images, labels, (3, 1))
    parts, rng = [slice(0, 16), slice(16, 32), slice(32, 40)], np.random.default_rng(0)
    values = [model.loss_and_grads(model.normalize(images[part]), labels[part], rng)[1][MEAN] for part in parts]
    assert len({value.tobytes() for value in values}) == 3
    expected = sum(weight * value for weight, value in zip((0.4, 0.4, 0.2), values, strict=True))
    assert list(new) == [MEAN] and new[MEAN].dtype == np.float32
    np.testing.assert_array_equal(new[MEAN], expected)
    with worker_pool(1) as pool:
        before = model.buffers[MEAN]
        trainer.step(pool)
    np.testing.assert_array_equal(before, np.full(6, 0.5, np.float32))  # it may be somebody else's, too
    assert not np.array_equal(model.buffers[MEAN], before) and model.buffers[MEAN].dtype == np.float32


@pytest.mark.parametrize("workers", [2, 8])
def test_any_number_of_workers_gives_the_same_bits(make, digits, workers):
    one, many = make(), make()
    for trainer, count in ((one, 1), (many, workers)):
        fit(trainer, digits.test_images[:40], digits.test_labels[:40], workers=count, progress=False)
    assert one.step_count == 10 and bits(one) == bits(many)
    assert one.history[-1]["test_loss"] == many.history[-1]["test_loss"]


def test_models_that_share_arrays_are_trained_apart(make):
    arrays = start(describe(CONFIG), 2, np.float32, "fan_in")
    first, second = make(params=arrays), make(params=arrays)
    with worker_pool(1) as pool:
        first.step(pool)
        assert bits(first) != bits(second)
        second.step(pool)
    assert bits(first) == bits(second)
    np.testing.assert_array_equal(arrays[MEAN], np.full(6, 0.5, np.float32))


def test_it_is_saved_and_loaded_with_the_model(make, tmp_path):
    trainer = make()
    with worker_pool(1) as pool:
        trainer.step(pool)
    trainer.model.save(tmp_path / "model.npz")
    loaded = Centred.load(tmp_path / "model.npz")
    assert loaded.buffers.keys() == {MEAN} and loaded.params.keys() == trainer.model.params.keys()
    np.testing.assert_array_equal(loaded.buffers[MEAN], trainer.model.buffers[MEAN])
    images = trainer.images[:3]
    np.testing.assert_array_equal(loaded.predict(images), trainer.model.predict(images))
    with pytest.raises(ValueError, match="holds a Centred, expected a ViT"):
        ViT.load(tmp_path / "model.npz")
    del trainer.model.buffers[MEAN]
    with pytest.raises(ValueError, match=r"lacks 1 parameters of its configuration: centre\.mean"):
        trainer.model.save(tmp_path / "model.npz")


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_is_resumed_to_the_same_bits(make, tmp_path, optimizer):
    trainer = make(TrainConfig(batch_size=40, shard_size=16, optimizer=optimizer, learning_rate=0.01))
    with worker_pool(1) as pool:
        for _ in range(3):
            trainer.step(pool)
        save_checkpoint(trainer, tmp_path / "c.npz")
        resumed = resume(tmp_path / "c.npz", trainer.images, trainer.labels, kind=Centred)
        assert bits(resumed) == bits(trainer) and isinstance(resumed.model, Centred)
        for _ in range(3):
            assert trainer.step(pool) == resumed.step(pool)
    assert bits(resumed) == bits(trainer)
    with pytest.raises(ValueError, match=r"run of a Centred, expected one of .*, ViT: resume it with kind=Centred"):
        resume(tmp_path / "c.npz", trainer.images, trainer.labels)


def test_fine_tuning_takes_a_copy_along(digits):
    model = CentredViT(CONFIG, seed=2)
    model.buffers[MEAN] = np.arange(6, dtype=np.float32)
    copy = for_task(model, classes=3)
    np.testing.assert_array_equal(copy.buffers[MEAN], np.arange(6))
    assert copy.buffers[MEAN] is not model.buffers[MEAN] and isinstance(copy, CentredViT)
    assert copy.params["head.weight"].shape == (6, 3) and not copy.params["head.weight"].any()


def test_a_teacher_of_any_class_is_given_normalised_images(digits):
    teacher = Centred(CONFIG, seed=2)
    student = ViT(
        ViTConfig(image_size=28, patch_size=14, channels=1, classes=10, width=6, depth=1, heads=2, distilled=True)
    )
    recipe = TrainConfig(batch_size=20, distillation="hard")
    trainer = Trainer(student, digits.train_images[:20], digits.train_labels[:20], recipe, teacher=teacher)
    pixels = digits.train_images[:4].astype(np.float32) / 255
    np.testing.assert_array_equal(trainer.teacher(pixels), teacher(teacher.normalize(pixels)))


def test_a_model_that_is_evaluated_stays_as_it_is(make, digits):
    trainer = make()
    before = bits(trainer)
    evaluate(trainer.model, digits.test_images[:40], digits.test_labels[:40], workers=2)
    assert bits(trainer) == before and isinstance(trainer.model, Model)
