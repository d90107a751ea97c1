"""A model on disk: one .npz with the configuration as JSON and each parameter under its own name. Never pickled."""

import json

import numpy as np

from ..files import read_npz, write_npz
from .config import ViTConfig, parameter_shapes

CONFIG = "minivit.config"  # entries that are no parameter start with "minivit."


def save_model(path: str, config: ViTConfig, params: dict[str, np.ndarray], **extra: np.ndarray) -> None:
    """Write a model; `extra` entries (a checkpoint's) are stored beside it under "minivit.<name>"."""
    extra = {f"minivit.{name}": value for name, value in extra.items()}
    write_npz(path, {CONFIG: np.array(json.dumps(config.to_dict())), **params, **extra})


def load_model(path: str) -> tuple[ViTConfig, dict[str, np.ndarray]]:
    """Read what `save_model` wrote. Every parameter must be there, with the configuration's shape and one float dtype.

    Raises FileNotFoundError, or ValueError that names what is wrong.
    """
    arrays = read_npz(path)
    if CONFIG not in arrays:
        raise ValueError(
            f"{path} is not a minivit model: it has no entry {CONFIG!r} (it has {', '.join(sorted(arrays)[:5])} …)"
        )
    try:
        config = ViTConfig(**json.loads(str(arrays[CONFIG])))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: its configuration cannot be read: {error}") from error
    shapes = parameter_shapes(config)
    params = {name: array for name, array in arrays.items() if not name.startswith("minivit.")}
    if missing := sorted(shapes.keys() - params.keys()):
        raise ValueError(f"{path} lacks {len(missing)} parameters of its configuration: {', '.join(missing[:5])}")
    if extra := sorted(params.keys() - shapes.keys()):
        raise ValueError(
            f"{path} has {len(extra)} entries that its configuration does not know: {', '.join(extra[:5])}"
        )
    for name, shape in shapes.items():
        if params[name].shape != shape:
            raise ValueError(f"{path}: {name} has shape {params[name].shape}, expected {shape}")
    dtypes = {array.dtype for array in params.values()}
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ValueError(f"{path}: parameters are {', '.join(map(str, dtypes))}, expected all float32 or all float64")
    return config, {name: params[name] for name in shapes}
