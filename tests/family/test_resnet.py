"""ResNet and BiT as models: published sizes, what their options mean, training, files; what does not fit is refused."""

import json
import math
import re
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from minivit import ViT
from minivit.family import BiT, BiTConfig, ResNet, ResNetConfig
from minivit.family import bit as bits
from minivit.family import resnet as resnets
from minivit.model.parameters import declared
from minivit.proof import FAMILY, order_one_parameters

# As published: parameters with 1000 classes; and PyTorch's buffers, which count the batches of every BatchNorm.
RESNETS = {
    "ResNet-18": (11_689_512, 9_620),
    "ResNet-34": (21_797_672, 17_060),
    "ResNet-50": (25_557_032, 53_173),
    "ResNet-101": (44_549_160, 105_448),
    "ResNet-152": (60_192_808, 151_579),
}
# With 1000 classes, and with ImageNet-21k's 21,843 where that is told.
BITS = {
    "BiT-R50x1": (25_549_352, 68_256_659),
    "BiT-R101x1": (44_541_480, 87_248_787),
    "BiT-R50x3": (217_319_080, 345_399_315),
    "BiT-R101x3": (387_934_888,),
    "BiT-R152x2": (236_335_208,),
    "BiT-R152x4": (936_533_224,),
}
SMALL, SMALL_BIT = FAMILY["ResNet"][1], FAMILY["BiT"][1]


def model(config=SMALL, kind=ResNet):
    return kind(config, params=order_one_parameters(config, kind=kind))


def images_of(config, count=3):
    return np.random.default_rng(5).standard_normal((count, *config.image_shape))


def counts(layers):
    parameters = declared(layers).values()
    trained, buffers = ([math.prod(p.shape) for p in parameters if p.buffer == which] for which in (False, True))
    return sum(trained), sum(buffers) + len(buffers) // 2


@pytest.mark.parametrize("name", resnets.SIZES)
def test_counts_of_resnets_are_the_published_ones(name):
    assert counts(resnets.resnet(ResNetConfig.from_name(name))) == RESNETS[name]


@pytest.mark.parametrize("name", bits.SIZES)
def test_counts_of_bits_are_the_published_ones(name):
    for classes, expected in zip((1000, 21_843), BITS[name], strict=False):
        assert counts(bits.bit(BiTConfig.from_name(name, classes=classes))) == (expected, 0)


@pytest.mark.parametrize("config", [ResNetConfig.from_name("ResNet-50"), BiTConfig.from_name("BiT-R50x1")])
def test_the_pyramid_of_a_published_model(config):
    sizes = [(units[0]["n_in"], units[0]["stride"], units[-1]["n_out"], len(units)) for units in config.units()]
    assert sizes == [(64, 1, 256, 3), (256, 2, 512, 4), (512, 2, 1024, 6), (1024, 2, 2048, 3)]
    assert config.stem_shape == (56, 56)


def test_training_and_evaluation_are_not_the_same():
    """A batch of one image, again and again: its own statistics take away what evaluation sees."""
    one, image = model(), images_of(SMALL, 1)
    same = np.repeat(image, 4, axis=0)
    trained, _ = one.forward(same, training=True)
    np.testing.assert_allclose(one(same), np.repeat(one(image), 4, axis=0), atol=1e-12)
    np.testing.assert_array_equal(one(same), one.forward(same)[0])
    assert np.abs(trained - one(same)).max() > 0.1
    np.testing.assert_array_equal(trained, one.forward(same, np.random.default_rng(0))[0])  # as in the trainer


def test_in_training_an_image_sees_the_others_of_its_call():
    one, images = model(), images_of(SMALL, 4)
    both, halves = one.forward(images, training=True)[0], one.forward(images[:2], training=True)[0]
    assert np.abs(both[:2] - halves).max() > 0.01
    np.testing.assert_allclose(one(images)[:2], one(images[:2]), atol=1e-12)


def test_with_a_momentum_of_one_evaluation_is_training():
    """The running statistics are then the batch's, but for the variance, which is divided by n − 1."""
    config = replace(SMALL, momentum=1.0, depths=(1,), widths=(4,), image_size=(40, 50))
    one, images = model(config), images_of(config, 4)
    trained, _ = one.forward(images, training=True)
    for _ in range(2):
        assert np.abs(one(images) - trained).max() > 0.1
        one.buffers |= {n: a for n, a in one.loss_and_grads(images, np.arange(4))[1].items() if n in one.buffers}
        np.testing.assert_allclose(one(images), trained, atol=1e-3)  # n is 8000
        one.buffers |= {name: array + 1 for name, array in one.buffers.items()}


def test_bit_has_no_batch_in_it():
    one, images = model(SMALL_BIT, BiT), images_of(SMALL_BIT, 4)
    assert not one.buffers
    np.testing.assert_array_equal(one.forward(images, training=True)[0], one.forward(images)[0])
    np.testing.assert_allclose(one.forward(images, training=True)[0][:2], one(images[:2]), atol=1e-12)


def test_the_papers_stride_has_the_same_names_and_shapes_and_is_another_function():
    first = FAMILY["ResNet, the paper's strides"][1]
    second = replace(first, stride_first=False)
    assert counts(resnets.resnet(first)) == counts(resnets.resnet(second))
    params = order_one_parameters(first, kind=ResNet)
    images = images_of(first)
    got = [ResNet(config, params=params).forward(images, training=True)[0] for config in (first, second)]
    assert np.abs(got[0] - got[1]).max() > 0.01


def test_a_plain_network_has_no_shortcut():
    plain = replace(SMALL, shortcuts=False)
    text = str(resnets.resnet(plain))
    assert "Residual" not in text and "downsample" not in text
    assert str(resnets.resnet(SMALL)).count("Residual") == 3


