"""An answer on its way to the page: JSON, and beside it the arrays as bytes, four a number."""

import json
import struct
from typing import Any

import numpy as np


def packed(answer: Any) -> tuple[Any, list[bytes]]:
    """What holds arrays -> the same with {"array": n, "shape": […]} in their places, and their bytes, float32 in little
    endian and in C order."""
    buffers: list[bytes] = []

    def pack(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            buffers.append(np.ascontiguousarray(value, "<f4").tobytes())
            return {"array": len(buffers) - 1, "shape": list(value.shape)}
        if isinstance(value, dict):
            return {name: pack(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [pack(one) for one in value]
        return value

    return pack(answer), buffers


def body(answer: Any) -> bytes:
    """`packed` in one piece: the JSON's length, the JSON, with blanks to a multiple of four bytes, and the arrays."""
    content, buffers = packed(answer)
    text = json.dumps(content, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    return b"".join((struct.pack("<I", len(text)), text, *buffers))
