"""The data have a gradient, too, and training does without it: nothing is computed for it, and the others stay."""

import numpy as np
import pytest

from minivit import ViT, ViTConfig, ops
from minivit.layers import Chain, Op, Residual, backward
from minivit.layers.parts import dense


class Watched:
    """minivit.ops; `done` tells which backwards were run, and with what."""

    def __init__(self):
        self.done = []

    def __getattr__(self, name):
        function = getattr(ops, name)

        def run(*args, **options):
            if name.endswith("_backward"):
                self.done.append((name.removesuffix("_backward"), options))
            return function(*args, **options)

        return run


def both(chain, x):
    """The gradients with dx and without, and the backwards that were run without."""
    rng = np.random.default_rng(0)
    p = {parameter.name: rng.standard_normal(parameter.shape) for parameter in chain.parameters}
    y, _ = chain.forward(ops, p, x)
    dy = rng.standard_normal(y.shape)
    dx, expected = chain.backward(ops, dy, chain.forward(ops, p, x)[1])
    watched = Watched()
    nothing, grads = backward(chain, watched, dy, chain.forward(ops, p, x)[1], with_dx=False)
    assert nothing is None and dx.shape == x.shape and grads.keys() == expected.keys() == p.keys()
    for name in p:
        np.testing.assert_array_equal(grads[name], expected[name])
    return watched.done


def test_a_cache_serves_one_backward_here_too():
    chain, x = Chain(dense("a", 3, 3), dense("b", 3, 3)), np.ones((2, 3))
    p = {parameter.name: np.ones(parameter.shape) for parameter in chain.parameters}
    y, cache = chain.forward(ops, p, x)
    backward(chain, ops, y, cache, with_dx=False)
    with pytest.raises(ValueError, match="the cache was used up"):
        backward(chain, ops, y, cache, with_dx=False)


def test_the_first_layers_of_a_chain_leave_it_out():
    first = Chain(Op("patchify", patch_size=(2, 2)), Op("tanh"), dense("a", 4, 3))
    images = np.random.default_rng(1).standard_normal((2, 4, 6, 1))
    done = both(Chain(first, dense("b", 3, 3), Residual(dense("c", 3, 3))), images)
    assert done == [("linear", {}), ("linear", {}), ("linear", {"with_dx": False})]


def test_what_cannot_leave_it_out_computes_it():
    done = both(Chain(Residual(dense("a", 3, 3)), dense("b", 3, 3)), np.random.default_rng(1).standard_normal((2, 3)))
    assert done == [("linear", {}), ("linear", {})]


@pytest.mark.parametrize("distilled", [False, True])
def test_a_models_loss_asks_for_none(distilled):
    config = ViTConfig(
        image_size=4, patch_size=2, channels=1, classes=3, width=4, depth=1, heads=2, distilled=distilled
    )
    model, images = ViT(config, dtype=np.float64), np.random.default_rng(0).standard_normal((2, 4, 4, 1))
    dlogits = np.random.default_rng(1).standard_normal((2, 3))
    grads, dimages = model.backward(dlogits, model.forward(images)[1])
    again, nothing = model.backward(dlogits, model.forward(images)[1], with_dx=False)
    assert nothing is None and dimages.shape == images.shape
    for name in grads:
        np.testing.assert_array_equal(grads[name], again[name])
