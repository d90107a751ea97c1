"""A layer names its operation: every name in every configuration is a pair of functions on every device."""

import pytest

from minivit.devices import DEVICES, get_device
from minivit.layers import Op
from minivit.model.vit import vit
from minivit.proof import CONFIGS, FAMILY, JOINTS


def operations(layer):
    return {layer.op} if isinstance(layer, Op) else set().union(*map(operations, layer.parts))


NAMES = set().union(*(operations(layer) for layer, _ in JOINTS.values()))
NAMES = NAMES.union(*(operations(vit(config, every)) for config in CONFIGS.values() for every in (True, False)))
NAMES = NAMES.union(*(operations(kind.describe(config)) for kind, config in FAMILY.values()))


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_has_the_pair_of_every_layer(name, request):
    if name == "cuda":
        request.getfixturevalue("fake_cuda")  # see conftest.py
    ops = get_device(name).ops
    assert {"linear", "self_attention", "cross_attention", "weight_standardisation", "windows"} < NAMES
    for operation in NAMES:
        for way in ("forward", "backward"):
            assert callable(getattr(ops, f"{operation}_{way}", None)), f"{name} has no {operation}_{way}"
