"""The published Deformable DETRs (arXiv 2010.04159, table 1), and one for digits."""

from ..model.sizes import IMAGENET

COCO = IMAGENET | dict(classes=91, short_side=800, long_side=1333)  # its ids go up to 90, with holes
SINGLE = COCO | dict(stages=(4,), extra_levels=0)
SIZES = {
    "Deformable-DETR-R50-single": SINGLE,
    "Deformable-DETR-R50-single-DC5": SINGLE | dict(dilation=True),
    "Deformable-DETR-R50": COCO,
    "Deformable-DETR-R50-refined": COCO | dict(refine=True),
    "Deformable-DETR-R50-two-stage": COCO | dict(refine=True, two_stage=True),
    # Canvases of 64 x 64 with up to five digits: the maps of 16 x 16 and 8 x 8, which the decoder alone looks at.
    "Deformable-DETR-digits": dict(
        classes=10, channels=1, backbone="tiny", stages=(1, 2), extra_levels=0, queries=16, width=64, heads=4,
        mlp_width=128, encoder_depth=0, decoder_depth=3, refine=True, box_start=-1.0, dropout=0.0,
        attention_dropout=0.0, image_mean=0.13, image_std=0.31,
    ),
}  # fmt: skip
