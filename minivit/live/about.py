"""What the page must know of a model before the first stroke: sizes, names, examples, and which views it has."""

import base64
from typing import Any

import numpy as np

from ..data import load_mnist
from ..model import Classifier, ViT
from . import views
from .session import reads_mnist

COURSE = "https://github.com/minivit/minivit/blob/main/tutorials/"
CHAPTERS = {
    "draw": "00_sixty_seconds",
    "attention": "07_attention",
    "rub": "14_looking_inside",
    "gradient": "05_backpropagation",
    "lens": "11_the_vit",
    "knobs": "07_attention",
    "train": "13_train",
    "walk": "11_the_vit",
}


def about(model: Classifier) -> dict[str, Any]:
    """As JSON has it."""
    config, vit = model.config, isinstance(model, ViT)
    blank = np.zeros((1, *config.image_shape), np.uint8)
    maps = views.see(model, blank).maps
    known = config.prefix_tokens if vit else None
    grids = [tuple(views.grid_of(tokens, known)) for one in maps for tokens in one.shape[1:]]
    blocks = [
        {"heads": len(one), "queries": queries, "keys": keys}
        for one, queries, keys in zip(maps, grids[::2], grids[1::2], strict=True)
    ]
    return {
        "summary": str(model),
        "side": config.image_shape[0],
        "names": list(model.class_names or map(str, range(config.classes))),
        "blocks": blocks if all(one["queries"][1] and one["keys"][1] for one in blocks) else [],
        "reader": reader(model),
        "lens": 1 + config.depth if vit else 0,  # how often the head is asked
        "positions": vit and config.position in ("1d", "2d", "sincos2d"),
        "fixed": views.unalterable(model),
        "examples": examples() if reads_mnist(model) else [],
        "chapters": {view: f"{COURSE}{name}.ipynb" for view, name in CHAPTERS.items()},
    }


def reader(model: Classifier) -> str:
    """Whose row of attention is shown while no patch is pointed at: the class token's, or the mean over all."""
    return "the class token" if isinstance(model, ViT) and model.config.has_class_token else "all patches, on average,"


def examples() -> list[dict[str, Any]]:
    """A test digit of each class: the pixels as base64, and the label."""
    digits = load_mnist()
    first = [int(np.flatnonzero(digits.test_labels == k)[0]) for k in range(10)]
    return [
        {"label": k, "pixels": base64.b64encode(digits.test_images[i].tobytes()).decode()} for k, i in enumerate(first)
    ]
