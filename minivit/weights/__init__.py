"""Published weights: load.py asks whose a file is (opened.py), and hands it to that model's module. Of ViTs, google.py,
timm.py, torchvision.py and huggingface.py know where each parameter lies. exporting.py writes. safetensors.py, npz.py
and onnx.py read the files, trusting nothing in them.
"""

from .exporting import export, export_timm
from .load import load_pretrained
from .opened import read_weights

__all__ = ["export", "export_timm", "load_pretrained", "read_weights"]
