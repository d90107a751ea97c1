"""Small models of the family, for proof.py: together they take every value of every option."""

from typing import Any

from ..family.bit import BiT, BiTConfig
from ..family.mobilevit import MobileViT, MobileViTConfig
from ..family.pvt import PVT, PVTConfig
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


def _pvt(**options: object) -> PVTConfig:
    """Two stages of version 2. A narrow LayerNorm bends sharply, so there is a large ε in the embeddings."""
    sizes = dict(channels=1, classes=4, widths=(4, 6), depths=(1, 1), heads=(1, 2), strides=(2, 2), patch_sizes=(3, 3))
    return PVTConfig(**sizes | dict(reductions=(2, 1), mlp_ratios=(1, 0.5), embed_eps=0.3) | options)


def _mobilevit(**options: object) -> MobileViTConfig:
    """Two stages, of which the second has tokens."""
    sizes = dict(channels=1, classes=4, stem_width=2, widths=(2, 3), strides=(1, 2), units=(1, 1), expansions=(2, 2))
    sizes |= dict(token_widths=(0, 4), depths=(0, 1), last_width=3, heads=2, mlp_ratio=1)
    return MobileViTConfig(**sizes | options)


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
    # A map of 5 x 5, continued by zeros and then shifted, then one of 3 x 3, which is one window.
    "Swin, padded first": (
        Swin,
        _swin(image_size=10, window=3, padding="huggingface", absolute_position=True, norm_eps=0.1, embed_eps=0.01),
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
    # Maps of 5 x 7 under a reduction of 2, which loses a row and a column; then 2 x 3, and a class token.
    "PVT": (PVT, _pvt(image_size=(11, 15), version=1, channels=2, patch_sizes=(2, 2), depths=(2, 1))),
    "PVT, dropout": (
        PVT,
        _pvt(image_size=8, version=1, patch_sizes=(2, 2), qkv_bias=False, dropout=0.1, attention_dropout=0.3),
    ),
    # Patches that overlap: maps of 5 x 6 and 3 x 3.
    "PVT, version 2": (PVT, _pvt(image_size=(10, 12), norm_eps=0.05)),
    "PVT, version 2, dropout": (PVT, _pvt(image_size=8, dropout=0.1, attention_dropout=0.3, drop_path=0.4)),
    # 7 x 7 keys of maps of 4 x 5 and 2 x 3: their bins overlap.
    # Its MLP has a ReLU, so that steps are tiny: wide enough, for its gradients to be large beside their rounding.
    "PVT, linear": (
        PVT,
        _pvt(image_size=(8, 10), linear=True, reductions=(1, 1), mlp_ratios=(2, 2), qkv_bias=False),
    ),
    "PVT, no head": (PVT, _pvt(image_size=(8, 4), classes=0)),
    # A map of 2 x 2 in patches of 1 x 2.
    "MobileViT": (MobileViT, _mobilevit(image_size=(6, 8), channels=2, patch_size=(1, 2))),
    # A map of 3 x 2, resized to 4 x 2 and back.
    "MobileViT, resized, no head": (MobileViT, _mobilevit(image_size=(11, 8), qkv_bias=False, classes=0, bgr=True)),
    "MobileViT, dropout": (
        MobileViT,
        _mobilevit(image_size=8, depths=(0, 2), dropout=0.1, attention_dropout=0.3, drop_path=0.4),
    ),
}
# Gradients that are exactly zero in training: a shift that the next BatchNorm takes back.
ZEROS = {"MobileViT": ("stages.0.0.conv3_1x1.bn.bias", "stages.1.1.norm.bias")}
