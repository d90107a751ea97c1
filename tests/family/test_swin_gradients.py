"""Every gradient of whole small models of the family, and of the images, against central differences. Those of each
element by itself are asked for by `python -m minivit check`, of one model in test_command_line.py."""

import numpy as np
import pytest
from ways import assert_slopes_of_model

from minivit.family import Swin
from minivit.proof import FAMILY, noise, order_one_parameters
from minivit.proof.family import ZEROS


@pytest.mark.parametrize("name", FAMILY)
def test_gradients_along_random_ways(name):
    kind, config = FAMILY[name]
    assert_slopes_of_model(kind(config, params=order_one_parameters(config, kind=kind)), 1e-6)


@pytest.mark.parametrize("name", ["Swin", "ResNet", "BiT"])
def test_gradients_where_training_starts(name):
    kind, config = FAMILY[name]
    assert_slopes_of_model(kind(config, 0, np.float64), 1e-6)


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
