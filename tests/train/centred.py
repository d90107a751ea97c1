"""A classifier with a buffer: an operation that keeps a running mean. Whoever trains it adds the operation to ops."""

from minivit import ViTConfig
from minivit.layers import Chain, Op, Parameter
from minivit.layers.parts import dense
from minivit.model import Classifier

CONFIG = ViTConfig(
    image_size=28, patch_size=14, channels=1, classes=10, width=6, depth=1, heads=2, image_mean=0.13, image_std=0.31
)
MEAN, MOMENTUM = "centre.mean", 0.25


def running_mean_forward(x, mean, momentum, rng=None):
    """y = x − μ: in training the mean of these tokens, and the new running mean is cached; in evaluation that mean."""
    if rng is None:
        return x - mean, None
    own = x.mean(axis=(0, 1))
    return x - own, (1 - momentum) * mean + momentum * own


def running_mean_backward(dy, cache):
    """dx, and in the mean's place its new value, where the forward was one of training."""
    return (dy, None) if cache is None else (dy - dy.mean(axis=(0, 1)), cache)


def describe(config):
    mean = Parameter(MEAN, (config.width,), buffer=True, mean=0.5)
    tokens = Chain(Op("patchify", patch_size=config.patch_size), dense("embed", 196, config.width))
    features = Chain(Op("running_mean", mean, momentum=MOMENTUM, noise=True), Op("gelu"), Op("pool", kind="gap"))
    return Chain(tokens, features, dense("head", config.width, config.classes))


class Centred(Classifier):
    """A classifier with a buffer."""

    Config = ViTConfig
    describe = staticmethod(describe)
