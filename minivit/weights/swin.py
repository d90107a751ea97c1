"""timm's files of Swin Transformers: its names, which are ours, in PyTorch's layouts.

Nothing tells the size of the images but a config.json of timm's beside the file. Where there is none, the last stage's
map is taken to be one window, as in all published models: 224 pixels for windows of 7, 384 for windows of 12.
"""

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..family.swin import Swin, SwinConfig, swin
from ..layers import Arrays
from ..model.parameters import declared
from .layout import Layout, check_layout, convolved, count_blocks, fill, mlp_options, same, shape_of, transposed
from .load import find_weights, read_weights
from .tensor import Tensor
from .told import read_timm
from .torch_names import IMAGENET, normalisation

HEAD = "head.fc"
TABLE = "attn.relative_position_bias_table"


def load_swin_timm(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> Swin:
    """A Swin with the weights of a .safetensors file of timm's, or of the one in a folder, which has a config.json.

    config: SwinConfig's options, in place of what the file tells: image_size where it is another (the windows stay, but
    where a map is smaller), window where the maps of the first stage are no larger than one; another number of classes
    replaces the head by zeros (0: no head).
    Raises FileNotFoundError, TypeError for an option that SwinConfig has not, and ValueError that names what is wrong.
    """
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is {np.dtype(dtype)}, expected float32 or float64")
    file = find_weights(path)
    tensors = read_weights(file)
    try:
        told, image_size = read_timm(file.parent)
        options = _options(tensors) | told | {name: value for name, value in config.items() if name != "classes"}
        stored = _configuration(options, image_size, tensors)
        layout = _layout(stored)
        check_layout(layout, tensors, lambda name: False)
        target = SwinConfig(**stored.to_dict() | {"classes": config.get("classes", stored.classes)})
    except TypeError as error:
        raise TypeError(f"{file}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return Swin(target, params=_parameters(layout, stored, target, tensors, dtype), device=device)


def _options(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the names and shapes tell: all but the sizes of images and windows."""
    if "layers.0.downsample.norm.weight" in tensors:
        raise ValueError("it has the names of Microsoft's own Swin, which merges at a stage's end, expected timm's")
    width, channels, *patch_size = shape_of(tensors, "patch_embed.proj.weight", 4)
    first = shape_of(tensors, "layers.0.blocks.0.mlp.fc1.weight", 2)[0]
    numbers = range(count_blocks(tensors, "layers.", "."))
    return dict(
        patch_size=tuple(patch_size),
        channels=channels,
        classes=shape_of(tensors, f"{HEAD}.weight", 2)[0] if f"{HEAD}.weight" in tensors else 0,
        width=width,
        depths=tuple(count_blocks(tensors, f"layers.{s}.blocks.", ".") for s in numbers),
        heads=tuple(shape_of(tensors, f"layers.{s}.blocks.0.{TABLE}", 2)[1] for s in numbers),
        mlp_ratio=mlp_options(width, first, 0)["mlp_ratio"],
        qkv_bias="layers.0.blocks.0.attn.qkv.bias" in tensors,
        **normalisation(IMAGENET, channels),
    )


def _configuration(options: dict[str, Any], told: tuple[int, int] | None, tensors: Mapping[str, Tensor]) -> SwinConfig:
    """The stored model's: the window is the first stage's, the image's size what is told, or follows from it."""
    if "window" not in options:
        rows = shape_of(tensors, f"layers.0.blocks.0.{TABLE}", 2)[0]  # (2M − 1)²
        side = math.isqrt(rows)
        if side * side != rows or side % 2 == 0:
            raise ValueError(f"its table of {rows} offsets is that of no square window: give window=(height, width)")
        options = options | {"window": (side + 1) // 2}
    if "image_size" not in options:
        one = SwinConfig(**options | {"image_size": options["patch_size"]})  # of one token, for the checks
        sizes = [2 ** (len(one.depths) - 1) * p * m for p, m in zip(one.patch_size, one.window, strict=True)]
        options = options | {"image_size": told or sizes}
    return SwinConfig(**options)


def _layout(config: SwinConfig) -> Layout:
    """Each of our parameters in PyTorch's layout, under the same name."""
    layout: Layout = {}
    for name, parameter in declared(swin(config)).items():
        if name == "patch_embed.proj.weight":
            piece = convolved(name, config.patch_size, config.channels, config.width)
        elif len(parameter.shape) == 2 and not name.endswith(TABLE):
            piece = transposed(name, parameter.shape)
        else:
            piece = same(name, parameter.shape)
        layout[name] = [piece]
    return layout


def _parameters(
    layout: Layout, stored: SwinConfig, target: SwinConfig, tensors: Mapping[str, Tensor], dtype: type
) -> Arrays:
    """The parameters, with a head of zeros where the target has other classes than the file: so fine-tuning starts."""
    shapes = {name: parameter.shape for name, parameter in declared(swin(target)).items()}
    kept = {n: s for n, s in shapes.items() if stored.classes == target.classes or not n.startswith(HEAD)}
    params = fill(layout, kept, lambda name: tensors[name].floats(dtype), np.dtype(dtype))
    return {name: params[name] if name in params else np.zeros(shape, dtype) for name, shape in shapes.items()}
