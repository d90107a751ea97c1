"""The published Sparse R-CNNs (arXiv 2011.12450, table 1), and one for digits."""

from ..model.sizes import IMAGENET

COCO = IMAGENET | dict(short_side=800, long_side=1333)
SIZES = {
    f"Sparse-R-CNN-R{depth}{of_300}": COCO | dict(backbone=f"ResNet-{depth}", queries=queries)
    for depth in (50, 101)
    for of_300, queries in (("", 100), ("-300", 300))
} | {
    # Canvases of 64 x 64 with up to five digits: all maps in one of 16 x 16.
    "Sparse-R-CNN-digits": dict(
        classes=10, channels=1, backbone="tiny", stages=(1, 2, 3), pyramid="sum", queries=10, width=64, heads=4,
        mlp_width=128, depth=3, dynamic_width=16, pool_size=5, class_layers=1, box_layers=1,
        image_mean=0.13, image_std=0.31,
    ),
}  # fmt: skip
