"""A description: every name that is read is declared or let, with one shape, and nothing is allocated."""

import tracemalloc

import pytest

from minivit import ViTConfig
from minivit.layers import Chain, Let, Op, Parameter
from minivit.layers.parts import dense
from minivit.model.vit import encoder, vit
from minivit.proof import CONFIGS, FAMILY, JOINTS


def undeclared(layer, scope):
    """Names that are read, but neither declared nor let around where they are."""
    if isinstance(layer, Let):
        return undeclared(layer.value, scope) | undeclared(layer.body, scope | {layer.name})
    own = {name for name in getattr(layer, "reads", ()) if name is not None and name not in scope}
    return own.union(*(undeclared(part, scope) for part in layer.parts))


def check(layer):
    shapes = {}
    for parameter in layer.parameters:
        shapes.setdefault(parameter.name, set()).add(parameter.shape)
    assert all(len(found) == 1 for found in shapes.values()), shapes
    assert undeclared(layer, shapes.keys()) == set()


@pytest.mark.parametrize("describe", [vit, lambda config: vit(config, every_token=True), encoder])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_read_is_declared_or_let_and_no_name_has_two_shapes(name, describe):
    check(describe(CONFIGS[name]))


@pytest.mark.parametrize("name", FAMILY)
def test_so_it_is_in_the_family(name):
    kind, config = FAMILY[name]
    check(kind.describe(config))


@pytest.mark.parametrize("name", JOINTS)
def test_so_it_is_in_the_joints_that_are_proved(name):
    check(JOINTS[name][0])


@pytest.mark.parametrize(
    "layer",
    [
        Op("add_position", "pos_embed"),  # neither declared nor let
        Chain(Let("a", Op("tanh"), Op("prepend", "a")), Op("prepend", "a")),  # not around the second
        Let("a", Op("prepend", "a"), Op("prepend", "a")),  # not in its own value
        Chain(dense("fc", 4, 2), Op("linear", Parameter("fc.weight", (2, 4)))),
    ],
)
def test_a_wrong_description_is_noticed(layer):
    with pytest.raises(AssertionError):
        check(layer)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_joint_declares_all_that_its_parts_do(name):
    def parameters(layer):
        parts = [parameters(part) for part in layer.parts]
        return {p.name for p in layer.parameters}.union(*parts)

    layers = vit(CONFIGS[name])
    assert {p.name for p in layers.parameters} == parameters(layers)


@pytest.mark.parametrize("position", ["1d", "2d", "sincos2d", "relative"])
def test_a_description_allocates_no_parameter_and_no_constant(position):
    """ViT-H has 632 million parameters, and an index of 257² pairs of tokens a block."""
    config = ViTConfig.from_name("ViT-H/14", position=position)
    tracemalloc.start()
    layers = vit(config)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1e6 and layers.parameters
