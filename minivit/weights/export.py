"""`export_timm`: a model as a .safetensors file in timm's names and PyTorch's layouts, for timm and others."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..model import ViT, ViTConfig
from .safetensors import write_safetensors
from .timm import stem_name

EXPORTED = "minivit.config"  # the entry in the file's metadata that holds the configuration; others pass it over
# What the tensors of a file do not tell.
CHOICES = (
    "heads", "mlp_ratio", "pool", "class_token", "gelu", "norm_eps", "layer_scale", "dropout", "attention_dropout",
    "drop_path", "stem_eps", "resize_filter", "squeeze", "crop", "image_mean", "image_std", "position_resize",
)  # fmt: skip


def export_timm(model: ViT, path: str | os.PathLike) -> None:
    """Write the model to `path` (.safetensors), in timm's names. `load_pretrained` gives back the same bits (in its
    dtype), `timm.create_model(…, checkpoint_path=path)` the same logits where timm has such a model.

    Raises TypeError for another model than a ViT, ValueError for what has no name in timm: axial attention, and
    positions other than "1d".
    """
    if not isinstance(model, ViT):
        raise TypeError(f"model is a {type(model).__name__}, expected a ViT")
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"{path} is to be a .safetensors file: give it that ending")
    config = model.config
    for name, value, known in (
        ("position", config.position, "1d"),
        ("attention", config.attention, "full"),
    ):
        if value != known:
            raise ValueError(f"{path} cannot be written: timm has no names for {name} {value!r}, only for {known!r}")
    params = model.numpy_params().items()
    arrays = {stem_name(name, config.stem): _theirs(name, array, config) for name, array in params}
    write_safetensors(path, arrays, {"format": "pt", EXPORTED: json.dumps(config.to_dict())})


def _theirs(name: str, array: np.ndarray, config: ViTConfig) -> np.ndarray:
    """Our layout to PyTorch's: the inverse of torch_names.py."""
    if name == "patch_embed.proj.weight":
        array = array.reshape(*config.patch_size, config.map_shape[2], -1)
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if name == "pos_embed" and config.position_prefix and not array[:, : config.position_prefix].any():
        # Class tokens without positions: timm's no_embed_class, as DeiT III and DINOv2 with registers have it.
        return array[:, config.position_prefix :]
    return array.T if array.ndim == 2 else array


def read_exported(text: str) -> tuple[dict[str, Any], Any, None]:
    """The metadata's configuration -> the options that no tensor tells, and the image_size of the positions."""
    try:
        config = json.loads(text)
        if not isinstance(config, dict):
            raise ValueError(f"it is a {type(config).__name__}, expected a dict")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its configuration, {EXPORTED}, cannot be read: {error}") from error
    return {name: config[name] for name in CHOICES if name in config}, config.get("image_size"), None
