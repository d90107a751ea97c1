"""What the readers of detectors have in common: a ResNet's tensors within a file, and the JSON beside it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..family.resnet import ResNetConfig
from .convolutional import Dialect
from .resnet import OURS, hugging_face
from .tensor import Tensor
from .told import check_told, preprocessing, read_json

OURS_BEFORE = "backbone."  # what our names of a detector's ResNet begin with
COSTS = ("class_cost", "bbox_cost", "giou_cost")
LOSSES = ("bbox_loss_coefficient", "giou_loss_coefficient")


def torchvision(prefix: str) -> Dialect:
    """The names of torchvision's and timm's ResNets, which are ours, after this."""
    return Dialect("torchvision", lambda name: prefix + name, **OURS)


def resnet_names(prefix: str) -> dict[str, Dialect]:
    """A ResNet's names after this, in torchvision's and timm's way, and in Hugging Face's."""
    return {"torchvision": torchvision(prefix), "Hugging Face": hugging_face(prefix)}


def resnet_of(tensors: Mapping[str, Tensor], dialect: Dialect, **options: Any) -> ResNetConfig | None:
    """The ResNet whose tensors a file has under these names, None where it has none."""
    if not dialect.knows(tensors):
        return None
    return ResNetConfig(**dialect.options(tensors) | {"classes": 0} | options)


def rename_backbone(dialect: Dialect) -> Callable[[str], str | None]:
    """A function from our names of the ResNet's tensors to theirs; None for another's."""

    def rename(ours: str) -> str | None:
        return dialect.rename(ours.removeprefix(OURS_BEFORE)) if ours.startswith(OURS_BEFORE) else None

    return rename


def told_beside(folder: Path, backbone: ResNetConfig | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hugging Face's config.json as it stands, {} where there is none; and options that it and the
    preprocessor_config.json tell of any detector: the ResNet's, weights of costs and losses, pixels."""
    config, preprocessor = (read_json(folder / name) for name in ("config.json", "preprocessor_config.json"))
    told: dict[str, Any] = {}
    if config:
        resnet = config.get("backbone_config") or {}
        check_told(config, {"position_embedding_type": "sine", "activation_function": "relu"})
        check_told(resnet, {"hidden_act": "relu"})
        told = {name: config[name] for name in ("dropout", "attention_dropout", "dilation") if name in config}
        if backbone is not None:
            strides = dict(
                stride_first=resnet.get("downsample_in_bottleneck", False),
                halve_first=resnet.get("downsample_in_first_stage", False),
            )
            told["backbone"] = dataclasses.replace(backbone, **strides)
        if set(COSTS) <= config.keys():
            told["cost_weights"] = tuple(config[name] for name in COSTS)
        if set(LOSSES) <= config.keys():
            told["loss_weights"] = (told.get("cost_weights", (1.0,))[0], *(config[name] for name in LOSSES))
    pixels, _ = preprocessing(preprocessor)
    told |= {name: pixels[name] for name in ("image_mean", "image_std") if name in pixels}
    size = preprocessor.get("size")
    if isinstance(size, dict) and "shortest_edge" in size:
        told |= {"short_side": size["shortest_edge"], "long_side": size.get("longest_edge")}
    return config, told
