"""The model: config.py (what there is to choose), vit.py (the layers that makes), model.py (with their numbers), and
face.py (what one asks of it)."""

from .config import ViTConfig
from .described import Described
from .face import Classifier, ViT
from .model import Model
from .parameters import count_parameters, parameter_shapes

__all__ = ["Classifier", "Described", "Model", "ViT", "ViTConfig", "count_parameters", "parameter_shapes"]
