"""The published Swins by name (arXiv 2103.14030, table 1; microsoft/Swin-Transformer): 224 pixels or 384, the 1,000
classes of ImageNet or the 21,841 of ImageNet-22k."""

from ..model.sizes import IMAGENET

T = IMAGENET | dict(width=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24))
S = T | dict(depths=(2, 2, 18, 2))
B = S | dict(width=128, heads=(4, 8, 16, 32))
L = S | dict(width=192, heads=(6, 12, 24, 48))
AT_384 = dict(image_size=384, window=12, crop=1.0)
OF_1K = {"Swin-T": T, "Swin-S": S, "Swin-B": B, "Swin-L": L, "Swin-B-384": B | AT_384, "Swin-L-384": L | AT_384}
SIZES: dict[str, dict] = OF_1K | {f"{name}-22k": size | dict(classes=21841) for name, size in OF_1K.items()}
