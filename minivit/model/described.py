"""A model that a configuration describes: made of it, saved with it, loaded again. face.py has those of images."""

import functools
import math
import os
from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

import numpy as np

from ..layers import Arrays, Layer
from .checks import Description
from .files import check_arrays, named, read_arrays, restored, save_model
from .model import Model
from .parameters import start

D = TypeVar("D", bound=Description)  # a model's


class Described(Model, Generic[D]):
    """A model's own class says which Config it takes, and `describe` what layers that makes."""

    Config: type[D]

    def __init__(
        self,
        config: D,
        seed: int = 0,
        dtype: type = np.float32,
        init: str = "timm",
        params: Arrays | None = None,
        device: str = "cpu",
    ) -> None:
        if not isinstance(config, self.Config):
            raise TypeError(f"config is a {type(config).__name__}, expected a {self.Config.__name__}")
        layers = self.describe(config)
        if params is None:
            if np.dtype(dtype) not in (np.float32, np.float64):
                raise ValueError(f"dtype is {np.dtype(dtype)}, expected float32 or float64")
            params = start(layers, seed, dtype, init)
        check_arrays("the dict of params", layers, params)
        super().__init__(layers, params, device)
        self._config = config
        self._class_names: tuple[str, ...] | None = None

    @staticmethod
    def describe(config: Any) -> Layer:
        """A configuration -> the layers."""
        raise NotImplementedError  # each model's own class says it

    @property
    def config(self) -> D:
        """The architecture. The layers follow from it once, when the model is made: for another, make another."""
        return self._config

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What the K classes are called, where they have names. Set it, and `save` keeps them."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Sequence[str] | None) -> None:
        classes = getattr(self.config, "classes", 0)
        if names is not None and (isinstance(names, str) or not all(isinstance(name, str) for name in names)):
            raise TypeError(f"class_names is {names!r:.100}, expected a text for each of {classes} classes")
        if names is not None and len(names) != classes:
            raise ValueError(f"class_names has {len(names)} names, expected one for each of {classes} classes")
        self._class_names = None if names is None else tuple(names)

    @classmethod
    def from_name(
        cls,
        name: str,
        *,
        seed: int = 0,
        dtype: type = np.float32,
        init: str = "timm",
        device: str = "cpu",
        **changes: Any,
    ) -> Self:
        """A published model's architecture with fresh parameters: its configuration's from_name, with `changes`. (Its
        trained weights must be had from their publisher: minivit.load_pretrained.)"""
        return cls(cls.Config.from_name(name, **changes), seed, dtype, init, device=device)

    def save(self, path: str | os.PathLike) -> None:
        """Write configuration and parameters to a .npz (no pickle; a temporary file, then renamed)."""
        save_model(path, type(self), self.config, self.numpy_arrays(), **named(self.class_names))

    @classmethod
    def load(cls, path: str | os.PathLike, device: str = "cpu") -> Self:
        """Read a model that `save` wrote, or the model in a training checkpoint. Raises ValueError for other files."""
        return restored(path, read_arrays(path), cls, device)

    def __reduce__(self) -> tuple:
        """A process of its own gets the numbers, and makes the layers anew."""
        return functools.partial(type(self), params=self.numpy_arrays(), device=self.device.name), (self.config,)

    def __repr__(self) -> str:
        count = sum(math.prod(array.shape) for array in self.params.values())
        return f"{type(self).__name__}({self.config.summary}, {count:,} parameters, {self.dtype})"
