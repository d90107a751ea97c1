"""A file of weights, looked at but not yet read: its tensors by name, what else it tells, and whose they are."""

import dataclasses
import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import family
from ..files import ordinary
from ..model.files import CONFIG
from ..model.sizes import SIZES
from .npz import read_lazy_npz
from .onnx import read_onnx
from .safetensors import read_safetensors
from .tensor import BFLOAT16, Tensor

# path -> the tensors, and what else the file tells.
READERS = {".npz": lambda path: (read_lazy_npz(path), None), ".safetensors": read_safetensors, ".onnx": read_onnx}
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True)
class Opened:
    """A file of published weights; a path, too, for a loader that looks for itself."""

    file: Path
    tensors: Mapping[str, Tensor]  # by their names in the file
    beside: Any  # the metadata of .safetensors, the size of an .onnx graph's images
    model: str  # whose it is, as the family's table has it: "ViT"
    source: str  # who wrote it: "timm"

    def __fspath__(self) -> str:
        return str(self.file)


def open_weights(path: str | os.PathLike, expected: str | None = None) -> Opened:
    """Look at a file, or the one in a folder, unless that was done. expected: the model that it is to be of.

    Raises FileNotFoundError, ValueError for a damaged file, and for one of another model or of none.
    """
    if isinstance(path, Opened) and expected == path.model:
        return path
    file = find_weights(path)
    tensors, beside = _read(file)
    with naming(file):
        model, source = whose(tensors)
        if expected not in (None, model):
            names = f"its names are those of a {model} ({source})"
            raise ValueError(f"{names}, expected a {expected}: minivit.load_pretrained reads either")
    return Opened(file, {name: _finite(file, name, tensor) for name, tensor in tensors.items()}, beside, model, source)


def _finite(file: Path, name: str, tensor: Tensor) -> Tensor:
    """The same tensor, whose `read` raises ValueError where a number is none."""

    def read() -> np.ndarray:
        array = tensor.read()
        if tensor.dtype == BFLOAT16:  # all bits of the exponent are set
            bad = int(((array & 0x7F80) == 0x7F80).sum())
        else:
            bad = int((~np.isfinite(array)).sum()) if array.dtype.kind == "f" else 0
        if bad:
            raise ValueError(f"{file}: {name} holds {bad:,} numbers of {array.size:,} that are NaN or infinite")
        return array

    return dataclasses.replace(tensor, read=read)


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """What is wrong with a file, and raised within, begins with its name."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{file}: {error}") from error


def whose(tensors: Mapping[str, Tensor]) -> tuple[str, str]:
    """The model and the source whose names these are. Raises ValueError where they are nobody's."""
    if CONFIG in tensors:
        raise ValueError("it is a model that minivit saved: read it with minivit.load")
    published = [name for name, member in family.MEMBERS.items() if member.weights]
    for name in published:
        if source := family.weights(name).recognise(tensors):
            return name, source
    names = ", ".join(list(tensors)[:5])
    raise ValueError(f"its names are those of no known model ({', '.join(published)}): it has {names} …")


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
    path = ordinary(path)
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


def check_options(options: Mapping[str, Any], config: type, dtype: type) -> None:
    """Raise TypeError for an option that neither load_pretrained nor this configuration's class has, ValueError for
    another dtype than a model's."""
    known = [field.name for field in dataclasses.fields(config)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, ["dtype", "device", *known], n=1)
            hint = f"did you mean {near[0]}?" if near else f"see help(minivit.{config.__name__})"
            raise TypeError(f"{name} is no option of load_pretrained, nor of {config.__name__}: {hint}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is {np.dtype(dtype)}, expected float32 or float64")
