"""The published Pyramid Vision Transformers by name, for pvt.py: of version 1 and, from B0 to B5, of version 2."""

from ..model.sizes import IMAGENET

FOUR = dict(widths=(64, 128, 320, 512), heads=(1, 2, 5, 8), reductions=(8, 4, 2, 1), strides=(4, 2, 2, 2))
V1 = IMAGENET | FOUR | dict(version=1, patch_sizes=(4, 2, 2, 2), mlp_ratios=(8, 8, 4, 4), crop=0.875)
V2 = IMAGENET | FOUR | dict(version=2, patch_sizes=(7, 3, 3, 3), mlp_ratios=(8, 8, 4, 4))

SIZES: dict[str, dict] = {
    "PVT-Tiny": V1 | dict(depths=(2, 2, 2, 2)),
    "PVT-Small": V1 | dict(depths=(3, 4, 6, 3)),
    "PVT-Medium": V1 | dict(depths=(3, 4, 18, 3)),
    "PVT-Large": V1 | dict(depths=(3, 8, 27, 3)),
    "PVTv2-B0": V2 | dict(widths=(32, 64, 160, 256), depths=(2, 2, 2, 2)),
    "PVTv2-B1": V2 | dict(depths=(2, 2, 2, 2)),
    "PVTv2-B2": V2 | dict(depths=(3, 4, 6, 3)),
    "PVTv2-B2-Li": V2 | dict(depths=(3, 4, 6, 3), linear=True, reductions=(1, 1, 1, 1)),
    "PVTv2-B3": V2 | dict(depths=(3, 4, 18, 3)),
    "PVTv2-B4": V2 | dict(depths=(3, 8, 27, 3)),
    "PVTv2-B5": V2 | dict(depths=(3, 6, 40, 3), mlp_ratios=(4, 4, 4, 4)),
}
