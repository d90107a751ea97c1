"""The family: further models of images, each described in a file of its own in the layers of ../layers.

They have the face of a ViT (model/face.py). All that others know of them is this table; what stands in it is loaded
when it is used: `minivit.family.Swin`, `family.loader("Swin")`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # what type checkers and editors see; Python itself looks in the table below
    from .bit import BiT as BiT
    from .bit import BiTConfig as BiTConfig
    from .resnet import ResNet as ResNet
    from .resnet import ResNetConfig as ResNetConfig
    from .swin import Swin as Swin
    from .swin import SwinConfig as SwinConfig


class Member(NamedTuple):
    """Where to find a model's class, its configuration, and the function that reads its published weights."""

    module: str
    config: str
    loader: str


MEMBERS = {
    "Swin": Member("minivit.family.swin", "SwinConfig", "minivit.weights.swin.load_swin_timm"),
    "ResNet": Member("minivit.family.resnet", "ResNetConfig", "minivit.weights.resnet.load"),
    "BiT": Member("minivit.family.bit", "BiTConfig", "minivit.weights.bit.load"),
}
_HOMES = {name: member.module for kind, member in MEMBERS.items() for name in (kind, member.config)}
__all__ = ["MEMBERS", "loader", *_HOMES]


def loader(name: str) -> Callable:
    """The function (path, **options) -> model that reads published weights of this model. Raises ValueError for an
    unknown one."""
    if name not in MEMBERS:
        raise ValueError(f"the family has no {name!r}, expected one of {', '.join(MEMBERS)}")
    module, _, function = MEMBERS[name].loader.rpartition(".")
    return getattr(import_module(module), function)


def __getattr__(name: str) -> type:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'minivit.family' has no attribute {name!r}")
