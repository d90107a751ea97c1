"""Every gradient of whole small detectors' losses against central differences. Those of each element by itself are
asked for by `python -m minivit check`, of one detector in test_command_line.py."""

from dataclasses import replace

import numpy as np
import pytest
from detr_support import DIGITS, digits
from ways import assert_slopes

from minivit.family.detr import DETRConfig
from minivit.proof import DETECTORS, noise, small_detector
from minivit.proof.detectors import TARGETS, ZEROS, Held


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detectors_gradients_along_random_ways(name):
    """A way through each parameter, and through what is looked at."""
    model, images, mask = small_detector(name)
    model.device = held = Held(model.device)
    _, _, grads, dimages = model.losses_and_all_grads(images, TARGETS, mask, rng=noise())
    maps, slopes = (images, dimages) if isinstance(images, list) else ([images], [dimages])
    places = [(parameter, model.params[parameter], grads[parameter]) for parameter in model.params]
    places += [(f"map {i}", x, slope) for i, (x, slope) in enumerate(zip(maps, slopes, strict=True))]

    def loss():
        held.replay()
        out, _ = model.forward(images, mask, noise())
        return model.loss_of(out, TARGETS, model.divisor(TARGETS))[0]

    assert_slopes(places, loss, 1e-5)


@pytest.mark.parametrize("name", DETECTORS)
def test_no_gradient_is_all_zero_but_those_that_are_named(name):
    """Nothing would be proved of a parameter that nothing depends on."""
    model, images, mask = small_detector(name)
    _, grads = model.loss_and_grads(images, TARGETS, mask, rng=noise())
    assert list(grads) == list(model.params)
    for parameter, grad in grads.items():
        assert grad.shape == model.params[parameter].shape, parameter
        assert (np.abs(grad).max() > 1e-3) != (parameter in ZEROS.get(name, ())), parameter


@pytest.mark.parametrize("stage", [1, 3])
def test_the_tiny_backbones_gradients_along_random_ways(stage):
    """It is too wide for every element: the slope along a random way through its parameters, the images, all of it. The
    image is small, and the steps are, so that none of the thousands of ReLUs turns."""
    model, images, targets = digits(3, config=replace(DIGITS, stages=(stage,), decoder_depth=1))
    images, targets = images[2:, :16, :16], targets[2:]
    _, _, grads, dimages = model.losses_and_all_grads(images, targets)
    rng, start, h = np.random.default_rng(1), dict(model.params), 1e-7
    for moved in ("backbone.", "images", ""):
        names = [name for name in start if name.startswith(moved)]
        way = {name: rng.standard_normal(start[name].shape) for name in names}
        way_of_images = rng.standard_normal(images.shape) * (moved == "images")

        def loss(step, way=way, way_of_images=way_of_images):
            model.params |= start | {name: start[name] + step * direction for name, direction in way.items()}
            return model.loss(images + step * way_of_images, targets)

        slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
        expected = sum((grads[name] * way[name]).sum() for name in names) + (dimages * way_of_images).sum()
        assert slope == pytest.approx(expected, rel=1e-6), moved


def test_the_small_detectors_take_what_there_is_to_choose():
    configs = [config for _, config, _ in DETECTORS.values() if isinstance(config, DETRConfig)]
    for option in ("backbone", "dilation", "encoder_depth", "decoder_depth", "dropout", "cost_weights", "no_object"):
        assert len({str(getattr(config, option)) for config in configs}) > 1, option
    assert {config.backbone and config.backbone.inner for config in configs} >= {None, (3, 4)}
