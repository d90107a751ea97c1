"""Two steps of training against the formulas written out, and what makes one step, epoch and run unlike another."""

import dataclasses

import numpy as np
import pytest

from minivit import TrainConfig, Trainer, ViT, ViTConfig
from minivit.train.augment import random_affine
from minivit.train.optimizer import CHUNK

CONFIG = ViTConfig(
    image_size=8, patch_size=4, channels=1, classes=5, width=64, depth=1, heads=2, mlp_ratio=2,
    dropout=0.1, drop_path=0.2, image_mean=0.4, image_std=0.3,
)  # fmt: skip
RECIPE = TrainConfig(
    epochs=2, batch_size=20, shard_size=12, learning_rate=0.02, warmup=0.25, weight_decay=0.3, betas=(0.8, 0.95),
    clip_norm=0.05, label_smoothing=0.1, shift=1.0, rotation=15.0, scale=0.2,
)  # fmt: skip
SEED = 7


def trainer_of(recipe=RECIPE, seed=SEED, count=50, **options):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
    model = ViT(CONFIG, seed=2, init="fan_in", **options)
    return Trainer(model, images, rng.integers(0, 5, count), recipe, seed)


class InTurn:
    """A pool that takes the shards in turn, and notes them."""

    def __init__(self):
        self.shards = []

    def map(self, task, shards):
        for shard in shards:
            self.shards.append(shard)
            yield task(shard)


def test_two_steps_are_the_formulas_written_out():
    """Every line of a step by itself: order, augmentation, dropout, smoothed labels, shards, clipping, AdamW, rate."""
    trainer = trainer_of(dtype=np.float64)
    assert trainer.params.buffer.size > CHUNK
    model = ViT(CONFIG, seed=2, init="fan_in", dtype=np.float64)
    theta = {name: array.copy() for name, array in model.params.items()}
    mean, square = ({name: np.zeros_like(array) for name, array in theta.items()} for _ in range(2))
    order = np.random.default_rng(np.random.SeedSequence((SEED, 0, 1))).permutation(50)
    for step, rate in ((1, 0.02), (2, 0.02 * (1 + np.cos(np.pi / 4)) / 2)):  # four steps, of which one warms up
        rows = order[20 * (step - 1) : 20 * step]
        loss, grads = 0.0, {name: np.zeros_like(array) for name, array in theta.items()}
        for i, part in enumerate((rows[:12], rows[12:])):
            rng = np.random.default_rng(np.random.SeedSequence((SEED, step, i)))
            pixels = random_affine(trainer.images[part] / 255, rng, shift=1.0, rotation=15.0, scale=0.2)
            for name in theta:
                model.params[name][...] = theta[name]
            logits, cache = model.forward((pixels - 0.4) / 0.3, rng)
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            target = 0.9 * np.eye(5)[trainer.labels[part]] + 0.1 / 5
            loss -= np.sum(target * np.log(p)) / 20
            for name, grad in model.backward((p - target) / 20, cache)[0].items():
                grads[name] += grad
        length = np.sqrt(sum(np.sum(grad * grad) for grad in grads.values()))
        assert length > 0.05  # it bites
        for name, grad in grads.items():
            grad = grad * 0.05 / length
            mean[name] = 0.8 * mean[name] + 0.2 * grad
            square[name] = 0.95 * square[name] + 0.05 * grad**2
            if name.endswith("weight") and grad.ndim == 2:
                theta[name] = theta[name] - rate * 0.3 * theta[name]
            m, v = mean[name] / (1 - 0.8**step), square[name] / (1 - 0.95**step)
            theta[name] = theta[name] - rate * m / (np.sqrt(v) + 1e-8)
        assert trainer.step(InTurn()) == pytest.approx(loss, rel=1e-12)
        for name in theta:
            np.testing.assert_allclose(trainer.model.params[name], theta[name], rtol=0, atol=1e-10, err_msg=name)


def seeds_of(trainer):
    pool = InTurn()
    for _ in range(trainer.steps):
        trainer.step(pool)
    return [shard.seed for shard in pool.shards]


