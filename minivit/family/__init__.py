"""The family: further models, each described in a file of its own in the layers of ../layers.

All that others know of them is the table MEMBERS, and what stands in it is loaded when it is used:

    minivit.family.Swin, SwinConfig    the class and its configuration          module, config
    kind("Swin"), kind_of(config)      the class by its name, by a configuration
    load(path)                         a file that a model saved, whichever it is of
    count_parameters(config)           of any configuration
    loader("Swin")                     what reads its published weights         weights: see ../weights/load.py

A member is added by its file here, by one in ../weights where it has published weights, and by a row of the table. Its
class has a Config and `describe` (configuration -> layers); one that looks at images is a Classifier (model/face.py),
and has all the rest from there. A row in ../train/recipes.py trains it on digits. docs/extend.md goes through it.
"""

import math
import os
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..messages import near, short
from ..model.files import model_name, read_arrays, restored

if TYPE_CHECKING:  # what type checkers and editors see; Python itself looks in the table below
    from .bert import BERTConfig as BERTConfig
    from .bert_face import BERT as BERT
    from .bit import BiT as BiT
    from .bit import BiTConfig as BiTConfig
    from .deformable_detr import DeformableDETR as DeformableDETR
    from .deformable_detr import DeformableDETRConfig as DeformableDETRConfig
    from .detr import DETR as DETR
    from .detr import DETRConfig as DETRConfig
    from .mae import MAEConfig as MAEConfig
    from .mae_face import MAE as MAE
    from .mobilevit import MobileViT as MobileViT
    from .mobilevit import MobileViTConfig as MobileViTConfig
    from .pvt import PVT as PVT
    from .pvt import PVTConfig as PVTConfig
    from .resnet import ResNet as ResNet
    from .resnet import ResNetConfig as ResNetConfig
    from .sparse_rcnn import SparseRCNN as SparseRCNN
    from .sparse_rcnn import SparseRCNNConfig as SparseRCNNConfig
    from .swin import Swin as Swin
    from .swin import SwinConfig as SwinConfig


class Member(NamedTuple):
    """Where to find a model's class, the name of its configuration's, and what knows its published weights."""

    module: str
    config: str
    weights: str | None = None  # a module with recognise, load, SOURCES and export; None: there are none


# Whose a file of weights is, is asked from top to bottom: the ViT's readers look at the fewest names, and come last.
MEMBERS = {
    "BERT": Member("minivit.family.bert_face", "BERTConfig", "minivit.weights.bert"),
    "BiT": Member("minivit.family.bit", "BiTConfig", "minivit.weights.bit"),
    "DeformableDETR": Member(
        "minivit.family.deformable_detr", "DeformableDETRConfig", "minivit.weights.deformable_detr"
    ),
    "DETR": Member("minivit.family.detr", "DETRConfig", "minivit.weights.detr"),
    "MAE": Member("minivit.family.mae_face", "MAEConfig", "minivit.weights.mae"),
    "MobileViT": Member("minivit.family.mobilevit", "MobileViTConfig", "minivit.weights.mobilevit"),
    "PVT": Member("minivit.family.pvt", "PVTConfig", "minivit.weights.pvt"),
    "ResNet": Member("minivit.family.resnet", "ResNetConfig", "minivit.weights.resnet"),
    "SparseRCNN": Member("minivit.family.sparse_rcnn", "SparseRCNNConfig", "minivit.weights.sparse_rcnn"),
    "Swin": Member("minivit.family.swin", "SwinConfig", "minivit.weights.swin"),
    "ViT": Member("minivit.model", "ViTConfig", "minivit.weights.vit"),
}
_HOMES = {name: member.module for kind, member in MEMBERS.items() for name in (kind, member.config)}
__all__ = ["MEMBERS", "count_parameters", "kind", "kind_of", "load", "loader", "weights", *_HOMES]


def kind(name: str) -> type:
    """A model's class by its name. Raises ValueError for an unknown one."""
    if name not in MEMBERS:
        guess = f"; did you mean {meant}?" if (meant := near(name, MEMBERS)) else ""
        raise ValueError(f"the family has no {short(name)}, expected one of {', '.join(MEMBERS)}{guess}")
    return getattr(import_module(MEMBERS[name].module), name)


def kind_of(config: Any) -> type:
    """The class of the model that a configuration is of. Raises TypeError for what is none."""
    named = type(config).__name__
    for name, member in MEMBERS.items():
        if member.config == named and isinstance(config, kind(name).Config):
            return kind(name)
    expected = ", ".join(member.config for member in MEMBERS.values())
    raise TypeError(f"config is a {named}, expected one of {expected}")


def load(path: str | os.PathLike, device: str = "cpu") -> Any:
    """Read a model that `save` wrote, or the model in a training checkpoint, by the class that the file names.

    Raises FileNotFoundError, and ValueError for a file that is none (published weights: minivit.load_pretrained).
    """
    arrays = read_arrays(path)
    try:
        found = kind(model_name(arrays))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return restored(path, arrays, found, device)


def count_parameters(config: Any) -> int:
    """The number of parameters (buffers are none) of any model's configuration, without allocating the model."""
    layers = kind_of(config).describe(config)
    shapes = {p.name: p.shape for p in layers.parameters if not (p.fixed or p.buffer)}
    return sum(map(math.prod, shapes.values()))


def weights(name: str) -> ModuleType:
    """The module that knows a model's published weights. Raises ValueError for an unknown one, and for one without."""
    module = MEMBERS[kind(name).__name__].weights
    if module is None:
        raise ValueError(f"no published weights of a {name} are known")
    return import_module(module)


def loader(name: str) -> Callable:
    """The function (path, **options) -> model that reads published weights of this model and of no other. Raises
    ValueError for an unknown one."""
    return weights(name).load


def __getattr__(name: str) -> type:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'minivit.family' has no attribute {name!r}")
