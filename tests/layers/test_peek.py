"""Peek shows what passes, there and back, and changes nothing."""

import numpy as np

from minivit import ViT, ViTConfig, ops
from minivit.layers import Chain, Op, Peek

X = np.random.default_rng(0).standard_normal((2, 3))


def test_a_function_is_given_x_and_dy_with_the_name():
    seen = []
    layer = Chain(Op("tanh"), Peek("after tanh", lambda text, array: seen.append((text, array))))
    y, cache = layer.forward(ops, {}, X)
    dx, grads = layer.backward(ops, X, cache)
    assert [text for text, _ in seen] == ["after tanh: y", "after tanh: dy"]
    assert seen[0][1] is y and seen[1][1] is X
    np.testing.assert_array_equal(y, np.tanh(X))
    np.testing.assert_array_equal(dx, X * (1 - y * y))
    assert grads == {} and layer(ops, {}, X).tobytes() == y.tobytes() and len(seen) == 3


def test_without_one_a_line_is_printed(capsys):
    peek = Peek("here")
    peek.backward(ops, np.array([[3.0, -4.0]]), peek.forward(ops, {}, np.array([[1.0, 2.0, 6.0]]))[1])
    assert capsys.readouterr().out.splitlines() == [
        "here: y (1, 3)  mean +3  std 2.16  max|.| 6",
        "here: dy (1, 2)  mean -0.5  std 3.5  max|.| 4",
    ]


def test_a_model_with_a_peek_gives_the_same_bits(capsys):
    config = ViTConfig(image_size=8, patch_size=4, channels=1, classes=3, width=8, depth=2, heads=2)
    plain, watched = ViT(config), ViT(config)
    watched.layers = Chain(*[part for layer in watched.layers.parts for part in (layer, Peek("after"))])
    images = np.random.default_rng(0).standard_normal((2, *config.image_shape)).astype(np.float32)
    (loss, grads), (same, more) = (model.loss_and_grads(images, np.array([0, 2])) for model in (plain, watched))
    assert loss == same and list(grads) == list(more)
    assert all(grads[name].tobytes() == more[name].tobytes() for name in grads)
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(plain.layers.parts)
