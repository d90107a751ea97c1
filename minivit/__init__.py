"""minivit: the Vision Transformer from a pixel to a trained model, in NumPy, every gradient derived by hand and proved.

Start with minivit/ops, then minivit/model, then minivit/train; README.md has the path. Names are looked up when first
used, so that `import minivit` loads NumPy alone.
"""

from importlib import import_module

import numpy as np  # noqa: F401  everything here needs it: say so at once where it is missing

__version__ = "0.1.0"

_HOMES = {
    "ViT": "minivit.model",
    "ViTConfig": "minivit.model",
    "count_parameters": "minivit.model",
    "TrainConfig": "minivit.train",
    "Trainer": "minivit.train",
    "fit": "minivit.train",
    "evaluate": "minivit.train",
    "train_mnist": "minivit.train",
    "load_mnist": "minivit.data",
}
__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'minivit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
