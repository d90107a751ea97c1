"""examples/micro.py, the whole ViT on one page: it stays one page, its gradients are right, and it learns."""

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import minivit
from minivit.data import load_mnist

PAGE = Path(__file__).parents[1] / "examples" / "micro.py"
BOUND = 1e-6  # on the relative error of every number of every gradient; 2.2e-7 was measured


@pytest.fixture
def micro():
    """The module, fresh for each test. That this returns at once is a test too: importing it starts no training."""
    spec = importlib.util.spec_from_file_location("micro", PAGE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_one_page():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200
    assert max(map(len, lines)) <= 120


def test_it_imports_numpy_and_the_standard_library_alone():
    imported = set()
    for node in ast.walk(ast.parse(PAGE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.partition(".")[0])
    assert "numpy" in imported
    assert imported - {"numpy"} <= sys.stdlib_module_names


def test_every_gradient_is_that_of_differences(micro):
    assert micro.gradient_check() <= BOUND


def attention_without_scale(micro):
    right = micro.attention_backward

    def backward(dout, cache):
        dqkv, D = right(dout, cache), cache[0].shape[1] * cache[0].shape[3]
        dqkv[..., : 2 * D] *= cache[0].shape[3] ** 0.5  # those of q and k
        return dqkv

    return backward


def layernorm_without_mean(micro):
    right = micro.layernorm_backward

    def backward(dy, cache):
        _, rstd, gamma = cache
        dx, dgamma, dbeta = right(dy, cache)
        return dx + rstd * (dy * gamma).mean(axis=-1, keepdims=True), dgamma, dbeta

    return backward


def residual_without_skip(micro):
    right = micro.residual_backward

    def backward(dy, cache):
        dx, *grads = right(dy, cache)
        return dx - dy, *grads

    return backward


def nan_in_gelu(micro):
    return lambda dy, cache: dy * np.nan


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("attention_backward", attention_without_scale),
        ("layernorm_backward", layernorm_without_mean),
        ("residual_backward", residual_without_skip),
        ("gelu_backward", nan_in_gelu),
    ],
)
def test_the_check_catches_a_mistake(micro, monkeypatch, name, mistake):
    monkeypatch.setattr(micro, name, mistake(micro))
    assert not micro.gradient_check() <= 1e-2


def test_it_is_the_model_of_the_library(micro):
    """The same parameters in both: the same logits and the same gradients, to rounding in float64."""
    config = minivit.ViTConfig(
        image_size=28, patch_size=7, channels=1, classes=10, width=48, depth=3, heads=4, mlp_ratio=2, gelu="tanh"
    )
    rng = np.random.default_rng(0)
    params = [p + rng.normal(0, 0.1, p.shape) for p in micro.init_params(rng)]
    names = ["patch_embed.proj.weight", "patch_embed.proj.bias", "cls_token", "pos_embed"]
    for block in range(config.depth):
        for layer in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"):
            names += [f"blocks.{block}.{layer}.weight", f"blocks.{block}.{layer}.bias"]
    names += ["norm.weight", "norm.bias", "head.weight", "head.bias"]
    model = minivit.ViT(config, params=dict(zip(names, params, strict=True)))
    images, labels = rng.normal(size=(3, 28, 28)), np.array([7, 0, 3])

    logits, cache = micro.vit_forward(images, params)
    loss, dlogits = micro.cross_entropy(logits, labels)
    grads = micro.vit_backward(dlogits, cache)
    expected_loss, expected = model.loss_and_grads(images[..., None], labels)
    np.testing.assert_allclose(logits, model(images[..., None]), rtol=1e-9, atol=1e-12)
    assert loss == pytest.approx(expected_loss, rel=1e-10)
    for name, grad in zip(names, grads, strict=True):
        np.testing.assert_allclose(grad, expected[name], rtol=1e-8, atol=1e-12, err_msg=name)


def test_it_learns(micro):
    """200 steps on 2,000 digits, then 500 others. Measured: a loss of 0.76, from 2.6 at first, and 75 % right."""
    digits = load_mnist()
    images, test_images = (
        raw[..., 0].astype(np.float32) / 78.6 for raw in (digits.train_images[:2000], digits.test_images[:500])
    )
    steps = list(micro.train(images, digits.train_labels[:2000], epochs=5, batch=50, peak=5e-3))
    params, losses = steps[-1][0], [loss for _, loss in steps]
    logits, _ = micro.vit_forward(test_images, params)
    accuracy = (logits.argmax(axis=1) == digits.test_labels[:500]).mean()
    assert {p.dtype for p in params} == {logits.dtype} == {np.dtype(np.float32)}
    assert np.mean(losses[-40:]) < 1.1
    assert accuracy > 0.6


def test_gradients_stay_in_float32(micro):
    """NumPy makes float64 of float32 and a NumPy number, and all that follows would take twice the time."""
    rng = np.random.default_rng(0)
    params = [p.astype(np.float32) for p in micro.init_params(rng)]
    logits, cache = micro.vit_forward(rng.random((2, 28, 28), np.float32), params)
    loss, dlogits = micro.cross_entropy(logits, np.array([1, 2]))
    assert loss == pytest.approx(np.log(10), rel=0.5)
    assert {grad.dtype for grad in micro.vit_backward(dlogits, cache)} == {np.dtype(np.float32)}


def test_one_seed_one_result(micro):
    images, labels = np.random.default_rng(0).random((64, 28, 28), np.float32), np.arange(64) % 10
    first, second, other = (
        [loss for _, loss in micro.train(images, labels, epochs=2, batch=32, seed=seed)] for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other
