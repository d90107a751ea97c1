"""A model on disk: one .npz with the configuration as JSON and each parameter under its own name. Never pickled."""

import json
import os
from typing import Any, Protocol

import numpy as np

from ..files import read_npz, write_npz
from ..layers import Arrays, Chain, Layer
from .checks import Description
from .parameters import declared_shapes

CONFIG = "minivit.config"  # entries that are no parameter start with "minivit."
CLASSES = "minivit.classes"  # the names of the classes, where they have some
MODEL = "minivit.model"  # the name of the class; files from before there were several have none, and are ViTs


class Kind(Protocol):
    """What is asked of a model's class: what its configuration is, and what layers that makes."""

    __name__: str
    Config: type

    @staticmethod
    def describe(config: Any) -> Chain: ...


def save_model(path: str | os.PathLike, kind: Kind, config: Description, params: Arrays, **extra: np.ndarray) -> None:
    """Write a model of a class, `kind`; `extra` entries (a checkpoint's) are stored beside it under "minivit.<name>".

    params: its buffers, too. Raises ValueError, before anything is written, where `restored` would refuse the file.
    """
    _check(f"{path} cannot be written: the model", kind, config, params)
    extra = {f"minivit.{name}": value for name, value in extra.items()}
    head = {CONFIG: np.array(json.dumps(config.to_dict())), MODEL: np.array(kind.__name__)}
    write_npz(path, {**head, **params, **extra})


def read_arrays(path: str | os.PathLike) -> Arrays:
    """What a file that `save_model` wrote holds. Raises FileNotFoundError, and ValueError for other files."""
    try:
        return read_npz(path)
    except ValueError as error:
        if str(path).lower().endswith((".safetensors", ".onnx")):
            raise ValueError(
                f"{path} is not of minivit's own files, which are .npz: published weights are read by "
                "minivit.load_pretrained"
            ) from error
        raise


def restored(path: str | os.PathLike, arrays: Arrays, kind: Kind, device: str = "cpu") -> Any:
    """The model whose arrays a file holds, with the names of its classes."""
    config, params = parse_model(path, arrays, kind)
    model = kind(config, params=params, device=device)
    if CLASSES in arrays:
        try:
            model.class_names = tuple(json.loads(str(arrays[CLASSES])))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path}: the names of its classes cannot be read: {error}") from error
    return model


def named(names: tuple[str, ...] | None) -> Arrays:
    """The entry of `save_model` that keeps the names of classes, where there are some."""
    return {} if names is None else {CLASSES.removeprefix("minivit."): np.array(json.dumps(names))}


def model_name(arrays: Arrays) -> str:
    """The name of the class of the model that a file's arrays are of."""
    return str(arrays.get(MODEL, "ViT"))


def parse_model(path: str | os.PathLike, arrays: Arrays, kind: Kind) -> tuple[Any, Arrays]:
    """The configuration and the parameters that a file's arrays hold, in the order of the file. Every parameter must be
    there, with the configuration's shape and one float dtype. Raises ValueError that names what is wrong."""
    if CONFIG not in arrays:
        raise ValueError(
            f"{path} is not a minivit model: it has no entry {CONFIG!r} (it has {', '.join(sorted(arrays)[:5])} …); "
            "published weights are read by minivit.load_pretrained"
        )
    if (model := model_name(arrays)) != kind.__name__:
        raise ValueError(f"{path} holds a {model}, expected a {kind.__name__}: read it with minivit.load")
    try:
        options = json.loads(str(arrays[CONFIG]))
        if not isinstance(options, dict):
            raise ValueError(f"it is a {type(options).__name__}, expected a dict")
        config = kind.Config(**options)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: its configuration cannot be read: {error}") from error
    params = {name: _single(array) for name, array in arrays.items() if not name.startswith("minivit.")}
    _check(path, kind, config, params)
    return config, params


def _single(array: np.ndarray) -> np.ndarray:
    """float16 saves half of a file; nothing computes with it."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _check(what: str | os.PathLike, kind: Kind, config: Description, params: Arrays) -> None:
    """Raise ValueError, which begins with `what`, unless `params` are a model of this configuration."""
    if config.parts > len(params):  # else 10⁹ blocks in a stranger's file would fill the memory with names
        raise ValueError(
            f"{what} has {len(params)} parameters, too few for the {config.parts} blocks and units of its configuration"
        )
    try:
        layers = kind.describe(config)
    except ValueError as error:  # a constant that it would need fills the memory
        raise ValueError(f"{what}: {error}") from error
    check_arrays(what, layers, params)


def check_arrays(what: str | os.PathLike, layers: Layer, params: Arrays) -> None:
    """Raise ValueError, which begins with `what`, unless `params` are the parameters and buffers of these layers: their
    names, their shapes, one dtype."""
    shapes = declared_shapes(layers)
    if missing := sorted(shapes.keys() - params.keys()):
        raise ValueError(f"{what} lacks {len(missing)} parameters of its configuration: {', '.join(missing[:5])}")
    if extra := sorted(params.keys() - shapes.keys()):
        raise ValueError(
            f"{what} has {len(extra)} entries that its configuration does not know: {', '.join(extra[:5])}"
        )
    for name, shape in shapes.items():
        if params[name].shape != shape:
            raise ValueError(f"{what}: {name} has shape {params[name].shape}, expected {shape}")
    for name, array in params.items():
        check_finite(f"{what}: {name}", array)
    dtypes = {array.dtype for array in params.values()}
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ValueError(f"{what}: parameters are {', '.join(map(str, dtypes))}, expected all float32 or all float64")


def check_finite(what: str, array: np.ndarray) -> None:
    """Raise ValueError, which begins with `what`, where a float is none."""
    if array.dtype.kind == "f" and (bad := int((~np.isfinite(array)).sum())):
        raise ValueError(f"{what} holds {bad:,} numbers of {array.size:,} that are NaN or infinite")
