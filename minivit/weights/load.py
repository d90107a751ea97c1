"""`load_pretrained`: a published file of weights -> a model that gives the publisher's numbers.

Whose file it is, and how large the model, is found out from the names and shapes inside; what they do not tell, from
the JSON files beside it, or from the source's conventions. The configuration keeps all of it.
"""

import dataclasses
import difflib
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..model import ViT, ViTConfig, parameter_shapes
from ..model.checks import as_pair
from ..model.resolution import at_resolution
from ..model.sizes import SIZES
from ..model.vit import head_names
from . import google, huggingface, timm, torchvision
from .export import EXPORTED, read_exported
from .layout import Layout, Source, check_layout, fill
from .npz import read_lazy_npz
from .onnx import read_onnx
from .safetensors import read_safetensors
from .tensor import Tensor
from .told import read_told

# path -> the tensors, and what else the file tells.
READERS = {".npz": lambda path: (read_lazy_npz(path), None), ".safetensors": read_safetensors, ".onnx": read_onnx}
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
IMPORTERS = {"Google": google, "timm": timm, "torchvision": torchvision, "Hugging Face": huggingface}
# Heads are no shape in PyTorch's files. Published models of these (width, depth) have this number, d = 64 (but for H),
# with rare exceptions: MoCo v3's ViT-S has 12.
HEADS = {(192, 12): 3, (384, 12): 6, (768, 12): 12, (1024, 24): 16, (1280, 32): 16, (1536, 40): 24}
AFTERWARDS = ("image_size", "classes", "representation_size")  # changed when the stored model is known


def load_pretrained(
    path: str | os.PathLike,
    heads: int | None = None,
    *,
    dtype: type = np.float32,
    device: str = "cpu",
    **config: Any,
) -> ViT:
    """A model with the weights of `path`: Google's .npz (ViT, augreg, big_vision, hybrids), .safetensors of timm, DeiT,
    torchvision or Hugging Face (ViT, DeiT, Dinov2: a file, or the folder with its config.json), an .onnx of Dinov2 (the
    backbone; whatever else such a file holds is left out).

    heads: where the file does not tell, the published size's number is taken (64 numbers a head, 80 in ViT-H: give it
    where yours differ, and a warning names both); for other sizes it must be given. config: ViTConfig's options, in
    place of the source's own: image_size resizes the positions by the source's rule (position_resize), another number
    of classes replaces the head by zeros (0: no head, the logits are the features), representation_size=None drops the
    layer before the head.
    Raises FileNotFoundError, TypeError for an option that ViTConfig has not, and ValueError that names what is wrong: a
    damaged file, a tensor that is missing, unknown to the model or of another shape, a number of heads that nothing
    tells, or another one than the file tells.
    """
    _check_options(config)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is {np.dtype(dtype)}, expected float32 or float64")
    file = find_weights(path)
    tensors, beside = _read(file)
    try:
        options, source = _recognise(tensors)
        told, stored_size, input_size = _told(file, beside, options)
        options |= told | {name: value for name, value in config.items() if name not in AFTERWARDS}
        options["heads"] = _heads(options, heads)
        image_size = config.get("image_size", input_size)
        stored, prefix_rows = _stored(options, source.rows, stored_size, image_size)
        layout = source.layout(stored, prefix_rows)
        check_layout(layout, tensors, source.ignored)
        target = _with_head(stored, config)
    except TypeError as error:
        raise TypeError(f"{file}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    params = _parameters(layout, stored, target, tensors, dtype)
    target, params = at_resolution(target, params, stored.image_size if image_size is None else image_size)
    return ViT(target, params=params, device=device)


def read_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """Every tensor of a .npz, .safetensors or .onnx file by its name in the file, unread: `.shape`, `.read()`.

    Raises FileNotFoundError, and ValueError for a damaged file or another kind. Nothing is ever unpickled.
    """
    return _read(path)[0]


def _read(path: str | os.PathLike) -> tuple[dict[str, Tensor], Any]:
    """The tensors, and what else the file tells: the metadata of .safetensors, the size of an .onnx graph's images."""
    suffix = Path(path).suffix.lower()
    if suffix in PICKLES:
        raise ValueError(
            f"{path} is a pickle, which could run code when it is read: have PyTorch load it, and save its tensors "
            "with safetensors.torch.save_file"
        )
    if suffix not in READERS:
        raise ValueError(f"{path} ends in {suffix!r}, expected one of {', '.join(READERS)}")
    return READERS[suffix](path)


def find_weights(path: str | os.PathLike) -> Path:
    """The file itself, or the one file of weights in a folder."""
    path = Path(path)
    if not path.exists():
        name = ": it is the name of a model, whose weights must be downloaded first" if str(path) in SIZES else ""
        raise FileNotFoundError(f"{path} does not exist{name}")
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS)
    files = [file for file in files if file.name == "model.safetensors"] or files
    if not files:
        raise FileNotFoundError(f"{path} holds no file of weights, expected one of {', '.join(READERS)}")
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:5])
        raise ValueError(f"{path} holds {len(files)} files of weights, choose one: {names}")
    return files[0]


