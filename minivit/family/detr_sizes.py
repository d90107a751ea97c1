"""The published DETRs (arXiv 2005.12872, table 1), and one for digits."""

from ..model.sizes import IMAGENET

COCO = IMAGENET | dict(classes=91, short_side=800, long_side=1333)  # its ids go up to 90, with holes
SIZES = {
    f"DETR-{dc5}R{depth}": COCO | dict(backbone=f"ResNet-{depth}", dilation=bool(dc5))
    for depth in (50, 101)
    for dc5 in ("", "DC5-")
} | {
    # Canvases of 64 x 64 with up to five digits: the map of 8 x 8.
    "DETR-digits": dict(
        classes=10, channels=1, backbone="tiny", stages=(2,), queries=10, width=64, heads=4, mlp_width=128,
        encoder_depth=1, decoder_depth=3, dropout=0.0, attention_dropout=0.0, image_mean=0.13, image_std=0.31,
    ),
}  # fmt: skip
