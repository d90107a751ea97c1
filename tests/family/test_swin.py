"""Swin as a model: who sees whom, what it gives, its published sizes, its files."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from minivit import TrainConfig, Trainer, ViT, count_parameters, finetune, ops
from minivit.family import Swin, SwinConfig
from minivit.family.swin import SIZES, Stage, swin, window_bias
from minivit.layers import Chain, Op
from minivit.layers.parts import attention
from minivit.model.model import Model
from minivit.proof import FAMILY, order_one_parameters

# As published, with 1000 classes, and (22k) with the 21,841 of ImageNet-22k.
COUNTS = {
    "Swin-T": 28_288_354,
    "Swin-S": 49_606_258,
    "Swin-B": 87_768_224,
    "Swin-L": 196_532_476,
    "Swin-B-384": 87_903_584,
    "Swin-L-384": 196_735_516,
    "Swin-T-22k": 44_315_083,
    "Swin-S-22k": 65_632_987,
    "Swin-B-22k": 109_130_249,
    "Swin-L-22k": 228_565_093,
    "Swin-B-384-22k": 109_265_609,
    "Swin-L-384-22k": 228_768_133,
}
HEADLESS = {"Swin-T": 27_519_354, "Swin-S": 48_837_258, "Swin-B": 86_743_224, "Swin-L": 194_995_476}
NAME, CONFIG = "Swin", FAMILY["Swin"][1]
IMAGES = np.random.default_rng(5).standard_normal((3, *CONFIG.image_shape))


def model():
    return Swin(CONFIG, params=order_one_parameters(CONFIG, kind=Swin))


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_are_the_published_ones(name):
    assert count_parameters(SwinConfig.from_name(name)) == COUNTS[name]
    if name in HEADLESS:
        assert count_parameters(SwinConfig.from_name(name, classes=0)) == HEADLESS[name]


def test_the_pyramid_of_a_published_model():
    stages = SwinConfig.from_name("Swin-T").stages
    assert [stage.grid for stage in stages] == [(56, 56), (28, 28), (14, 14), (7, 7)]
    assert [stage.width for stage in stages] == [96, 192, 384, 768]
    assert {stage.window for stage in stages} == {(7, 7)}
    assert [stage.shift for stage in stages] == [(3, 3), (3, 3), (3, 3), (0, 0)]


def test_a_window_is_no_larger_than_its_map_and_then_not_shifted_for_each_axis():
    """timm's: 6 x 10 and 3 x 5 under windows of 4. After an odd map (5 x 9 -> 3 x 5) it takes the side for 2 x 4."""
    stages = SwinConfig(image_size=(24, 40), depths=(2, 2), heads=(1, 1), window=4).stages
    assert [(s.grid, s.window, s.shift) for s in stages] == [((6, 10), (4, 4), (2, 2)), ((3, 5), (3, 4), (0, 2))]
    odd = SwinConfig(image_size=(20, 36), depths=(2, 2), heads=(1, 1), window=4).stages[1]
    assert (odd.grid, odd.window, odd.shift) == ((3, 5), (2, 4), (0, 0))
    tiny = SwinConfig(image_size=4).stages
    assert {(s.grid, s.window, s.shift) for s in tiny} == {((1, 1), (1, 1), (0, 0))}


def test_hugging_faces_window_is_the_maps_smaller_side_both_ways():
    """Where either side is no larger than the window; then nothing is shifted. An odd side is rounded up."""
    options = dict(depths=(2, 2), heads=(1, 1), window=4, padding="huggingface")
    stages = SwinConfig(image_size=(24, 40), **options).stages
    assert [(s.grid, s.window, s.shift) for s in stages] == [((6, 10), (4, 4), (2, 2)), ((3, 5), (3, 3), (0, 0))]
    odd = SwinConfig(image_size=(36, 36), **options).stages[1]
    assert (odd.grid, odd.window, odd.shift) == ((5, 5), (4, 4), (2, 2))
    one_way = SwinConfig(image_size=(16, 64), **options).stages[0]
    assert (one_way.grid, one_way.window, one_way.shift) == ((4, 16), (4, 4), (0, 0))


def attend(grid, window, shift, D=6, H=2):
    """W-MSA of some tokens as the model has it, and its parameters, inputs and output."""
    stage = Stage(grid, D, H, 1, window, shift)
    place = dict(grid=grid, window=window, shift=shift)
    layers = Chain(
        Op("windows", **place),
        attention("attn", D, H, bias=window_bias("attn", stage, shift)),
        Op("unwindows", **place),
    )
    rng = np.random.default_rng(0)
    p = {q.name: q.fixed() if q.fixed else rng.standard_normal(q.shape) for q in layers.parameters}
    x = rng.standard_normal((1, grid[0] * grid[1], D))
    return p, x[0], layers(ops, p, x)[0]


