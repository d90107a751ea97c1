"""What the page shows of a model is what the model does: its logits, its attention, its gradient, its steps."""

from pathlib import Path

import numpy as np
import pytest

from minivit import ViT, ViTConfig, family, load_mnist, ops
from minivit.data import TRAINED_DIGITS
from minivit.live import views
from minivit.live.practice import LEARNING_RATE, Practice
from minivit.live.walk import picture_of, source_of, walk
from minivit.proof import order_one_parameters
from minivit.train.recipes import recipe

SMALL = dict(image_size=8, patch_size=2, channels=1, classes=5, width=12, depth=3, heads=3)
VARIANTS = {
    "plain": {},
    "gap": {"pool": "gap"},
    "distilled": {"distilled": True},
    "axial": {"pool": "gap", "attention": "axial"},
    "relative": {"position": "relative"},
    "2d": {"position": "2d"},
    "registers": {"registers": 2},
}


def small(dtype=np.float64, **options):
    config = ViTConfig(**SMALL | options)
    return ViT(config, dtype=dtype, params=order_one_parameters(config))


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (1, 8, 8, 1), np.uint8)


@pytest.fixture(scope="module")
def shipped():
    return ViT.load(TRAINED_DIGITS)


@pytest.fixture(scope="module")
def digit():
    return load_mnist().test_images[:1]


def of_recipe(architecture):
    config, _ = recipe(architecture, None, "digits")
    return family.kind_of(config)(config, seed=0, init="fan_in")


@pytest.mark.parametrize("name", VARIANTS)
def test_it_sees_what_the_model_says_and_looks_at(name, image):
    model = small(**VARIANTS[name])
    seen = views.see(model, image)
    x = model.normalize(image)
    np.testing.assert_allclose(seen.logits, model(x)[0], atol=1e-12)
    np.testing.assert_allclose(np.stack(seen.maps), model.attention(x)[:, 0], atol=1e-12)
    assert seen.lens.shape == (4, 5)
    np.testing.assert_array_equal(seen.lens[-1], seen.logits)


def test_the_lens_is_the_head_on_the_tokens_of_a_shorter_model(image):
    """A model of the first i blocks, with the same norm and head, says what the lens says after block i."""
    model = small()
    lens = views.see(model, image).lens
    for depth in (1, 2):
        config = ViTConfig(**SMALL | {"depth": depth})
        wanted = ViT(config).params.keys()
        shorter = ViT(config, params={name: model.params[name] for name in wanted})
        np.testing.assert_allclose(lens[depth], shorter(shorter.normalize(image))[0], atol=1e-12)
    start = model.params["cls_token"][0] + model.params["pos_embed"][:, 0]
    p = model.params
    normed, _ = ops.layernorm_forward(start, p["norm.weight"], p["norm.bias"])
    np.testing.assert_allclose(lens[0], (normed @ p["head.weight"] + p["head.bias"])[0], atol=1e-12)


@pytest.mark.parametrize(
    ("architecture", "shapes"),
    [
        ("swin", [(3, 49, 49), (3, 49, 49), (6, 16, 16), (6, 16, 16)]),
        ("pvt", [(1, 49, 9), (2, 16, 16), (2, 16, 16)]),
        ("mobilevit", [(4, 64, 64), (4, 64, 64)]),
        ("hybrid", [(4, 50, 50)] * 2),
        ("resnet", []),
        ("bit", []),
    ],
)
def test_the_family_is_seen_where_it_has_attention(architecture, shapes, digit):
    model = of_recipe(architecture)
    seen = views.see(model, digit)
    np.testing.assert_allclose(seen.logits, model(model.normalize(digit))[0], atol=1e-6)
    assert [one.shape for one in seen.maps] == shapes
    assert (seen.lens is not None) == (architecture == "hybrid")
    for one in seen.maps:
        assert (one >= 0).all() and (one.sum(axis=-1) <= 1 + 1e-5).all()


