"""A model on disk: one .npz with the configuration as JSON and each parameter under its own name. Never pickled."""

import json
import os

import numpy as np

from ..files import read_npz, write_npz
from .config import ViTConfig
from .shapes import parameter_shapes

CONFIG = "minivit.config"  # entries that are no parameter start with "minivit."


def save_model(path: str | os.PathLike, config: ViTConfig, params: dict[str, np.ndarray], **extra: np.ndarray) -> None:
    """Write a model; `extra` entries (a checkpoint's) are stored beside it under "minivit.<name>".

    Raises ValueError, before anything is written, where `load_model` would refuse the file.
    """
    _check(f"{path} cannot be written: the model", config, params)
    extra = {f"minivit.{name}": value for name, value in extra.items()}
    write_npz(path, {CONFIG: np.array(json.dumps(config.to_dict())), **params, **extra})


def load_model(path: str | os.PathLike) -> tuple[ViTConfig, dict[str, np.ndarray]]:
    """Read what `save_model` wrote. Every parameter must be there, with the configuration's shape and one float dtype.

    Raises FileNotFoundError, or ValueError that names what is wrong.
    """
    return parse_model(path, read_npz(path))


def parse_model(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> tuple[ViTConfig, dict[str, np.ndarray]]:
    """`load_model`, of a file's arrays that were read before."""
    if CONFIG not in arrays:
        raise ValueError(
            f"{path} is not a minivit model: it has no entry {CONFIG!r} (it has {', '.join(sorted(arrays)[:5])} …)"
        )
    try:
        options = json.loads(str(arrays[CONFIG]))
        if not isinstance(options, dict):
            raise ValueError(f"it is a {type(options).__name__}, expected a dict")
        config = ViTConfig(**options)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: its configuration cannot be read: {error}") from error
    params = {name: array for name, array in arrays.items() if not name.startswith("minivit.")}
    _check(path, config, params)
    return config, {name: params[name] for name in parameter_shapes(config)}


def _check(what: str, config: ViTConfig, params: dict[str, np.ndarray]) -> None:
    """Raise ValueError, which begins with `what`, unless `params` are a model of this configuration."""
    units = sum(config.stem or ())
    if config.depth + units > len(params):  # else 10⁹ blocks in a stranger's file would fill the memory with names
        raise ValueError(
            f"{what} has {len(params)} parameters, too few for its configuration's depth {config.depth}"
            + (f" and {units} units in its stem" if units else "")
        )
    shapes = parameter_shapes(config)
    if missing := sorted(shapes.keys() - params.keys()):
        raise ValueError(f"{what} lacks {len(missing)} parameters of its configuration: {', '.join(missing[:5])}")
    if extra := sorted(params.keys() - shapes.keys()):
        raise ValueError(
            f"{what} has {len(extra)} entries that its configuration does not know: {', '.join(extra[:5])}"
        )
    for name, shape in shapes.items():
        if params[name].shape != shape:
            raise ValueError(f"{what}: {name} has shape {params[name].shape}, expected {shape}")
    dtypes = {array.dtype for array in params.values()}
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ValueError(f"{what}: parameters are {', '.join(map(str, dtypes))}, expected all float32 or all float64")