def test_a_shortcut_is_a_convolution_where_the_shape_changes():
    """Width or stride; the first stage of basic units has neither."""
    config = replace(SMALL, stem_width=4, depths=(2, 2, 1), widths=(4, 4, 6))
    names = {p.name for p in resnets.resnet(config).parameters if p.name.endswith("downsample.0.weight")}
    assert names == {"layer2.0.downsample.0.weight", "layer3.0.downsample.0.weight"}


def test_zero_init_makes_each_unit_its_shortcut():
    """relu(shortcut(x)): x is positive already, so units that do not change the shape hand it on."""
    one = ResNet(replace(SMALL, zero_init=True, depths=(3,), widths=(4,)), dtype=np.float64, seed=1)
    stem, after = one.maps(images_of(SMALL))
    np.testing.assert_array_equal(stem, after)
    usual = ResNet(replace(SMALL, depths=(3,), widths=(4,)), dtype=np.float64, seed=1)
    assert np.abs(np.subtract(*usual.maps(images_of(SMALL)))).max() > 0.1


@pytest.mark.parametrize(("kind", "config"), [(ResNet, SMALL), (BiT, SMALL_BIT)])
def test_it_has_the_face_of_a_vit(kind, config, tmp_path):
    one, images = model(config, kind), images_of(config)
    logits = one(images)
    assert logits.shape == (3, 4)
    np.testing.assert_array_equal(logits, one.forward(images)[0])
    features, head = one.features(images), "fc" if kind is ResNet else "head.fc"
    np.testing.assert_allclose(features @ one.params[f"{head}.weight"] + one.params[f"{head}.bias"], logits, atol=1e-12)
    maps = one.maps(images)
    assert [m.shape[-1] for m in maps] == [4, *config.widths]
    if kind is ResNet:
        np.testing.assert_allclose(maps[-1].mean(axis=(1, 2)), features, atol=1e-12)
    np.testing.assert_allclose(one.predict(np.zeros((2, *config.image_shape), np.uint8)).sum(axis=1), 1)
    loss, grads = one.loss_and_grads(images, np.array([0, 1, 3]))
    assert loss > 0 and grads.keys() == one.params.keys() | one.buffers.keys()
    assert re.fullmatch(rf"{kind.__name__}\(.* wide, [\d,]+ parameters, float64\)", repr(one))
    headless = kind(replace(config, classes=0), dtype=np.float64)
    np.testing.assert_array_equal(headless(images), headless.features(images))
    one.save(tmp_path / "model.npz")
    loaded = kind.load(tmp_path / "model.npz")
    assert loaded.config == one.config and list(loaded.buffers) == list(one.buffers)
    np.testing.assert_array_equal(loaded(images), logits)
    with pytest.raises(ValueError, match=f"holds a {kind.__name__}, expected a ViT"):
        ViT.load(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=r"images have shape \(3, \d+, \d+, 2\), expected \(B, "):
        one(images.swapaxes(1, 2))


@pytest.mark.parametrize("kind", [ResNetConfig, BiTConfig])
def test_help_explains_every_field(kind):
    explained = re.findall(r"^    (\w+)  +\S", kind.__doc__, re.MULTILINE)
    assert explained == [field.name for field in fields(kind)]
    with pytest.raises(FrozenInstanceError):
        kind().classes = 3
    assert kind(**json.loads(json.dumps(kind().to_dict()))) == kind()


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (
            ResNetConfig,
            dict(depths=(2, 2)),
            ValueError,
            r"depths \(2, 2\), widths .*: expected one number of each a stage",
        ),
        (ResNetConfig, dict(depths=(), widths=(), inner=()), ValueError, "expected one number of each a stage"),
        (ResNetConfig, dict(depths=4), TypeError, r"depths is 4, expected a number for each stage"),
        (ResNetConfig, dict(inner=64), TypeError, r"inner is 64, expected a number for each stage"),
        (ResNetConfig, dict(widths=(64, 128, 256, 0)), ValueError, "widths is 0, expected at least 1"),
        (ResNetConfig, dict(depths=(1,) * 9), ValueError, "depths has 9 stages, expected at most 8"),
        (ResNetConfig, dict(stem_kernel=4), ValueError, "stem_kernel is 4, expected an odd number"),
        (ResNetConfig, dict(stem_stride=0), ValueError, "stem_stride is 0, expected at least 1"),
        (ResNetConfig, dict(stem_pool=1), TypeError, "stem_pool is 1, expected True or False"),
        (ResNetConfig, dict(halve_first="no"), TypeError, "halve_first is 'no', expected True or False"),
        (ResNetConfig, dict(momentum=0.0), ValueError, r"momentum is 0.0, expected a part in \(0, 1\]"),
        (ResNetConfig, dict(norm_eps=0), ValueError, "norm_eps is 0, expected a positive number"),
        (ResNetConfig, dict(shortcuts=None), TypeError, "shortcuts is None, expected True or False"),
        (BiTConfig, dict(groups=48), ValueError, "64 numbers a place are no multiple of the 48 groups of GroupNorm"),
        (BiTConfig, dict(inner=None), TypeError, "inner is None, expected a number for each stage: a BiT has no basic"),
        (BiTConfig, dict(weight_eps=-1.0), ValueError, "weight_eps is -1.0, expected a positive number"),
        (BiTConfig, dict(image_std=0.0), ValueError, "image_std is 0.0, expected positive numbers"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_refused(kind, options, error, message):
    with pytest.raises(error, match=message):
        kind(**options)


@pytest.mark.parametrize("kind", [ResNetConfig, BiTConfig])
def test_an_unknown_name_is_answered(kind):
    with pytest.raises(ValueError, match="no published size is named 'R18', expected one of"):
        kind.from_name("R18")
