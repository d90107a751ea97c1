"""Every gradient of whole small models of the family, and of the images, against central differences."""

import numpy as np
import pytest
from ways import assert_slopes

from minivit.family import Swin
from minivit.proof import FAMILY, check_model, check_model_at_init, noise, order_one_parameters
from minivit.proof.family import ZEROS

FIRST = {kind: name for name, (kind, _) in reversed(FAMILY.items())}.values()  # of each architecture one


@pytest.mark.parametrize("name", FIRST)
def test_gradients_at_parameters_of_order_one(name):
    kind, config = FAMILY[name]
    report = check_model(config, kind=kind)
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize("name", [name for name in FAMILY if name not in FIRST])
def test_gradients_along_random_ways(name):
    """`python -m minivit check` asks for every element of these, too."""
    kind, config = FAMILY[name]
    model = kind(config, params=order_one_parameters(config, kind=kind))
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, *config.image_shape))
    logits, cache = model.forward(images, noise())
    dlogits = rng.standard_normal(logits.shape)
    grads, dimages = model.backward(dlogits, cache)
    places = [(parameter, array, grads[parameter]) for parameter, array in model.params.items()]
    places.append(("images", images, dimages))
    assert_slopes(places, lambda: (model.forward(images, noise())[0] * dlogits).sum(), 1e-7)


@pytest.mark.parametrize("name", ["Swin", "ResNet", "BiT"])
def test_gradients_where_training_starts(name):
    kind, config = FAMILY[name]
    report = check_model_at_init(config, kind=kind)
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize("name", FAMILY)
def test_no_gradient_is_all_zero(name):
    """Nothing would be proved of a parameter that a dropped path hides, or that nothing depends on."""
    kind, config = FAMILY[name]
    model = kind(config, params=order_one_parameters(config, kind=kind))
    rng = np.random.default_rng(0)
    logits, cache = model.forward(rng.standard_normal((3, *config.image_shape)), noise())
    grads, _ = model.backward(rng.standard_normal(logits.shape), cache)
    assert list(grads) == [*model.params, *model.buffers]  # in a buffer's place its new value
    for parameter, array in model.params.items():
        assert grads[parameter].shape == array.shape
        is_zero = parameter in ZEROS.get(kind.__name__, ())
        assert (np.abs(grads[parameter]).max() > 1e-4) != is_zero, parameter


def test_the_small_models_take_what_there_is_to_choose():
    """Shifts along both axes, one, and none; maps that windows divide, and do not; odd maps that are merged."""
    configs = [config for kind, config in FAMILY.values() if kind is Swin]
    stages = [stage for config in configs for stage in config.stages]
    assert {(bool(down), bool(across)) for down, across in (s.shift for s in stages if s.depth > 1)} >= {
        (True, True), (False, True), (False, False),
    }  # fmt: skip
    assert {any(side % m for side, m in zip(s.grid, s.window, strict=True)) for s in stages} == {True, False}
    assert any(side % 2 for config in configs for s in config.stages[:-1] for side in s.grid)
    for switch in ("qkv_bias", "dropout", "attention_dropout", "drop_path", "classes"):
        assert {bool(getattr(config, switch)) for config in configs} == {True, False}, switch
