"""Small Deformable DETRs, for detectors.py: together they take every value of every option."""

from typing import Any

from ..family.deformable_detr import DeformableDETR, DeformableDETRConfig

Pair = tuple[int, int]


def _small(**options: object) -> DeformableDETRConfig:
    """Three queries for two classes, with a LayerNorm that bends little."""
    sizes = dict(classes=2, channels=1, queries=3, width=4, heads=2, mlp_width=5, encoder_depth=1, decoder_depth=2)
    plain = dict(dropout=0.0, attention_dropout=0.0, norm_eps=0.1, norm_groups=2, points=2, extra_levels=0)
    return DeformableDETRConfig(**sizes | plain | options)


# As DETECTORS: the class, the configuration, and what is looked at.
DEFORMABLES: dict[str, tuple[type[DeformableDETR], Any, tuple[Pair, ...]]] = {
    "Deformable DETR, two further maps": (
        DeformableDETR,
        _small(backbone=None, stages=(3, 4), map_widths=(3, 2), extra_levels=2, norm_groups=1, decoder_depth=1),
        ((4, 5), (2, 3)),
    ),
    "Deformable DETR, one map, dropout": (
        DeformableDETR,
        _small(
            backbone=None, stages=(4,), map_widths=(3,), decoder_depth=1, heads=1, dropout=0.1, attention_dropout=0.2
        ),
        ((3, 4),),
    ),
    "Deformable DETR, refined, no encoder": (
        DeformableDETR,
        _small(backbone=None, stages=(3, 4), map_widths=(3, 2), encoder_depth=0, refine=True, points=1),
        ((4, 5), (2, 3)),
    ),
    "Deformable DETR, two stages": (
        DeformableDETR,
        _small(backbone=None, stages=(3, 4), map_widths=(3, 2), refine=True, two_stage=True, points=1, decoder_depth=1,
            loss_weights=(4, 10, 4)),
        ((4, 6), (2, 3)),
    ),
    "Deformable DETR, two stages, no loss of proposals": (
        DeformableDETR,
        _small(
            backbone=None, stages=(4,), map_widths=(3,), refine=True, two_stage=True, proposal_loss="Hugging Face",
            cost_weights="Hugging Face", loss_weights=(4, 30, 9), decoder_depth=1, encoder_depth=0,
        ),
        ((3, 5),),
    ),
}  # fmt: skip
# Gradients that are exactly zero: proposals without a loss learn nothing, and what proposed them neither.
WITHOUT = ("transformer.enc_output.", "transformer.enc_output_norm.", "class_embed.1.", "bbox_embed.1.")
SILENT = {
    name: tuple(p.name for p in kind.describe(config).parameters if p.name.startswith(WITHOUT))
    for name, (kind, config, _) in DEFORMABLES.items()
    if config.two_stage and config.proposal_loss == "Hugging Face"
}
