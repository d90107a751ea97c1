"""Published weights: load.py finds out whose they are; google.py, timm.py, torchvision.py and huggingface.py know where
each parameter lies; safetensors.py, npz.py and onnx.py read the files, trusting nothing in them.
"""

from .export import export_timm
from .load import load_pretrained, read_weights

__all__ = ["export_timm", "load_pretrained", "read_weights"]
