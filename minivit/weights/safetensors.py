"""The .safetensors format: 8 bytes with the header's length, the header in JSON, and then nothing but numbers.

    {"head.bias": {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]}, …, "__metadata__": {"any": "text"}}

Offsets count from the header's end. Tensors lie side by side: none overlaps another, and there is no gap.
"""

import json
import math
import os
from collections.abc import Mapping

import numpy as np

from ..files import atomic_write
from .tensor import BFLOAT16, Tensor, item_size, raw_tensor, read_exactly, unique

HEADER_LIMIT = 2**24  # bytes; a model of a thousand tensors needs 2¹⁷, and parsed JSON takes many times its size
DTYPES = {
    "F16": "float16", "BF16": BFLOAT16, "F32": "float32", "F64": "float64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "BOOL": "bool",
}  # fmt: skip
METADATA = "__metadata__"


def read_safetensors(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by name, unread, and the texts that it carries besides them. Raises ValueError, naming what
    is wrong, for a file that is damaged."""
    try:
        header, start, size = _read_header(path)
        metadata = header.pop(METADATA, None) or {}
        if not (isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())):
            raise ValueError(f"{METADATA} is {metadata!r:.100}, expected texts by name")
        tensors, spans = {}, []
        for name, entry in header.items():
            shape, dtype, begin, end = _check_entry(name, entry)
            spans.append((begin, end, name))
            tensors[name] = raw_tensor(path, start + begin, shape, dtype)
        _check_spans(spans, size - start)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a complete .safetensors file: {error}") from error
    return tensors, metadata


def write_safetensors(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write float32 or float64 arrays by name, atomically. The same arrays give the same bytes."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    header: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": names[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers start at a multiple of 8 bytes
    with atomic_write(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
            file.write(little.reshape(-1).view(np.uint8).data)


def _read_header(path: str | os.PathLike) -> tuple[dict, int, int]:
    """The header, where the numbers start, and the file's size."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        length = int.from_bytes(read_exactly(file, 8), "little")
        if length > min(HEADER_LIMIT, size - 8):
            raise ValueError(f"its header claims {length:,} bytes, the file has {size:,} (limit {HEADER_LIMIT:,})")
        header = json.loads(read_exactly(file, length), object_pairs_hook=unique)
    if not isinstance(header, dict):
        raise ValueError(f"its header is a {type(header).__name__}, expected names and tensors")
    return header, 8 + length, size


def _check_entry(name: str, entry: object) -> tuple[tuple[int, ...], str, int, int]:
    def is_counts(value: object) -> bool:
        return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)

    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name} is {entry!r:.100}, expected dtype, shape and data_offsets")
    shape, offsets, dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"{name} has dtype {dtype!r:.100}, expected one of {', '.join(DTYPES)}")
    if not is_counts(shape) or not is_counts(offsets) or len(offsets) != 2:
        raise ValueError(f"{name} has shape {shape!r:.100} and data_offsets {offsets!r:.100}, expected whole numbers")
    begin, end = offsets
    if end - begin != math.prod(shape) * item_size(DTYPES[dtype]):
        raise ValueError(f"{name} has {end - begin:,} bytes, too many or too few for {dtype} {shape!r:.100}")
    return tuple(shape), DTYPES[dtype], begin, end


def _check_spans(spans: list[tuple[int, int, str]], size: int) -> None:
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            what = "overlaps the tensor before it" if begin < position else "leaves a gap before it"
            raise ValueError(f"{name} lies at {begin:,} … {end:,} and {what}, which ends at {position:,}")
        position = end
    if position != size:
        raise ValueError(f"its tensors need {position:,} bytes, it has {size:,} for them")
