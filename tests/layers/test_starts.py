"""How parts start: the mean and deviation of each parameter, from the papers that say so."""

import math

import pytest

from minivit.layers.maps import batch_norm, convolution, frozen_batch_norm, group_norm, standardised
from minivit.layers.parts import branch_end, dense, norm

STARTS = {
    "dense": (dense("x", 6, 4), {"weight": (0, 0.02), "bias": (0, 0)}),
    "norm": (norm("x", 6), {"weight": (1, 0), "bias": (0, 0)}),
    "LayerScale": (branch_end("x", 6, 0.1, 0.0, 0.0)[0], {"gamma": (0.1, 0)}),
    "GroupNorm": (group_norm("x", 6, 2, 1e-5), {"weight": (1, 0), "bias": (0, 0)}),
    "GroupNorm at 0": (group_norm("x", 6, 2, 1e-5, start=0.0), {"weight": (0, 0), "bias": (0, 0)}),
    "BatchNorm": (
        batch_norm("x", 6),
        {"weight": (1, 0), "bias": (0, 0), "running_mean": (0, 0), "running_var": (1, 0)},
    ),
    "BatchNorm at 0": (
        batch_norm("x", 6, start=0.0),
        {"weight": (0, 0), "bias": (0, 0), "running_mean": (0, 0), "running_var": (1, 0)},
    ),
    "frozen": (
        frozen_batch_norm("x", 6),
        {"weight": (1, 0), "bias": (0, 0), "running_mean": (0, 0), "running_var": (1, 0)},
    ),
    # He et al., 1502.01852: 2 over the kernel's places times the outputs; and BiT's, 1 over those times the inputs.
    "convolution": (convolution("x", 3, 5, 7), {"weight": (0, math.sqrt(2 / 63))}),
    "standardised": (standardised("x", 3, 5, 7, 1e-5), {"weight": (0, math.sqrt(1 / 45))}),
}


@pytest.mark.parametrize("name", STARTS)
def test_the_start(name):
    layer, expected = STARTS[name]
    found = {p.name.removeprefix("x."): (p.mean, p.std) for p in layer.parameters}
    assert found.keys() == expected.keys()
    for parameter, start in expected.items():
        assert found[parameter] == pytest.approx(start, rel=1e-12), parameter
