"""Arrays of an .npz archive by name, looked at but unread: minivit.files.read_npz for files that are large."""

import math
import os
import zipfile
from functools import partial

import numpy as np

from ..files import open_npz, read_member
from .tensor import BFLOAT16, Tensor, unique


def read_lazy_npz(path: str | os.PathLike) -> dict[str, Tensor]:
    """The arrays of an archive by name. Nothing is unpickled, and nothing unpacks to more than its file can mean.

    Raises FileNotFoundError, and ValueError, naming what is wrong, for a file that is damaged or something else.
    """
    with open_npz(path) as archive:
        members = archive.infolist()
        return unique((m.filename.removesuffix(".npy"), _look_at(path, archive, m)) for m in members)


def _look_at(path: str | os.PathLike, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Tensor:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{member.filename} is of .npy version {version}, expected (1, 0) or (2, 0)")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds pickled Python objects, expected numbers")
        if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(
                f"{member.filename} has {member.file_size - file.tell():,} bytes, too many or too few for "
                f"{dtype} {shape}"
            )
    if dtype == np.dtype("V2"):  # so NumPy writes JAX's bfloat16
        return Tensor(shape, BFLOAT16, lambda: _read(path, member.filename).view(np.uint16))
    return Tensor(shape, dtype.name, partial(_read, path, member.filename))


def _read(path: str | os.PathLike, name: str) -> np.ndarray:
    with open_npz(path) as archive:
        array = read_member(archive, name)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
