"""How the parameters start."""

import numpy as np
import pytest

from minivit.model import ViTConfig, parameter_shapes
from minivit.model.parameters import start
from minivit.model.vit import vit
from minivit.proof import CONFIGS


def init_parameters(config, seed=0, dtype=np.float32, init="timm"):
    return start(vit(config), seed, dtype, init)


CONFIG = ViTConfig(image_size=32, patch_size=4, width=64, depth=2, heads=2, layer_scale=0.1, position="1d")


@pytest.mark.parametrize("init", ["timm", "fan_in"])
def test_each_kind_of_parameter_starts_as_documented(init):
    params = init_parameters(CONFIG, init=init)
    assert list(params) == list(parameter_shapes(CONFIG))
    for name, array in params.items():
        if name.endswith("bias"):
            np.testing.assert_array_equal(array, 0)
        elif name.endswith("gamma"):
            np.testing.assert_array_equal(array, np.float32(0.1))
        elif array.ndim == 1:
            np.testing.assert_array_equal(array, 1)  # a norm's weight
        else:
            scaled = init == "fan_in" and name.endswith("weight") and name != "head.weight"
            std = 1e-6 if name == "cls_token" else len(array) ** -0.5 if scaled else 0.02
            assert array.std() == pytest.approx(std, rel=0.3 if name == "cls_token" else 0.05), name


def test_relative_tables_start_at_0():
    config = ViTConfig(image_size=8, patch_size=4, width=4, depth=1, heads=2, position="relative")
    np.testing.assert_array_equal(init_parameters(config)["blocks.0.attn.relative_position_bias_table"], 0)


def test_a_hybrid_and_further_tokens_start_as_documented():
    config = ViTConfig(
        image_size=32,
        patch_size=1,
        width=64,
        depth=1,
        heads=2,
        stem=(2, 1),
        stem_width=32,
        distilled=True,
        registers=64,
    )
    for init in ("timm", "fan_in"):
        params = init_parameters(config, init=init)
        assert params["reg_token"].std() == pytest.approx(1e-6, rel=0.1)
        assert params["dist_token"].std() == pytest.approx(0.02, rel=0.3)
        assert params["head_dist.weight"].std() == pytest.approx(0.02, rel=0.05)
        for name, array in params.items():
            if array.ndim == 4:
                assert array.std() == pytest.approx((array.size / array.shape[-1]) ** -0.5, rel=0.05), name
            elif ".gn" in name:
                one = name.endswith("weight") and "gn3" not in name
                np.testing.assert_array_equal(array, one, err_msg=name)


def test_the_seed_decides():
    one, same, other = (init_parameters(CONFIG, seed)["head.weight"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_float32_is_the_float64_initialisation_rounded():
    for a, b in zip(init_parameters(CONFIG).values(), init_parameters(CONFIG, dtype=np.float64).values(), strict=True):
        assert (a.dtype, b.dtype) == (np.float32, np.float64)
        np.testing.assert_array_equal(a, b.astype(np.float32))


@pytest.mark.parametrize(
    "name", [name for name, config in CONFIGS.items() if config.position in ("sincos2d", "relative")]
)
def test_a_constant_has_the_shape_that_is_declared(name):
    constants = [parameter for parameter in vit(CONFIGS[name]).parameters if parameter.fixed]
    assert constants and all(parameter.fixed().shape == parameter.shape for parameter in constants)


def test_a_start_is_that_of_seed_0_unless_told():
    layers, told = vit(CONFIG), init_parameters(CONFIG, seed=0)
    assert all(np.array_equal(array, told[name]) for name, array in start(layers).items())
    other = init_parameters(CONFIG, seed=1)
    assert not np.array_equal(told["head.weight"], other["head.weight"])