def by_hand(p, x, mates, window, H=2):
    """Each token's attention among its mates: (row offset, column offset, key's and value's input) each."""
    N, D = x.shape
    project = [part.reshape(D, H, -1) for part in np.split(p["attn.qkv.weight"], 3, axis=1)]
    biases = [part.reshape(H, -1) for part in np.split(p["attn.qkv.bias"], 3)]
    table = p["attn.relative_position_bias_table"].reshape(2 * window[0] - 1, 2 * window[1] - 1, H)
    out = np.zeros((N, H, D // H))
    for i in range(N):
        for h in range(H):
            q, *_ = (x[i] @ W[:, h] + b[h] for W, b in zip(project, biases, strict=True))
            scores, values = [], []
            for down, right, other in mates(i):
                _, k, v = (other @ W[:, h] + b[h] for W, b in zip(project, biases, strict=True))
                scores.append(q @ k / np.sqrt(D // H) + table[down + window[0] - 1, right + window[1] - 1, h])
                values.append(v)
            weights = np.exp(scores - np.max(scores))
            out[i, h] = weights / weights.sum() @ np.array(values)
    return out.reshape(N, D) @ p["attn.proj.weight"] + p["attn.proj.bias"]


@pytest.mark.parametrize("shift", [(0, 0), (2, 2), (1, 0)])
def test_windows_are_the_definition_token_by_token(shift):
    """Without a roll: windows begin at `shift`, and what lies before that is a stripe of its own."""
    grid, window = (8, 12), (4, 4)
    p, x, y = attend(grid, window, shift)

    def window_of(i):
        return tuple((place - back) // 4 for place, back in zip(divmod(i, grid[1]), shift, strict=True))

    def mates(i):
        for j in range(len(x)):
            if window_of(i) == window_of(j):
                (a, b), (c, d) = divmod(i, grid[1]), divmod(j, grid[1])
                yield a - c, b - d, x[j]

    np.testing.assert_allclose(y, by_hand(p, x, mates, window), atol=1e-12)


def test_zeros_that_continue_a_map_are_looked_at():
    """Their keys and values are the biases: nothing hides them. A map of 3 x 5 under windows of 2 x 3."""
    grid, window = (3, 5), (2, 3)
    p, x, y = attend(grid, window, (0, 0))

    def mates(i):
        a, b = divmod(i, 5)
        for c in range(a // 2 * 2, a // 2 * 2 + 2):
            for d in range(b // 3 * 3, b // 3 * 3 + 3):
                yield a - c, b - d, x[5 * c + d] if c < 3 and d < 5 else np.zeros(6)

    np.testing.assert_allclose(y, by_hand(p, x, mates, window), atol=1e-12)


def test_one_token_sees_its_window_and_after_the_shift_its_neighbours():
    """The gradient of one token by the image: the shift is what lets it grow past its window."""
    config = SwinConfig(image_size=8, patch_size=1, channels=1, classes=0, width=4, depths=(2,), heads=(2,), window=4)
    one = Swin(config, params=order_one_parameters(config, kind=Swin))
    image, encoder = np.random.default_rng(0).standard_normal((1, 8, 8, 1)), one.layers.parts[0]
    for blocks, seen in ((1, (slice(0, 4), slice(0, 4))), (2, (slice(None), slice(None)))):
        part = Chain(*encoder.parts[: 3 + blocks])  # patchify, projection, norm
        y, cache = part.forward(ops, one.arrays(part), image)
        dy = np.zeros_like(y)
        dy[0, 8 * 3 + 3] = np.arange(4)  # not all equal, of which a LayerNorm would see nothing
        dimage, _ = part.backward(ops, dy, cache)
        expected = np.zeros((8, 8), bool)
        expected[seen] = True
        np.testing.assert_array_equal(dimage[0, :, :, 0] != 0, expected)


def test_it_has_the_face_of_a_vit():
    one = model()
    logits = one(IMAGES)
    assert logits.shape == (3, 4)
    np.testing.assert_array_equal(logits, one.forward(IMAGES)[0])
    features = one.features(IMAGES)
    assert features.shape == (3, 8)
    np.testing.assert_allclose(features @ one.params["head.fc.weight"] + one.params["head.fc.bias"], logits, atol=1e-12)
    probabilities = one.predict(np.zeros((2, *CONFIG.image_shape), np.uint8))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    loss, grads = one.loss_and_grads(IMAGES, np.array([0, 1, 3]))
    assert loss > 0 and grads.keys() == one.params.keys()
    assert repr(one) == "Swin(2 blocks 4 wide, 2 blocks 8 wide, windows of 2 x 2, 1,666 parameters, float64)"
    assert "windows(grid=(4, 8), window=(2, 2), shift=(1, 1))" in str(one.layers)
    headless = Swin(SwinConfig(**CONFIG.to_dict() | {"classes": 0}), dtype=np.float64)
    np.testing.assert_array_equal(headless(IMAGES), headless.features(IMAGES))
    with pytest.raises(ValueError, match=r"images have shape \(3, 16, 4, 2\), expected \(B, 4, 16, 2\)"):
        one(IMAGES.swapaxes(1, 2))


def test_attention_is_an_array_a_block():
    maps = model().attention(IMAGES)
    assert [weights.shape for weights in maps] == [(3, 8, 1, 4, 4)] * 2 + [(3, 2, 2, 4, 4)] * 2
    for weights in maps:
        np.testing.assert_allclose(weights.sum(axis=-1), 1)
    last = maps[1][:, -1, 0]  # the corner, where four come together that lay in the four corners of the map
    np.testing.assert_allclose(last, np.broadcast_to(np.eye(4), last.shape), atol=1e-30)


def test_drop_path_rises_linearly_over_all_stages():
    config = SwinConfig(**CONFIG.to_dict() | {"depths": (2, 3), "drop_path": 0.2})

    def rates(layer):
        own = [layer.options["rate"]] if getattr(layer, "op", "") == "drop_path" else []
        return own + [rate for part in layer.parts for rate in rates(part)]

    assert rates(swin(config)) == pytest.approx([0.05, 0.05, 0.1, 0.1, 0.15, 0.15, 0.2, 0.2])


def test_dropout_comes_on_with_an_rng_alone():
    config = FAMILY["Swin, dropout"][1]
    one = Swin(config, params=order_one_parameters(config, kind=Swin))
    images = np.random.default_rng(0).standard_normal((2, *config.image_shape))
    np.testing.assert_array_equal(one(images), one(images))
    assert np.abs(one.forward(images, np.random.default_rng(0))[0] - one(images)).max() > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_save_and_load_give_the_same_bits(tmp_path, dtype):
    one = Swin(CONFIG, seed=1, dtype=dtype)
    one.save(tmp_path / "swin.npz")
    loaded = Swin.load(tmp_path / "swin.npz")
    assert (loaded.config, loaded.dtype, list(loaded.params)) == (one.config, dtype, list(one.params))
    np.testing.assert_array_equal(loaded(IMAGES), one(IMAGES))
    with pytest.raises(ValueError, match=r"holds a Swin, expected a ViT: read it with minivit\.load"):
        ViT.load(tmp_path / "swin.npz")


def test_a_description_allocates_nothing():
    """A map of 256 x 256 tokens in windows of 64: its masks alone would be a gigabyte."""
    config = SwinConfig.from_name("Swin-T", image_size=2**10, window=64)
    tracemalloc.start()
    layers = swin(config)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1e6 and layers.parameters


def test_who_takes_vits_alone_says_so():
    with pytest.raises(TypeError, match="model is a Swin, expected a ViT: other models are trained by a Trainer"):
        finetune(model(), IMAGES, np.arange(3), IMAGES, np.arange(3))
    with pytest.raises(ValueError, match="the student has no distillation token"):
        recipe = TrainConfig(batch_size=2, distillation="hard")
        Trainer(model(), np.clip(IMAGES, 0, 1), np.arange(3), recipe, teacher=model())
    with pytest.raises(TypeError, match="config is a SwinConfig, expected a ViTConfig"):
        ViT(CONFIG)


def test_threads_that_are_first_at_once_share_its_constants(monkeypatch):
    shared, there, constant = model(), Barrier(2), Model.constant

    def slow(self, array):
        made = constant(self, array)
        there.wait(timeout=10)  # the other has seen, too, that there is none
        return made

    monkeypatch.setattr(Model, "constant", slow)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(shared.arrays, [shared.layers] * 2)
    assert any(name.startswith("window_mask") for name in one) and one.keys() == other.keys()
    assert all(one[name] is other[name] for name in one)
