"""ResNets of torchvision and timm, whose names are ours, and of Hugging Face."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..family.resnet import ResNet
from .convolutional import Dialect, export_in, find_dialect, load_in, renamer
from .tensor import Tensor
from .told import check_told, read_hugging_face, read_timm
from .torch_names import IMAGENET, normalisation

OURS = dict(first="conv1.weight", unit="layer{s}.{u}", head="fc", first_stage=1)


def hugging_face(prefix: str) -> Dialect:
    """Its names, which begin with this."""

    def layer(rest: str) -> Any:
        return lambda m: f"{prefix}encoder.stages.{int(m[1]) - 1}.layers.{m[2]}." + rest.format(int(m[3]) - 1) + m[4]

    unit = r"layer(\d+)\.(\d+)\."
    rename = renamer(
        (r"conv1(\..+)", rf"{prefix}embedder.embedder.convolution\1"),
        (r"bn1(\..+)", rf"{prefix}embedder.embedder.normalization\1"),
        (unit + r"conv(\d)(\..+)", layer("layer.{}.convolution")),
        (unit + r"bn(\d)(\..+)", layer("layer.{}.normalization")),
        (unit + r"downsample\.(0)(\..+)", layer("shortcut.convolution")),
        (unit + r"downsample\.(1)(\..+)", layer("shortcut.normalization")),
        (r"fc(\..+)", r"classifier.1\1"),
    )
    return Dialect("Hugging Face", rename, **OURS)


TORCHVISION = Dialect("torchvision", lambda name: name, **OURS)
HUGGING_FACE = hugging_face("resnet.")
DIALECTS = (TORCHVISION, HUGGING_FACE, hugging_face(""))
SOURCES = {"torchvision": TORCHVISION, "timm": TORCHVISION, "Hugging Face": HUGGING_FACE}


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are (timm's are torchvision's), None for another model's."""
    dialect = find_dialect(tensors, DIALECTS)
    return dialect and dialect.source


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> ResNet:
    """A ResNet with the weights of a .safetensors file of torchvision, timm or Hugging Face, or of the one in a folder
    with its config.json.

    config: ResNetConfig's options, in place of what the file tells: image_size, for which 224 is taken where nothing
    tells it; stride_first=True for weights of the paper's own networks, whose names and shapes are the same; another
    number of classes replaces the head by zeros (0: no head). A BatchNorm's num_batches_tracked is left out.
    Raises FileNotFoundError, TypeError for an option that ResNetConfig has not, and ValueError that names what is
    wrong: a damaged file, a tensor that is missing, unknown to the model or of another shape, a config.json of
    something that is not computed here.
    """
    return load_in(path, ResNet, DIALECTS, _tell, dtype, device, config)


def export(model: ResNet, path: str | os.PathLike, source: str) -> None:
    """Write a ResNet as one of SOURCES has it: see minivit.export. A BatchNorm's num_batches_tracked is left out;
    PyTorch, which reads a file without it, begins to count anew."""
    export_in(model, path, SOURCES[source])


def _tell(folder: Path, options: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """What the tensors do not tell."""
    told = normalisation(IMAGENET, options["channels"])
    if dialect is TORCHVISION:
        return told | read_timm(folder)
    config, beside = read_hugging_face(folder)
    sizes = {"embedding_size": options["stem_width"], "hidden_sizes": options["widths"]}
    check_told(config, sizes, "the tensors have")
    check_told(config, {"hidden_act": "relu"})
    told = told | beside
    told["stride_first"] = config.get("downsample_in_bottleneck", False)
    told["halve_first"] = config.get("downsample_in_first_stage", False)
    return told
