"""What a detector sees with: a network of convolutions, which hands out the maps of some of its stages.

    a ResNet    of the family, its BatchNorm frozen; stage s = 1, 2, … has the stride 2^(s+1)
    "tiny"      five convolutions 3x3, for digits: GroupNorm and ReLU after each, stages 1, 2, 3 of strides 4, 8, 16
    None        nothing: the maps themselves stand for the images, and get a gradient each

The parameters' names begin with "backbone.".
"""

from typing import Any

import numpy as np

from ..layers import Chain, Layer, Op, Steps
from ..layers.maps import convolution, group_norm
from .detector_config import TINY, DetectorConfig
from .resnet import encoder

Pair = tuple[int, int]

CONVOLUTIONS = ((16, 2), (32, 2), (32, 1), (64, 2), (64, 2))  # numbers a place and stride of each convolution
ENDS = 2, 3, 4  # the convolutions that end stages 1, 2 and 3
GROUPS = 8


def backbone(config: DetectorConfig) -> Layer:
    """images (B, height, width, C) -> a list of maps (B, h, w, D), finest first; the maps themselves without one."""
    if config.backbone is None:
        return Chain()
    if config.backbone == TINY:
        return tiny(config)
    return Steps(*encoder(config.backbone, "backbone.").parts, keep=config.stages)


def tiny(config: DetectorConfig) -> Steps:
    """Five convolutions, trained along with the detector from nothing."""
    n_in, units = config.channels, []
    for i, (n_out, stride) in enumerate(CONVOLUTIONS, start=1):
        norm = group_norm(f"backbone.norm{i}", n_out, GROUPS, eps=1e-5)
        units.append(Chain(convolution(f"backbone.conv{i}", 3, n_in, n_out, stride), norm, Op("relu")))
        n_in = n_out
    return Steps(*units, keep=[ENDS[stage - 1] for stage in config.stages])


def map_widths(config: DetectorConfig) -> tuple[int, ...]:
    """Numbers a place of each map that the backbone hands out."""
    if config.backbone is None:
        return config.map_widths
    if config.backbone == TINY:
        return tuple(CONVOLUTIONS[ENDS[stage - 1]][0] for stage in config.stages)
    return tuple(config.backbone.widths[stage - 1] for stage in config.stages)


def map_sizes(config: DetectorConfig, images: Any) -> list[Pair]:
    """(h, w) of each map of these images: those of the maps, where they are given; else a side is halved, an odd one
    rounded up, as often as a stage has convolutions that halve."""
    if config.backbone is None:
        return [x.shape[1:3] for x in images]
    return [tuple(-(-side // stride) for side in images.shape[1:3]) for stride in strides(config)]


def strides(config: DetectorConfig) -> tuple[int, ...]:
    """Pixels of the image to one place of each map that the backbone hands out."""
    if config.backbone == TINY:
        made = np.cumprod([stride for _, stride in CONVOLUTIONS]).tolist()
        return tuple(made[ENDS[stage - 1]] for stage in config.stages)
    first = config.backbone.stem_stride * (1 + config.backbone.stem_pool)
    halved = np.cumprod([units[0]["stride"] for units in config.backbone.units()]).tolist()
    return tuple(first * halved[stage - 1] for stage in config.stages)