def test_attention_in_windows_is_laid_out_on_the_grid(digit):
    """Swin's first block: windows of 4 × 4 on 7 × 7 tokens, continued by zeros to 8 × 8, not shifted."""
    model = of_recipe("swin")
    full = views.see(model, digit).maps[0]
    windows = model.attention(model.normalize(digit))[0][0]  # (windows, H, n, n)
    for window in range(4):
        for i in range(16):
            for j in range(16):
                query, key = (((window // 2) * 4 + n // 4, (window % 2) * 4 + n % 4) for n in (i, j))
                if max(*query, *key) < 7:
                    at = full[:, query[0] * 7 + query[1], key[0] * 7 + key[1]]
                    np.testing.assert_array_equal(at, windows[window, :, i, j])
    for query in range(49):  # what lies in another window is not looked at
        for key in range(49):
            if (query // 28, query % 7 // 4) != (key // 28, key % 7 // 4):
                assert (full[:, query, key] == 0).all()


def test_mobilevit_looks_at_every_second_token(digit):
    full = views.see(of_recipe("mobilevit"), digit).maps[0].reshape(4, 8, 8, 8, 8)
    np.testing.assert_allclose(full.sum(axis=(-1, -2)), 1, atol=1e-5)
    assert (full[:, 3, 2, 1::2, 0::2] > 0).all()
    assert (full[:, 3, 2, 0::2] == 0).all() and (full[:, 3, 2, :, 1::2] == 0).all()


@pytest.mark.parametrize("name", ["plain", "distilled", "gap"])
def test_the_gradient_is_that_of_the_log_odds(name, image):
    model = small(**VARIANTS[name])

    def odds(raw, k):
        p = ops.softmax_forward(model(model.normalize(raw)))[0][0, k]
        return np.log(p / (1 - p))

    raw = image / 255
    for k in (0, 3):
        value, gradient = views.pixel_gradient(model, image, k)
        assert value == pytest.approx(odds(raw, k), abs=1e-9)
        for y, x in ((0, 0), (3, 5), (7, 7)):
            step = np.zeros_like(raw)
            step[0, y, x, 0] = 1e-5
            # a stencil that leaves [0, 1] by 1e-5 would be refused: the pixels are kept inside
            inside = np.clip(raw, 2e-5, 1 - 2e-5)
            numeric = (odds(inside + step, k) - odds(inside - step, k)) / 2e-5
            assert gradient[y, x] == pytest.approx(numeric, rel=2e-3, abs=1e-6)
    assert gradient.shape == (8, 8) and np.abs(gradient).max() > 1e-3


def test_without_the_root_scores_are_not_divided(image):
    model = small()
    x = model.normalize(image)
    wild = views.altered(model, root=False, positions=True)
    p = model.params
    tokens, _ = ops.patchify_forward(x, (2, 2))
    z = np.concatenate((p["cls_token"], tokens @ p["patch_embed.proj.weight"] + p["patch_embed.proj.bias"]), axis=1)
    z = z + p["pos_embed"]
    h, _ = ops.layernorm_forward(z, p["blocks.0.norm1.weight"], p["blocks.0.norm1.bias"])
    qkv = h @ p["blocks.0.attn.qkv.weight"] + p["blocks.0.attn.qkv.bias"]
    q, k, _ = ops.split_heads(qkv, 3, 3)
    expected, _ = ops.softmax_forward(q @ k.swapaxes(-1, -2))
    np.testing.assert_allclose(wild.attention(x)[0], expected, atol=1e-12)


@pytest.mark.parametrize("position", ["1d", "2d"])
def test_without_positions_the_patches_are_a_heap(position, image):
    model = small(position=position)
    heap = views.altered(model, root=True, positions=False)
    tiles = image.reshape(4, 2, 4, 2).transpose(0, 2, 1, 3).reshape(16, 2, 2)
    shuffled = tiles[np.random.default_rng(1).permutation(16)]
    other = shuffled.reshape(4, 4, 2, 2).transpose(0, 2, 1, 3).reshape(1, 8, 8, 1)
    one, two = (heap(heap.normalize(x)) for x in (image, other))
    np.testing.assert_allclose(one, two, atol=1e-12)
    assert np.abs(model(model.normalize(image)) - model(model.normalize(other))).max() > 1e-3
    assert views.unalterable(model) == ""


@pytest.mark.parametrize("options", [VARIANTS["axial"], VARIANTS["relative"], {"position": "sincos2d"}])
def test_what_cannot_be_switched_off_is_said(options):
    with pytest.raises(ValueError, match="they can be switched off for full attention"):
        views.altered(small(**options), root=False, positions=True)


def test_a_grid_is_found_behind_its_other_tokens():
    assert views.grid_of(50) == (1, 7) and views.grid_of(49) == (0, 7) and views.grid_of(19, 3) == (3, 4)
    assert views.grid_of(20, 3)[1] == 0


# ---- the walk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_a_walk_goes_from_the_pixels_to_the_probabilities(name, image):
    model = small(**VARIANTS[name])
    steps = walk(model, image)
    np.testing.assert_array_equal(steps[0].array, model.normalize(image))
    np.testing.assert_allclose(steps[-1].array[0], model.predict(image)[0], atol=1e-12)
    assert {"patchify", "layernorm", "linear", "gelu", "x + branch(x)", "attention_weights"} <= {s.op for s in steps}
    for step in steps:
        assert source_of(step.op), step.op
        drawn = picture_of(step.array)
        assert drawn.ndim == 2 and drawn.size == step.array.size


def test_the_steps_of_a_walk_are_the_paper_s(image):
    model = small()
    steps = walk(model, image)
    ops_ = [step.op for step in steps]
    block = ["layernorm", "linear", "attention_weights", "self_attention", "linear", "x + branch(x)"]
    block += ["layernorm", "linear", "gelu", "linear", "x + branch(x)"]
    start = ["normalize", "patchify", "linear", "prepend", "add_position"]
    assert ops_ == [*start, *3 * block, "pool", "layernorm", "linear", "softmax"]
    assert steps[6].reads == "blocks.0.attn.qkv.weight, .bias" and steps[3].reads == "cls_token"
    z, branch = steps[4].array, steps[9].array
    np.testing.assert_array_equal(steps[10].array, z + branch)


@pytest.mark.parametrize("architecture", ["swin", "pvt", "mobilevit", "resnet", "hybrid"])
def test_the_family_can_be_walked_through(architecture, digit):
    model = of_recipe(architecture)
    steps = walk(model, digit)
    np.testing.assert_allclose(steps[-1].array[0], model.predict(digit)[0], atol=1e-6)
    assert len(steps) > 15 and all(picture_of(step.array).ndim == 2 for step in steps)


def test_the_source_of_a_step_is_where_it_is_computed():
    source = source_of("linear")
    assert source.file == "minivit/ops/linear.py" and source.code.startswith("y = x.reshape(-1, x.shape[-1]) @ weight")
    lines = Path(ops.linear_forward.__code__.co_filename).read_text(encoding="utf-8").splitlines()
    assert lines[source.line - 1].strip() == source.code.splitlines()[0]
    assert source_of("no such thing") is None


# ---- steps of training -----------------------------------------------------------------------------------------------


def test_a_step_is_adamw_s_and_leaves_the_given_model_alone(shipped, digit):
    before = {name: array.copy() for name, array in shipped.params.items()}
    practice = Practice(shipped)
    loss, grads = shipped.loss_and_grads(shipped.normalize(digit), np.array([8]))
    assert practice.step(digit, 8) == loss and practice.steps == 1
    for name, array in before.items():
        np.testing.assert_array_equal(shipped.params[name], array)
        moved = practice.model.params[name] - array  # Adam's first step: lr · g / (|g| + ε)
        expected = -LEARNING_RATE * grads[name] / (np.abs(grads[name]) + 1e-8)
        np.testing.assert_allclose(moved, expected, atol=1e-6, err_msg=name)
    for _ in range(9):
        practice.step(digit, 8)
    assert practice.losses[-1] < 0.5 * practice.losses[0]
    now, start = practice.filters()
    assert now.shape == (48, 4, 4) and np.abs(now - start).max() > 1e-4
    now, start = practice.positions()
    assert now.shape == (49, 7, 7) and np.abs(now - start).max() > 1e-4


def test_batchnorm_s_running_statistics_are_folded_in(digit):
    model = of_recipe("resnet")
    before = {name: array.copy() for name, array in model.buffers.items()}
    practice = Practice(model)
    practice.step(digit, 3)
    assert any(np.abs(practice.model.buffers[name] - array).max() > 0 for name, array in before.items())
    assert all((model.buffers[name] == array).all() for name, array in before.items())
    assert practice.positions() is None and practice.filters() is not None


def test_a_gradient_that_is_not_finite_changes_nothing(shipped, digit):
    practice = Practice(shipped)
    practice.model.params["head.bias"][...] = np.inf
    before = practice.params.buffer.copy()
    with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError, match="the parameters stay"):
        practice.step(digit, 8)
    np.testing.assert_array_equal(practice.params.buffer, before)
