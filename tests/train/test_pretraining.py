"""Pre-training without labels: it learns, for any number of workers the same bits, and resumed the same bits again."""

import json

import numpy as np
import pytest

from minivit import TrainConfig, Trainer, ViT, finetune, fit, inspect, pretrain_mae
from minivit.__main__ import main
from minivit.devices.workers import worker_pool
from minivit.family import MAE, MAEConfig
from minivit.train import pretraining, resume, save_checkpoint
from minivit.train.evaluation import measure
from minivit.train.shards import batch_gradient

CONFIG = MAEConfig(
    image_size=28, patch_size=7, channels=1, width=16, depth=1, heads=2, decoder_width=8, decoder_depth=1,
    decoder_heads=2, image_mean=0.13, image_std=0.31,
)  # fmt: skip
RECIPE = TrainConfig(epochs=2, batch_size=40, shard_size=16, learning_rate=0.01)  # the third shard has 8 images


@pytest.fixture
def make(digits):
    def make(count=200, recipe=RECIPE, **options):
        model = MAE(CONFIG, **{"init": "fan_in", "seed": 2} | options)
        return Trainer(model, digits.train_images[:count], None, recipe, seed=3)

    return make


def bits(trainer):
    return trainer.params.buffer.tobytes()


@pytest.fixture
def small(monkeypatch):
    """The recipe of `pretrain_mae`, for a second."""
    digits = pretraining.load_mnist()
    few = type(digits)(
        digits.train_images[:200], digits.train_labels[:200], digits.test_images[:40], digits.test_labels[:40]
    )
    monkeypatch.setattr(pretraining, "load_mnist", lambda data, download: few)
    monkeypatch.setattr(pretraining, "DIGITS", CONFIG.to_dict())
    monkeypatch.setattr(pretraining, "RECIPE", RECIPE)


