"""The model: config.py (what there is to choose), then vit.py, embedding.py, block.py and head.py (the formula)."""

from .config import ViTConfig
from .shapes import count_parameters, parameter_shapes
from .vit import ViT

__all__ = ["ViT", "ViTConfig", "count_parameters", "parameter_shapes"]
