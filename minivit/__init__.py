"""minivit: the Vision Transformer from a pixel to a trained model, in NumPy, every gradient derived by hand and proved.

Start with minivit/ops, then minivit/model, then minivit/train; README.md has the path. Names are looked up when first
used, so that `import minivit` loads NumPy alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np  # noqa: F401  everything here needs it: say so at once where it is missing

__version__ = "0.1.0"
__all__ = [
    "BERT",
    "DETR",
    "MAE",
    "PVT",
    "BERTConfig",
    "BiT",
    "BiTConfig",
    "DETRConfig",
    "DeformableDETR",
    "DeformableDETRConfig",
    "Live",
    "MAEConfig",
    "MobileViT",
    "MobileViTConfig",
    "PVTConfig",
    "ResNet",
    "ResNetConfig",
    "SparseRCNN",
    "SparseRCNNConfig",
    "Swin",
    "SwinConfig",
    "TrainConfig",
    "Trainer",
    "ViT",
    "ViTConfig",
    "__version__",
    "check",
    "count_parameters",
    "data",
    "devices",
    "draw",
    "emulator",
    "evaluate",
    "export",
    "export_timm",
    "family",
    "finetune",
    "fit",
    "gradcheck",
    "inspect",
    "layers",
    "live",
    "load",
    "load_canvas",
    "load_folder",
    "load_mnist",
    "load_pretrained",
    "model",
    "ops",
    "pretrain_mae",
    "proof",
    "resume",
    "save_checkpoint",
    "train",
    "train_detector",
    "train_mnist",
    "weights",
]  # fmt: skip

if TYPE_CHECKING:  # what type checkers and editors see; Python itself goes on below
    from . import (
        check,
        data,
        devices,
        draw,
        emulator,
        family,
        gradcheck,
        inspect,
        layers,
        live,
        model,
        ops,
        proof,
        train,
        weights,
    )
    from .data import load_canvas, load_folder, load_mnist
    from .family import (
        BERT,
        DETR,
        MAE,
        PVT,
        BERTConfig,
        BiT,
        BiTConfig,
        DeformableDETR,
        DeformableDETRConfig,
        DETRConfig,
        MAEConfig,
        MobileViT,
        MobileViTConfig,
        PVTConfig,
        ResNet,
        ResNetConfig,
        SparseRCNN,
        SparseRCNNConfig,
        Swin,
        SwinConfig,
        count_parameters,
        load,
    )
    from .live.widget import Live
    from .model import ViT, ViTConfig
    from .train import (
        TrainConfig,
        Trainer,
        evaluate,
        finetune,
        fit,
        pretrain_mae,
        resume,
        save_checkpoint,
        train_detector,
        train_mnist,
    )
    from .weights import export, export_timm, load_pretrained
else:
    _HOMES = {
        "data": {"load_canvas", "load_folder", "load_mnist"},
        "family": {
            "BERT",
            "BERTConfig",
            "BiT",
            "BiTConfig",
            "DETR",
            "DETRConfig",
            "DeformableDETR",
            "DeformableDETRConfig",
            "MAE",
            "MAEConfig",
            "MobileViT",
            "MobileViTConfig",
            "PVT",
            "PVTConfig",
            "ResNet",
            "ResNetConfig",
            "SparseRCNN",
            "SparseRCNNConfig",
            "Swin",
            "SwinConfig",
            "count_parameters",
            "load",
        },
        "live.widget": {"Live"},
        "model": {"ViT", "ViTConfig"},
        "train": {"TrainConfig", "Trainer", "evaluate", "finetune", "fit", "pretrain_mae"}
        | {"resume", "save_checkpoint", "train_detector", "train_mnist"},
        "weights": {"export", "export_timm", "load_pretrained"},
    }

    def __getattr__(name):
        """A name of __all__, when it is first used: from the module that is its home, or a module itself."""
        if name not in __all__:
            raise AttributeError(f"module 'minivit' has no attribute {name!r}")
        home = next((home for home, names in _HOMES.items() if name in names), None)
        return getattr(import_module(f"minivit.{home}"), name) if home else import_module(f"minivit.{name}")


def __dir__() -> list[str]:
    return __all__
