"""BiT's weights: timm's files, whose names are ours, Hugging Face's, and Google's own .npz."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..family.bit import BiT
from .convolutional import Dialect, export_in, find_dialect, load_in, renamer
from .tensor import Tensor
from .told import check_told, read_hugging_face, read_timm

OURS = dict(first="stem.conv.weight", unit="stages.{s}.blocks.{u}", head="head.fc")
UNIT = r"stages\.(\d+)\.blocks\.(\d+)\."
# Where Hugging Face's configuration can say what is not computed here.
COMPUTED = {"hidden_act": "relu", "layer_type": "preactivation", "global_padding": None, "output_stride": 32}


def _hugging_face(prefix: str) -> Dialect:
    rename = renamer(
        (r"stem\.conv(\..+)", rf"{prefix}embedder.convolution\1"),
        (UNIT + "(.+)", rf"{prefix}encoder.stages.\1.layers.\2.\3"),
        (r"norm(\..+)", rf"{prefix}norm\1"),
        (r"head\.fc(\..+)", r"classifier.1\1"),
    )
    return Dialect("Hugging Face", rename, **OURS)


def _google() -> Dialect:
    def unit(rest: str, part: str | None = None) -> Any:
        def name(m: re.Match) -> str:
            return f"resnet/block{int(m[1]) + 1}/unit{int(m[2]) + 1:02d}/{part or 'abc'[int(m[3]) - 1]}/{rest}"

        return name

    rename = renamer(
        (r"stem\.conv\.weight", "resnet/root_block/standardized_conv2d/kernel"),
        (UNIT + r"conv(\d)\.weight", unit("standardized_conv2d/kernel")),
        (UNIT + r"norm(\d)\.weight", unit("group_norm/gamma")),
        (UNIT + r"norm(\d)\.bias", unit("group_norm/beta")),
        (UNIT + r"downsample\.conv\.weight", unit("standardized_conv2d/kernel", "a/proj")),
        (r"norm\.weight", "resnet/group_norm/gamma"),
        (r"norm\.bias", "resnet/group_norm/beta"),
        (r"head\.fc\.weight", "resnet/head/conv2d/kernel"),
        (r"head\.fc\.bias", "resnet/head/conv2d/bias"),
    )
    return Dialect("Google", rename, hwio=True, **OURS)


TIMM = Dialect("timm", lambda name: name, head_axes=4, **OURS)
HUGGING_FACE, GOOGLE = _hugging_face("bit."), _google()
DIALECTS = (TIMM, HUGGING_FACE, _hugging_face(""), GOOGLE)
SOURCES = {"timm": TIMM, "Hugging Face": HUGGING_FACE, "Google": GOOGLE}


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The source whose names these are, None for another model's."""
    dialect = find_dialect(tensors, DIALECTS)
    return dialect and dialect.source


def load(path: str | os.PathLike, *, dtype: type = np.float32, device: str = "cpu", **config: Any) -> BiT:
    """A BiT with the weights of Google's .npz, or a .safetensors file of timm or Hugging Face, or of the one in a
    folder with its config.json.

    config: BiTConfig's options, in place of what the file tells: image_size, for which 224 is taken, and groups, for
    which 32 are, where nothing tells them; another number of classes replaces the head by zeros (0: no head).
    weight_eps is timm's and Hugging Face's 1e-8, with Google's weights, too; Google's own code has 1e-10, which changes
    the logits of a tiny random model by 2e-7.
    Raises FileNotFoundError, TypeError for an option that BiTConfig has not, and ValueError that names what is wrong: a
    damaged file, a tensor that is missing, unknown to the model or of another shape, a config.json of something that is
    not computed here.
    """
    return load_in(path, BiT, DIALECTS, _tell, dtype, device, config)


def export(model: BiT, path: str | os.PathLike, source: str) -> None:
    """Write a BiT as one of SOURCES has it: see minivit.export. Google's .npz holds nothing but the tensors: whoever
    reads it gives groups and image_size where they are others."""
    export_in(model, path, SOURCES[source])


def _tell(folder: Path, options: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """What the tensors do not tell."""
    if dialect is GOOGLE:
        return {}
    if dialect is TIMM:
        return read_timm(folder)
    config, told = read_hugging_face(folder)
    check_told(config, COMPUTED)
    return told | ({"groups": config["num_groups"]} if "num_groups" in config else {})