def _check_options(config: Mapping[str, Any]) -> None:
    known = [field.name for field in dataclasses.fields(ViTConfig)]
    for name in config:
        if name not in known:
            near = difflib.get_close_matches(name, ["dtype", "device", *known], n=1)
            hint = f"did you mean {near[0]}?" if near else "see help(minivit.ViTConfig)"
            raise TypeError(f"{name} is no option of load_pretrained, nor of ViTConfig: {hint}")


def _recognise(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], Source]:
    if "minivit.config" in tensors:
        raise ValueError("it is a model that minivit saved: read it with its class, as minivit.ViT.load does")
    if "layers.0.blocks.0.attn.qkv.weight" in tensors:
        raise ValueError("its names are those of a Swin: read it with minivit.family.loader('Swin')")
    for importer in IMPORTERS.values():
        if source := importer.recognise(tensors):
            return dict(source.options), source
    names = ", ".join(list(tensors)[:5])
    raise ValueError(f"its names are those of no known ViT ({', '.join(IMPORTERS)}): it has {names} …")


def _told(file: Path, beside: Any, options: dict[str, Any]) -> tuple[dict[str, Any], Any, Any]:
    """Options that something else than the tensors tells, the image_size of the stored positions, and of the input."""
    if file.suffix.lower() == ".onnx":
        return {}, None, beside
    if file.suffix.lower() != ".safetensors":
        return {}, None, None
    if EXPORTED in beside:
        return read_exported(beside[EXPORTED])
    return read_told(file.parent, options)


def _heads(options: dict[str, Any], asked: int | None) -> int:
    """What the file tells; else what is asked for; else what published models of this size have."""
    width, depth, told = options["width"], options["depth"], options.get("heads")
    published = HEADS.get((width, depth))
    if told is not None:
        if asked not in (None, told):
            raise ValueError(f"heads is {asked!r}, but the file tells {told!r}: leave it out")
        return told
    if asked is None and published is None:
        raise ValueError(f"nothing tells the number of heads of {depth} blocks of width {width}: give heads=…")
    if None not in (asked, published) and asked != published:
        warnings.warn(
            f"heads={asked} is taken, but published models of {depth} blocks of width {width} have {published}",
            stacklevel=3,
        )
    return published if asked is None else asked


def _stored(options: dict[str, Any], rows: int | None, told: Any, wanted: Any) -> tuple[ViTConfig, bool]:
    """The configuration of the model as it is stored, and whether its table of positions has rows for prefix tokens.

    rows: of that table. told: the image size that the file says it is for; else a square is taken, and only where there
    is none, the size that is wanted.
    """
    stem = options.get("stem")
    stride = 1 if stem is None else 4 * 2 ** max(0, len(stem) - 1)
    pixels = [stride * side for side in options["patch_size"]]  # that a patch stands for
    config = ViTConfig(**options | {"image_size": pixels})
    sizes = [as_pair("image_size", size) for size in (told, wanted) if size is not None]
    if rows is None:
        return dataclasses.replace(config, image_size=sizes[0] if sizes else 224), False
    prefixes = list(dict.fromkeys((config.position_prefix, 0)))  # with rows for the prefix tokens, or without
    squares = [(prefix, (math.isqrt(max(0, rows - prefix)),) * 2) for prefix in prefixes]
    grids = [tuple(side // pixel for side, pixel in zip(size, pixels, strict=True)) for size in sizes]
    of_sizes = [(prefix, grid) for grid in grids for prefix in prefixes]
    for prefix, grid in of_sizes if told is not None else squares + of_sizes:
        if math.prod(grid) == rows - prefix > 0:
            image_size = [n * pixel for n, pixel in zip(grid, pixels, strict=True)]
            return dataclasses.replace(config, image_size=image_size), prefix == config.position_prefix
    if told is not None:
        raise ValueError(f"its {rows} positions are not those of image_size {told}, which it says it is for")
    raise ValueError(f"its {rows} positions are no square grid: give image_size=(height, width)")


def _with_head(config: ViTConfig, changes: dict[str, Any]) -> ViTConfig:
    """The configuration with the classes and the representation_size that were asked for."""
    size = changes.get("representation_size", config.representation_size)
    if size not in (None, config.representation_size):
        or_stored = f"{config.representation_size}, or " if config.representation_size else ""
        raise ValueError(f"representation_size is {size!r}, expected {or_stored}None")
    classes = changes.get("classes", config.classes)
    return dataclasses.replace(config, classes=classes, representation_size=size)


def _parameters(
    layout: Layout, stored: ViTConfig, target: ViTConfig, tensors: Mapping[str, Tensor], dtype: type
) -> dict[str, np.ndarray]:
    """The parameters, with heads of zeros where the target has others than are stored: so fine-tuning starts."""
    shapes = parameter_shapes(target)
    wanted = dict(shapes)
    if (target.classes, target.representation_size) != (stored.classes, stored.representation_size):
        for name in head_names(target):
            del wanted[f"{name}.weight"], wanted[f"{name}.bias"]
    params = fill(layout, wanted, lambda name: tensors[name].floats(dtype), np.dtype(dtype))
    return {name: params[name] if name in params else np.zeros(shape, dtype) for name, shape in shapes.items()}
