"""AdamW, clipping and the schedule, against PyTorch's numbers and against their formulas."""

from pathlib import Path

import numpy as np
import pytest

from minivit import ViT, ViTConfig
from minivit.train.optimizer import CHUNK, SLOW, AdamW, FlatParameters, adamw_update, clip_by_norm, decays
from minivit.train.schedule import warmup_cosine
from minivit.train.sgd import SGD

FIXTURE = np.load(Path(__file__).parents[1] / "fixtures" / "parity" / "ops.npz")


def test_five_steps_equal_pytorch():
    start, grads, end = (FIXTURE[f"adamw.{name}"] for name in ("start", "grads", "end"))
    params = FlatParameters({"dense.weight": start.reshape(4, 5).copy()})
    optimizer = AdamW(params, betas=(0.9, 0.999), eps=1e-8, decay=0.05)
    for grad in grads:
        optimizer.step(grad, learning_rate=0.01)
    assert np.abs(params.buffer - end).max() <= 1e-12


def test_the_models_parameters_are_views_into_the_buffer():
    model = ViT(ViTConfig(image_size=4, patch_size=2, width=8, heads=2, depth=1, classes=3))
    before = {name: array.copy() for name, array in model.params.items()}
    flat = FlatParameters(model.params)
    assert all(np.shares_memory(array, flat.buffer) for array in model.params.values())
    assert all(np.array_equal(model.params[name], before[name]) for name in before)
    assert np.array_equal(flat.flatten(before), flat.buffer)
    flat.buffer += 1
    assert all(np.array_equal(model.params[name], before[name] + 1) for name in before)


def test_weight_decay_spares_norms_biases_positions_and_the_class_token():
    params = ViT(ViTConfig(image_size=4, patch_size=2, width=8, heads=2, depth=1, classes=3, layer_scale=0.1)).params
    decayed = {name for name, param in params.items() if decays(name, param)}
    assert decayed == {
        "patch_embed.proj.weight",
        "blocks.0.attn.qkv.weight",
        "blocks.0.attn.proj.weight",
        "blocks.0.mlp.fc1.weight",
        "blocks.0.mlp.fc2.weight",
        "head.weight",
    }
    for position in ("2d", "relative"):
        config = ViTConfig(image_size=4, patch_size=2, width=8, heads=2, depth=1, classes=3, position=position)
        assert {name for name, param in ViT(config).params.items() if decays(name, param)} == decayed
    flat = FlatParameters(params)
    optimizer = AdamW(flat, decay=0.5)
    before = flat.buffer.copy()
    optimizer.step(np.zeros_like(before), learning_rate=0.1)
    for name, now in params.items():
        factor = 0.95 if name in decayed else 1
        np.testing.assert_allclose(now, flat.views(before)[name] * np.float32(factor), rtol=1e-6, err_msg=name)


def test_what_decays_comes_first_in_its_group_and_odd_sizes_at_the_end():
    """Else the next one would begin where no 16 bytes do."""
    shapes = {"a.bias": (4,), "a.weight": (4, 4), "b.bias": (3,), "b.weight": (2, 4), "c.weight": (3, 3)}
    flat = FlatParameters({name: np.zeros(shape) for name, shape in shapes.items()})
    assert list(flat.places) == ["a.weight", "b.weight", "a.bias", "c.weight", "b.bias"]
    assert flat.groups == [(slice(0, 28), 1.0, 24), (slice(28, 40), 1.0, 9)]
    flat = FlatParameters({name: np.zeros(shape) for name, shape in shapes.items()}, ("b.",))
    assert list(flat.places) == ["a.weight", "a.bias", "b.weight", "c.weight", "b.bias"]
    parts = [(slice(0, 20), 1.0, 16), (slice(20, 28), SLOW, 8), (slice(28, 37), 1.0, 9), (slice(37, 40), SLOW, 0)]
    assert flat.groups == parts


@pytest.mark.parametrize("decayed", [0, 7, CHUNK, CHUNK + 7, 3 * CHUNK + 5])
def test_what_decays_may_end_in_any_chunk(decayed):
    """And nothing decays in the chunks behind it, of which the last may be short."""
    theta, mean, square = np.ones(3 * CHUNK + 5), *np.zeros((2, 3 * CHUNK + 5))
    adamw_update(theta, mean, square, np.zeros_like(theta), decayed, 0.1, (0.9, 0.999), 1e-8, 0.5, 1)
    np.testing.assert_allclose(theta, np.where(np.arange(theta.size) < decayed, 0.95, 1), rtol=1e-15)


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_slow_parameters_take_a_tenth_of_a_step_and_the_others_the_whole(kind):
    """Each moves as it would in a model of its own, whose learning rate were its own, too."""
    rng = np.random.default_rng(0)
    shapes = {"a.offsets.weight": (3, 4), "b.weight": (2, 4), "b.bias": (3,), "a.offsets.bias": (5,)}
    start = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    steps = [{name: rng.normal(size=shape) for name, shape in shapes.items()} for _ in range(3)]

    def trained(names, rate, slow=()):
        flat = FlatParameters({name: start[name].copy() for name in names}, slow)
        optimizer = kind(flat, decay=0.5)
        for grads in steps:
            optimizer.step(flat.flatten(grads), rate)
        return flat.views(flat.buffer)

    both = trained(shapes, 0.1, slow=("offsets",))
    alone = trained(["b.weight", "b.bias"], 0.1) | trained(["a.offsets.weight", "a.offsets.bias"], 0.1 * 0.1)
    for name, array in alone.items():
        assert np.array_equal(both[name], array), name


def test_clipping_scales_only_what_is_too_long():
    grads = np.array([3.0, 4.0])
    assert clip_by_norm(grads, 10) == 5 and grads.tolist() == [3, 4]
    assert clip_by_norm(grads, 1) == 5
    np.testing.assert_allclose(grads, [0.6, 0.8])


def test_the_schedule_rises_to_its_peak_and_falls_to_nothing():
    rates = [warmup_cosine(step, 100, 10, 0.5) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([0.05 * step for step in range(1, 11)])
    assert max(rates) == rates[9] == 0.5
    assert np.all(np.diff(rates[9:]) < 0)
    assert 0 < rates[-1] < 0.001
    assert rates[54] == pytest.approx(0.25, abs=0.01)  # half way down
    assert warmup_cosine(1, 10, 0, 0.5) < 0.5  # no warm-up: the cosine starts at once
