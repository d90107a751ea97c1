"""minivit: the Vision Transformer from a pixel to a trained model, in NumPy, every gradient derived by hand and proved.

Start with minivit/ops, then minivit/model, then minivit/train; README.md has the path. Names are looked up when first
used, so that `import minivit` loads NumPy alone.
"""

from importlib import import_module

import numpy as np  # noqa: F401  everything here needs it: say so at once where it is missing

__version__ = "0.1.0"

_HOMES = {
    "load_mnist": "data",
    "load_pretrained": "weights",
    "ViT": "model",
    "ViTConfig": "model",
    "count_parameters": "model",
    "TrainConfig": "train",
    "Trainer": "train",
    "evaluate": "train",
    "export_timm": "weights",
    "finetune": "train",
    "fit": "train",
    "resume": "train",
    "save_checkpoint": "train",
    "train_mnist": "train",
}
_SUBMODULES = {"check", "data", "draw", "family", "gradcheck", "inspect", "model", "ops", "proof", "train", "weights"}
__all__ = sorted([*_HOMES, *_SUBMODULES, "__version__"])


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        return import_module(f"minivit.{name}")
    if name in _HOMES:
        return getattr(import_module(f"minivit.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'minivit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
