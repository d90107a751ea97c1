"""Small models of the family, for proof.py: together they take every value of every option."""

from typing import Any

from ..family.swin import Swin, SwinConfig
from ..model import Classifier


def _swin(**options: object) -> SwinConfig:
    """Two stages."""
    sizes = dict(patch_size=2, channels=1, classes=4, width=3, depths=(2, 2), heads=(1, 2), mlp_ratio=1.5)
    return SwinConfig(**sizes | options)


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
}
