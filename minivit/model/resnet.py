"""The hybrid's stem: a ResNet whose last map takes the image's place before the patches (ViT, section 3.1).

Bottleneck units with group norm in place of batch norm, and standardised weights (BiT, arXiv 1912.11370), as in
Google's vit_jax/models_resnet.py: a root that leaves a quarter of each side, then stages; all but the first halve it.
Whole ResNets and BiT are ../family/resnet.py and bit.py; they have their parts, but not their formulas, in common.
"""

import math

from ..layers import Chain, Layer, Op
from ..layers.maps import group_norm, residual_unit, standardised
from .config import ViTConfig

GROUPS = 32
# ε of group norm, of weight standardisation, and whether that is under the root. timm has Google's weights, not its ε.
EPS = {"google": (1e-6, 1e-5, False), "timm": (1e-5, 1e-8, True)}
Eps = tuple[float, float, bool]


def stem(config: ViTConfig) -> list[Layer]:
    """images (B, height, width, C) -> the map (B, *config.map_shape). Without a stem, none."""
    if config.stem is None:
        return []
    eps, channels = EPS[config.stem_eps], config.stem_width
    layers = [convolution("stem", "_root", 7, config.channels, channels, eps, stride=2), Op("relu"), Op("max_pool")]
    for s, units in enumerate(config.stem):
        inner = config.stem_width * 2**s  # each stage doubles the channels
        for u in range(units):
            stride = 2 if s and not u else 1  # all stages but the first halve the map
            layers.append(unit(f"stem.block{s + 1}.unit{u + 1}", channels, inner, eps, stride))
            channels = 4 * inner
    return layers


def unit(name: str, n_in: int, inner: int, eps: Eps, stride: int) -> Chain:
    """y = relu(shortcut(x) + branch(x)): the branch is 1x1, 3x3 (where the stride is), 1x1 to four times the channels;
    the shortcut x itself, or, where the shape changes, a 1x1 convolution of it."""
    changes = n_in != 4 * inner or stride != 1
    return residual_unit(
        convolution(name, "1", 1, n_in, inner, eps),
        convolution(name, "2", 3, inner, inner, eps, stride),
        convolution(name, "3", 1, inner, 4 * inner, eps, start=0.0),  # a unit does nothing yet
        shortcut=convolution(name, "_proj", 1, n_in, 4 * inner, eps, stride) if changes else None,
    )


def convolution(
    name: str, which: str, kernel: int, n_in: int, n_out: int, eps: Eps, stride: int = 1, start: float = 1.0
) -> Chain:
    """Weight standardisation, convolution ("SAME"), group norm. 32 groups, or as many as divide a narrow stem."""
    norm_eps, weight_eps, under_root = eps
    return Chain(
        standardised(f"{name}.conv{which}", kernel, n_in, n_out, weight_eps, under_root, stride),
        group_norm(f"{name}.gn{which}", n_out, math.gcd(GROUPS, n_out), norm_eps, start),
    )
