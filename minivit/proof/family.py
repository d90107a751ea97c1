"""Small models of the family, for proof.py: together they take every value of every option."""

from typing import Any

from ..family.bit import BiT, BiTConfig
from ..family.resnet import ResNet, ResNetConfig
from ..family.swin import Swin, SwinConfig
from ..model import Classifier


def _swin(**options: object) -> SwinConfig:
    """Two stages."""
    sizes = dict(patch_size=2, channels=1, classes=4, width=3, depths=(2, 2), heads=(1, 2), mlp_ratio=1.5)
    return SwinConfig(**sizes | options)


def _resnet(**options: object) -> ResNetConfig:
    """Two stages of basic units, on a map as large as the image."""
    sizes = dict(image_size=(5, 6), channels=2, classes=4, stem_width=4, stem_kernel=3, stem_stride=1, stem_pool=False)
    return ResNetConfig(**sizes | dict(depths=(1, 2), widths=(4, 6), inner=None) | options)


def _bit(**options: object) -> BiTConfig:
    """Two stages. Narrow groups of GroupNorm bend sharply, so its ε is large."""
    sizes = dict(image_size=(9, 12), channels=2, classes=4, stem_width=4, depths=(2, 1), widths=(8, 12), inner=(4, 6))
    return BiTConfig(**sizes | dict(groups=2, norm_eps=0.1) | options)


# Small models of the family, each with its class.
FAMILY: dict[str, tuple[type[Classifier], Any]] = {
    # Maps of 4 x 8 and 2 x 4: windows shifted both ways, then along one axis alone.
    "Swin": (Swin, _swin(image_size=(4, 16), patch_size=(1, 2), channels=2, width=4, window=2)),
    # Maps of 3 x 5 and 2 x 3 with windows of 3 x 3 and 1 x 2: zeros continue both, and what is merged.
    "Swin, odd sides": (Swin, _swin(image_size=(6, 10), window=3, qkv_bias=False, norm_eps=0.05)),
    "Swin, dropout": (
        Swin,
        _swin(image_size=8, window=(2, 3), depths=(1, 2), dropout=0.1, attention_dropout=0.3, drop_path=0.4),
    ),
    "Swin, no head": (Swin, _swin(image_size=4, classes=0, window=2, depths=(1,), heads=(3,))),
    "ResNet": (ResNet, _resnet()),
    # The stem of published models leaves 3 x 3 of 9 x 12 pixels; then 2 x 2.
    "ResNet, bottleneck": (
        ResNet,
        _resnet(image_size=(9, 12), stem_kernel=7, stem_stride=2, stem_pool=True, widths=(8, 12), inner=(2, 3)),
    ),
    "ResNet, the paper's strides": (
        ResNet,
        _resnet(widths=(8, 12), inner=(2, 3), stride_first=True, halve_first=True, depths=(1, 1), norm_eps=0.1),
    ),
    "ResNet, no shortcuts, no head": (ResNet, _resnet(shortcuts=False, classes=0, momentum=0.3, depths=(1, 1))),
    "BiT": (BiT, _bit()),
    "BiT, no head": (BiT, _bit(image_size=4, stem_kernel=3, stem_stride=1, stem_pool=False, weight_eps=0.1, classes=0)),
}
