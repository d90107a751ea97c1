"""An exception says in which layer it was raised, and what came in: in a traceback a chain's lines all look alike."""

import traceback

import numpy as np
import pytest

from minivit import ViT, ViTConfig, ops
from minivit.layers import Chain, Let, Op, Residual
from minivit.layers.parts import dense
from minivit.model.model import Model
from minivit.model.parameters import start

CONFIG = ViTConfig(image_size=8, patch_size=4, channels=1, classes=3, width=8, depth=2, heads=2)


def test_the_forward_names_the_layer_and_its_inputs_shape():
    layer = Chain(Op("tanh"), Residual(dense("fc", 6, 4), Op("gelu", kind="erf")))
    with pytest.raises(ValueError) as error:
        layer(ops, {"fc.weight": np.zeros((5, 4)), "fc.bias": np.zeros(4)}, np.zeros((2, 6)))
    assert error.value.__notes__ == ["in linear(fc.weight, fc.bias), whose input is (2, 6)"]
    with pytest.raises(ValueError) as error:
        layer(ops, {"fc.weight": np.zeros((6, 4)), "fc.bias": np.zeros(4)}, np.zeros((2, 6)))
    assert "(2,6) (2,4)" in str(error.value)  # NumPy's own, of a sum that is none


def test_the_backward_names_the_layer_and_its_gradients_shape():
    layer = Chain(dense("fc", 6, 4), Op("gelu", kind="tanh"))
    _, cache = layer.forward(ops, {"fc.weight": np.zeros((6, 4)), "fc.bias": np.zeros(4)}, np.zeros((2, 6)))
    with pytest.raises(ValueError) as error:
        layer.backward(ops, np.zeros((2, 5)), cache)
    assert error.value.__notes__ == ["in the backward of gelu(kind=tanh), whose dy is (2, 5)"]


def test_a_name_that_nothing_has_is_told_with_its_layer():
    with pytest.raises(KeyError, match=r"fc\.weight") as error:
        dense("fc", 6, 4)(ops, {}, np.zeros((2, 6)))
    assert error.value.__notes__ == ["in linear(fc.weight, fc.bias), whose input is (2, 6)"]
    with pytest.raises(AttributeError, match="lineer_forward") as error:
        Op("lineer")(ops, {}, None)
    assert error.value.__notes__ == ["in lineer(), whose input is NoneType"]


@pytest.mark.parametrize("images", [2, 400])  # in one shard; in several, on threads
def test_the_note_is_in_the_traceback_of_a_model(images):
    model = ViT(CONFIG)
    model.params["blocks.1.mlp.fc1.weight"] = np.zeros((9, 32), np.float32)
    with pytest.raises(ValueError) as error:
        model(np.zeros((images, *CONFIG.image_shape), np.float32))
    told = "".join(traceback.format_exception(error.value))
    assert "in linear(blocks.1.mlp.fc1.weight, blocks.1.mlp.fc1.bias), whose input is (" in told
    assert "1, 8)" in told.splitlines()[-1]  # of the last block's class token


def test_a_parameter_without_a_gradient_is_named():
    layers = Let("unread", dense("fc", 6, 6), Op("tanh"))
    model = Model(layers, start(layers))
    x = np.zeros((2, 6), np.float32)
    with pytest.raises(ValueError, match=r"no gradient came back for fc\.weight, fc\.bias: nothing on the way to y"):
        model.backward(x, model.forward(x)[1])


def test_a_pool_of_another_kind_is_not_the_mean():
    with pytest.raises(ValueError, match="kind is 'max', expected one of 'cls', 'distilled'") as error:
        Op("pool", kind="max")(ops, {}, np.zeros((2, 3, 4)))
    assert error.value.__notes__ == ["in pool(kind=max), whose input is (2, 3, 4)"]