def test_every_shard_of_every_step_and_run_draws_from_a_seed_of_its_own():
    """And none is a seed of the shuffles, (seed, 0, epoch), or one that NumPy takes for another: zeros at the end."""
    seeds = seeds_of(trainer_of()) + seeds_of(trainer_of(seed=SEED + 1))
    assert len(seeds) == 2 * 2 * 2 * 2 == len(set(seeds))  # runs, epochs, steps, shards
    shuffles = [(seed, 0, epoch) for seed in (SEED, SEED + 1) for epoch in (1, 2)]
    states = {tuple(np.random.SeedSequence(seed).generate_state(4)) for seed in seeds + shuffles}
    assert len(states) == len(seeds) + len(shuffles)


def test_every_epoch_of_every_run_has_an_order_of_its_own():
    runs = [trainer_of(seed=seed).batches for seed in (0, 1, 2)]
    orders = {tuple(np.concatenate([run.rows(2 * e + s) for s in (1, 2)]).tolist()) for run in runs for e in range(3)}
    assert len(orders) == 9


def test_an_image_is_moved_once_and_each_by_its_own_draw(monkeypatch):
    moved = []

    def noted(pixels, rng, **moves):
        moved.append((pixels.copy(), moves))
        return pixels

    monkeypatch.setattr("minivit.train.shards.random_affine", noted)
    trainer = trainer_of()
    trainer.step(InTurn())
    assert [pixels.shape for pixels, _ in moved] == [(12, 8, 8, 1), (8, 8, 8, 1)]
    assert all(moves == dict(shift=1.0, rotation=15.0, scale=0.2, elastic=0.0, move=None) for _, moves in moved)
    rows = np.random.default_rng(np.random.SeedSequence((SEED, 0, 1))).permutation(50)[:20]
    given = trainer.images[rows].astype(np.float32) / 255  # as pixels in [0, 1], not normalised
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in moved]), given)


def test_an_epochs_loss_is_the_mean_of_its_own_steps():
    trainer, losses = trainer_of(), []
    for _ in range(2):
        losses.append([trainer.step(InTurn()) for _ in range(2)])
        trainer.end_epoch(test_loss=1.0)
    assert trainer.epoch_losses == []
    for epoch, (record, own) in enumerate(zip(trainer.history, losses, strict=True), start=1):
        assert record["train_loss"] == sum(own) / 2 and record["test_loss"] == 1.0
        assert (record["epoch"], record["steps"]) == (epoch, 2 * epoch)
        assert record["learning_rate"] == trainer.learning_rate(2 * epoch)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_no_number_is_refused_though_the_loss_is_one(bad):
    trainer = trainer_of(dataclasses.replace(RECIPE, clip_norm=1e9))
    before = trainer.params.buffer.copy()

    class Broken(InTurn):
        def map(self, task, shards):
            for i, gradient in enumerate(super().map(task, shards)):
                if i == 1:  # of the last shard, one number
                    trainer.params.views(gradient.grads)["blocks.0.attn.proj.bias"][3] = bad
                yield gradient

    said = r"the loss is 1\.\d+ at step 1 of 4 .*; gradients not finite: blocks\.0\.attn\.proj\.bias\."
    with pytest.raises(FloatingPointError, match=said):
        trainer.step(Broken())
    np.testing.assert_array_equal(trainer.params.buffer, before)
    assert trainer.step_count == 0 and trainer.epoch_losses == [] and not trainer.optimizer.mean.any()


@pytest.mark.parametrize(
    ("warmup", "peak"),
    [(0.0, 0), (0.15, 1), (0.3, 1), (0.4, 2), (0.625, 2), (0.63, 3)],  # of four steps: 0, 0.6, 1.2, 1.6, 2.5, 2.52
)
def test_the_warm_up_is_rounded_to_whole_steps_and_a_half_to_the_even_one(warmup, peak):
    trainer = trainer_of(dataclasses.replace(RECIPE, warmup=warmup))
    rates = [trainer.learning_rate(step) for step in range(1, 5)]
    rising = [0.02 * step / peak for step in range(1, peak + 1)]
    falling = [0.01 * (1 + np.cos(np.pi * n / (5 - peak))) for n in range(1, 5 - peak)]
    assert rates == pytest.approx(rising + falling, rel=1e-12)
