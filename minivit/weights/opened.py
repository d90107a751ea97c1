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
from .lookalikes import CURES, PICKLES, SAVE, check_not_alike
from .npz import read_lazy_npz
from .onnx import read_onnx
from .safetensors import read_safetensors
from .shards import INDEX, check_no_part, find_index, read_shards
from .tensor import BFLOAT16, Tensor
from .wrapped import unwrapped

# path -> the tensors, and what else the file tells.
READERS = {".npz": lambda path: (read_lazy_npz(path), None), ".safetensors": read_safetensors, ".onnx": read_onnx}


@dataclass(frozen=True)
class Opened:
    """A file of published weights; a path, too, for a loader that looks for itself."""

    file: Path  # of a model in parts, the index
    tensors: Mapping[str, Tensor]  # by their names in the file, without what wraps them all
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
        _, tensors = unwrapped(tensors, known_to)
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
    if found := known_to(tensors):
        return found
    published = ", ".join(name for name, member in family.MEMBERS.items() if member.weights)
    names = ", ".join(list(tensors)[:5])
    raise ValueError(f"its names are those of no known model ({published}), whatever their prefix: it has {names} …")


def known_to(tensors: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """The model and the source whose names these are, None where they are nobody's."""
    for name, member in family.MEMBERS.items():
        if member.weights and (source := family.weights(name).recognise(tensors)):
            return name, source
    return None


def read_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """Every tensor of a .npz, .safetensors or .onnx file by its name in the file, unread: `.shape`, `.read()`.

    Raises FileNotFoundError, and ValueError for a damaged file or another kind. Nothing is ever unpickled.
    """
    return _read(path)[0]


def _read(path: str | os.PathLike) -> tuple[dict[str, Tensor], Any]:
    """The tensors, and what else the file tells: the metadata of .safetensors, the size of an .onnx graph's images."""
    path = Path(path)
    if path.name.endswith(INDEX):
        return read_shards(path)
    check_not_alike(path)
    check_no_part(path)
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise ValueError(f"{path} ends in {suffix}, and so {CURES['pickle']}; if it is none, rename it")
    if suffix not in READERS:
        raise ValueError(f"{path} ends in {suffix!r}, expected one of {', '.join(READERS)}")
    return READERS[suffix](path)


def find_weights(path: str | os.PathLike) -> Path:
    """The file itself, or the one file of weights in a folder: of a model in parts its index."""
    path = ordinary(path)
    if not path.exists():
        name = ": it is the name of a model, whose weights must be downloaded first" if str(path) in SIZES else ""
        raise FileNotFoundError(f"{path} does not exist{name}")
    if not path.is_dir():
        return path
    if (path / "snapshots").is_dir():  # as Hugging Face's cache keeps what it has downloaded
        return find_weights(_snapshot(path))
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS)
    files = [file for file in files if file.name == "model.safetensors"] or files
    if [file.name for file in files] != ["model.safetensors"] and (index := find_index(path)):
        return index
    if not files:
        pickles = ", ".join(sorted(file.name for file in path.iterdir() if file.suffix.lower() in PICKLES)[:5])
        only = f", only what is a pickle ({pickles}): {SAVE}" if pickles else f", expected one of {', '.join(READERS)}"
        raise FileNotFoundError(f"{path} holds no file of weights{only}")
    if len(files) > 1:
        check_no_part(files[0])
        names = ", ".join(file.name for file in files[:5])
        raise ValueError(f"{path} holds {len(files)} files of weights, choose one: {names}")
    return files[0]


def _snapshot(cache: Path) -> Path:
    """The one version in a folder of Hugging Face's cache, or the one that it calls main."""
    main, versions = cache / "refs" / "main", sorted(folder for folder in (cache / "snapshots").iterdir())
    if main.is_file() and (named := cache / "snapshots" / main.read_text("utf-8").strip()) in versions:
        return named
    if len(versions) != 1:
        raise ValueError(f"{cache} holds {len(versions)} snapshots, choose one: {', '.join(v.name for v in versions)}")
    return versions[0]


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
