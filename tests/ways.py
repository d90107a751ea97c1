"""A gradient tried along one random way through each array, where every element by itself would take too long."""

from collections.abc import Callable, Iterable

import numpy as np

from minivit.model import Classifier
from minivit.proof import noise


def assert_slopes(places: Iterable[tuple[str, np.ndarray, np.ndarray]], loss: Callable[[], float], step: float) -> None:
    """places: name, array, and its gradient. The array is moved in place, and put back. step: of the element that
    moves farthest; a way moves them all at once, and no ReLU may turn."""
    rng = np.random.default_rng(1)
    for name, x, gradient in places:
        start, way = x.copy(), rng.standard_normal(x.shape)

        def moved(far: float, x=x, start=start, way=way) -> float:
            x[...] = start + far * way
            return loss()

        h = step / np.abs(way).max()
        slope = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
        x[...] = start
        error = abs(slope - (gradient * way).sum()) / max(np.abs(gradient * way).sum(), 1e-2)
        assert error < 1e-6, (name, error)


def assert_slopes_of_model(model: Classifier, step: float) -> None:
    """Those of a classifier's parameters and of its images."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, *model.config.image_shape))
    logits, cache = model.forward(images, noise())
    dlogits = rng.standard_normal(logits.shape)
    grads, dimages = model.backward(dlogits, cache)
    places = [(parameter, array, grads[parameter]) for parameter, array in model.params.items()]
    places.append(("images", images, dimages))
    assert_slopes(places, lambda: (model.forward(images, noise())[0] * dlogits).sum(), step)
