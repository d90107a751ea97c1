"""Small ViTs of every kind that the inspections must understand."""

import numpy as np

from minivit.model import ViT, ViTConfig

# A rectangular grid of (3, 4) patches that are rectangles too, so that no two axes can be confused.
SIZES = dict(image_size=(6, 12), patch_size=(2, 3), channels=3, classes=5, width=8, depth=2, heads=2)

VARIANTS = {
    "class token": {},
    "mean": {"pool": "gap"},
    "mean of normalised": {"pool": "norm_gap", "position": "2d"},
    "mean, class token": {"pool": "gap", "class_token": True, "position": "sincos2d"},
    "class token, mean": {"pool": "cls_norm_gap"},
    "distilled": {"distilled": True},
    "registers": {"registers": 3},
    "relative": {"position": "relative", "layer_scale": 0.5},
    "no positions": {"position": "none", "mlp": "swiglu"},
    "pre-logits": {"representation_size": 6},
    "axial": {"pool": "gap", "attention": "axial"},
    "hybrid": {"stem": (1,), "stem_width": 4, "image_size": (12, 16), "patch_size": 1},
}


def tiny(dtype=np.float32, seed=1, **choices):
    """A ViT whose parameters are all of order one, biases, tables and tokens too: whatever is left out would show."""
    model = ViT(ViTConfig(**SIZES | choices), seed=seed, init="fan_in", dtype=dtype)
    rng = np.random.default_rng(seed)
    for name, array in model.params.items():
        if array.ndim == 1 or "token" in name or "pos" in name:
            model.params[name] = array + rng.normal(scale=0.5, size=array.shape).astype(dtype)
    return model


def raw_images(model, count=3):
    return np.random.default_rng(2).integers(0, 256, (count, *model.config.image_shape), np.uint8)