def test_a_batchs_gradient_is_the_weighted_sum_of_its_shards(make):
    """Each shard draws its own augmentation, and then its own noise, from its own stream."""
    trainer = make(recipe=TrainConfig(batch_size=40, shard_size=16, shift=0, rotation=0, scale=0))
    model, images = trainer.model, trainer.images[:40]
    with worker_pool(2) as pool:
        loss, grads, buffers = batch_gradient(pool, trainer.task, images, None, (3, 1))
    expected_loss, expected = 0.0, np.zeros_like(grads)
    for shard, part in enumerate((slice(0, 16), slice(16, 32), slice(32, 40))):
        rng = np.random.default_rng(np.random.SeedSequence((3, 1, shard)))
        one, more = model.loss_and_grads(model.normalize(images[part]), rng)
        weight = (part.stop - part.start) / 40
        expected_loss, expected = expected_loss + weight * one, expected + weight * trainer.params.flatten(more)
    assert loss == pytest.approx(expected_loss) and not buffers
    np.testing.assert_allclose(grads, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("workers", [2, 8])
def test_any_number_of_workers_gives_the_same_bits(make, digits, workers):
    one, many = make(), make()
    for trainer, count in ((one, 1), (many, workers)):
        fit(trainer, digits.test_images[:100], None, workers=count, progress=False)
    assert one.step_count == 10 and bits(one) == bits(many)
    assert one.history[-1]["test_loss"] == many.history[-1]["test_loss"]
    assert "test_accuracy" not in one.history[-1]


def test_it_learns_and_the_positions_stay(make, digits):
    trainer = make(400, TrainConfig(epochs=6, batch_size=40, shard_size=40, learning_rate=0.01))
    before = measure(trainer.model, digits.test_images[:100], None)["test_loss"]
    positions = {name: array.copy() for name, array in trainer.model.buffers.items()}
    history = fit(trainer, digits.test_images[:100], None, workers=1, progress=False)
    assert history[-1]["test_loss"] < 0.9 * before
    for name, array in positions.items():
        np.testing.assert_array_equal(trainer.model.buffers[name], array)


def test_a_run_is_resumed_to_the_same_bits(make, tmp_path):
    trainer = make()
    with worker_pool(1) as pool:
        for _ in range(3):
            trainer.step(pool)
        save_checkpoint(trainer, tmp_path / "c.npz")
        resumed = resume(tmp_path / "c.npz", trainer.images, None)
        assert bits(resumed) == bits(trainer) and isinstance(resumed.model, MAE)
        for _ in range(3):
            assert trainer.step(pool) == resumed.step(pool)
    assert bits(resumed) == bits(trainer)
    with pytest.raises(ValueError, match="was trained on other images or labels than these"):
        resume(tmp_path / "c.npz", trainer.images, np.zeros(200, int))


def test_labels_are_for_models_with_a_head(digits):
    images, labels = digits.train_images[:200], digits.train_labels[:200]
    with pytest.raises(ValueError, match="the model has no head"):
        Trainer(MAE(CONFIG), images, labels, RECIPE)
    with pytest.raises(TypeError, match="labels are a NoneType, expected an array"):
        Trainer(MAE(CONFIG).vit(classes=10), images, None, RECIPE)
    with pytest.raises(ValueError, match="20 images and 20 labels, expected as many of each, and at least one batch"):
        Trainer(MAE(CONFIG), images[:20], None, RECIPE)


@pytest.mark.usefixtures("small")
def test_pretrain_mae_leaves_a_model_a_history_and_a_picture(tmp_path, digits, capsys):
    result = pretrain_mae(out=tmp_path / "run", workers=1, seed=4, mask_ratio=0.5)
    assert "accuracy" not in capsys.readouterr().out
    assert [path.name for path in result.files] == ["model.npz", "history.json", "filled_in.png"]
    assert all(path.stat().st_size for path in result.files)
    assert json.loads(result.files[1].read_text()) == result.history and len(result.history) == 2
    assert result.loss == result.history[-1]["test_loss"] and result.model.config.mask_ratio == 0.5
    loaded = MAE.load(result.files[0])
    np.testing.assert_array_equal(loaded.params["mask_token"], result.model.params["mask_token"])
    tuned, history = finetune(
        result.model.vit(10), digits.train_images[:40], digits.train_labels[:40], digits.test_images[:40],
        digits.test_labels[:40], recipe=RECIPE, workers=1, progress=False,
    )  # fmt: skip
    assert isinstance(tuned, ViT) and len(history) == 2
    probed, history = finetune(
        result.model.vit(10, pool="cls"), digits.train_images[:40], digits.train_labels[:40], digits.test_images[:40],
        digits.test_labels[:40], freeze="backbone", workers=1, progress=False,
    )  # fmt: skip
    np.testing.assert_array_equal(probed.params["norm.weight"], result.model.params["norm.weight"])
    assert inspect.attention_maps(tuned, digits.test_images[:2]).shape[:3] == (1, 2, 2)


@pytest.mark.usefixtures("small")
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole = pretrain_mae(workers=1, progress=False, out=tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(trainer, path):
        save_checkpoint(trainer, path)
        if trainer.history:
            raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr("minivit.train.loop.save_checkpoint", stop)
        pretrain_mae(workers=2, progress=False, out=tmp_path / "stopped")
    resumed = pretrain_mae(resume=tmp_path / "stopped" / "checkpoint.npz", workers=1, progress=False)
    assert resumed.loss == whole.loss
    for name, array in whole.model.params.items():
        np.testing.assert_array_equal(resumed.model.params[name], array)
    with pytest.raises(ValueError, match="is resumed with its own data, seed, epochs, mask_ratio: leave out epochs"):
        pretrain_mae(resume=tmp_path / "stopped" / "checkpoint.npz", epochs=3)
    with pytest.raises(FileExistsError, match="is an earlier run's"):
        pretrain_mae(out=tmp_path / "whole", progress=False)


@pytest.mark.usefixtures("small")
def test_the_command_line(tmp_path, capsys):
    assert main(["train", "--pretrain", "mae", "--epochs", "1", "--workers", "1", "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "mean squared error of hidden patches, in images it has not seen: " in out and "filled_in.png" in out
    assert main(["train", "quick", "--pretrain", "mae", "--out", str(tmp_path / "other")]) == 2
    assert "pre-training has a recipe of its own, without labels: leave out the recipe quick" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
