"""Large models come in several files: model-00001-of-00002.safetensors and so on, and an index that says what is where.

{"metadata": {}, "weight_map": {"head.bias": "model-00002-of-00002.safetensors", …}}
"""

import re
from pathlib import Path
from typing import Any

from .safetensors import read_safetensors
from .tensor import Tensor
from .told import read_json

INDEX = ".safetensors.index.json"
PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")


def find_index(folder: Path) -> Path | None:
    """The index of a folder's shards, None where there is none. Raises ValueError where there are several."""
    found = sorted(file for file in folder.iterdir() if file.name.endswith(INDEX))
    if len(found) > 1:
        raise ValueError(f"{folder} holds {len(found)} models in parts, choose one: {', '.join(f.name for f in found)}")
    return found[0] if found else None


def check_no_part(path: Path) -> None:
    """Raise ValueError for one part of a model."""
    if match := PART.fullmatch(path.name):
        index = path.with_name(match[1] + INDEX)
        whole = f"give the folder, or {index.name}" if index.is_file() else f"its index, {index.name}, is missing here"
        raise ValueError(f"{path} is part {int(match[2])} of {int(match[3])} of a model in shards: {whole}")


def read_shards(index: Path) -> tuple[dict[str, Tensor], Any]:
    """The tensors that an index names, unread, and the first part's metadata. Raises ValueError or FileNotFoundError,
    naming the index, for parts that are missing or do not hold what it says."""
    told = read_json(index).get("weight_map")
    if not isinstance(told, dict) or not all(isinstance(file, str) for file in told.values()) or not told:
        raise ValueError(f"{index} has no weight_map, expected the names of tensors and of the files they are in")
    parts = {}
    for name in sorted(set(told.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(f"{index} names {name!r:.100}, expected a .safetensors file beside it")
        if not (index.parent / name).is_file():
            raise FileNotFoundError(f"{index} names {name}, which is not beside it: download all parts")
        parts[name] = read_safetensors(index.parent / name)
    if missing := [tensor for tensor, file in told.items() if tensor not in parts[file][0]]:
        raise ValueError(f"{index} names {len(missing)} tensors that are not in their parts: {', '.join(missing[:5])}")
    return {tensor: parts[file][0][tensor] for tensor, file in told.items()}, parts[min(parts)][1]
