"""The published models by name: `ViTConfig.from_name("ViT-B/16")`. The number after the slash is the patch's side.

Sizes: ViT (arXiv 2010.11929, table 1), DeiT (2012.12877), "How to train your ViT" (2106.10270: Ti, S and the small
hybrids), DINOv2 (2304.07193). What a weight file decides, such as the GELU, is left to whoever reads the file.
"""

from ..messages import choices, short

WIDTHS = {
    "Ti": dict(width=192, depth=12, heads=3),
    "S": dict(width=384, depth=12, heads=6),
    "B": dict(width=768, depth=12, heads=12),
    "L": dict(width=1024, depth=24, heads=16),
    "H": dict(width=1280, depth=32, heads=16),
    "g": dict(width=1536, depth=40, heads=24, mlp="swiglu"),
}
IMAGENET = dict(image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225))
DEIT = IMAGENET | dict(crop=0.875, position_resize="bicubic")
DINOV2 = IMAGENET | dict(
    image_size=518, patch_size=14, layer_scale=1e-5, classes=0, crop=1.0, position_resize="bicubic"
)
R26, R50 = (2, 2, 2, 2), (3, 4, 6, 3)

# In a hybrid the patches are cut from the stem's map; the name's number is the side of a token in pixels, but for
# R+ViT-Ti/16, whose tokens are 32 pixels wide.
SIZES: dict[str, dict] = {
    **{
        f"ViT-{size}/{patch}": WIDTHS[size] | dict(patch_size=patch)
        for size, patches in {"Ti": (16,), "S": (16, 32), "B": (8, 16, 32), "L": (16, 32), "H": (14,)}.items()
        for patch in patches
    },
    "R+ViT-Ti/16": WIDTHS["Ti"] | dict(stem=(), patch_size=8),
    "R26+ViT-S/32": WIDTHS["S"] | dict(stem=R26, patch_size=1),
    "R26+ViT-B/32": WIDTHS["B"] | dict(stem=R26, patch_size=1),
    "R50+ViT-B/16": WIDTHS["B"] | dict(stem=(3, 4, 9), patch_size=1),  # R50's fourth stage, joined to the third
    "R50+ViT-L/32": WIDTHS["L"] | dict(stem=R50, patch_size=1),
    **{
        f"DeiT-{size}/16{suffix}": WIDTHS[size] | DEIT | dict(patch_size=16, distilled=bool(suffix))
        for size in ("Ti", "S", "B")
        for suffix in ("", "-distilled")
    },
    **{
        f"DINOv2-{size}/14{suffix}": WIDTHS[size]
        | DINOV2
        | (dict(registers=4, position_resize="bicubic_antialias") if suffix else {})
        for size in ("S", "B", "L", "g")
        for suffix in ("", "-registers")
    },
}


def size_by_name(name: str, sizes: dict[str, dict]) -> dict:
    """The options that make a configuration the published model of this name. Raises ValueError for an unknown one."""
    if name in sizes:
        return sizes[name]
    raise ValueError(f"no published size is named {short(name)}, {choices(name, sizes)}")
