"""The model: config.py (what there is to choose), then vit.py, embedding.py and block.py (the formula)."""

from .config import ViTConfig, count_parameters, parameter_shapes
from .vit import ViT

__all__ = ["ViT", "ViTConfig", "count_parameters", "parameter_shapes"]
